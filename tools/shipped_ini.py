"""Writes conf/fapws.ini from the one table that declares the options.

usage: python tools/shipped_ini.py [--check]

--check changes nothing; it exits with 1 when the file is not what it would be. The shipped file runs
unprivileged from a clone; whatever it does not set stands there as a comment with its default.
"""

from __future__ import annotations

from pathlib import Path

from pages import write_or_check

from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS, Option

FILE = Path(__file__).resolve().parent.parent / "conf" / "fapws.ini"
_WIDTH = 100
"""Columns of the rendered comments."""

_HEAD = """\
; Fapws: a master and its workers. `fapwsctl -c THIS_FILE configtest` tells every mistake at once.
;
; Relative paths start at the directory of this file. Sizes take k, m, g; times take ms, s, m, h (a
; bare number is seconds). Comments stand on lines of their own. An indented line goes on with the
; value above. What stands behind a # below is the default: take the # away to change it.
"""
_POOL_HEAD = """\
; One pool of workers serving one application; as many [app:NAME] as wanted, each with its own
; address. Options marked with + may also stand in [fapws] and are then the default of all pools.
"""
_ENVIRONMENT = """\
; Environment of the pool's workers. Values are taken as they stand, quotes and all.
[app:hello:env]
#DJANGO_SETTINGS_MODULE = mysite.settings
"""
_SHIPPED = {
    "pidfile": "run/fapws.pid",
    "control": "run/fapws.sock",
    "error_log": "run/error.log",
    "script": "samples/hello/hello.py",
    "listen": "127.0.0.1:8888",
}
"""What the shipped file sets, because the clone needs it or nobody should have to search for it."""


def render() -> str:
    """The text of conf/fapws.ini."""
    master = "\n".join(_render_option(option) for option in MASTER_OPTIONS.values())
    pool = "\n".join(_render_option(option) for option in POOL_OPTIONS.values())
    return (
        "\n".join([_HEAD, "[fapws]", master, _POOL_HEAD + "[app:hello]", pool, _ENVIRONMENT.rstrip()]) + "\n"
    )


def main() -> int:
    """Writes or checks the file; the exit status."""
    return write_or_check(FILE, render(), "fapws/settings/options.py", "tools/shipped_ini.py")


def _render_option(option: Option) -> str:
    mark = "+ " if option.name in POOL_OPTIONS and option.shared else ""
    lines = _wrap(mark + option.help)
    if option.name in _SHIPPED:
        lines.append(f"{option.name} = {_SHIPPED[option.name]}")
    else:
        lines.append(f"#{option.name} = {option.default}".rstrip())
    return "\n".join(lines) + "\n"


def _wrap(text: str) -> list[str]:
    lines = [";"]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(";")
        lines[-1] += " " + word
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
