"""The page of `fapwsctl why`, made of what a master replies: which lines, which advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fapws.cli.why import page

INI = """\
[fapws]
pidfile = run/fapws.pid
[app:shop]
app = shop.wsgi:application
boot_timeout = 20s
warmup = GET / 200
"""
LATE = "worker shop/0 was not ready after 20 s (boot_timeout) and was killed"
WARMUP = "warmup: GET / 200: the application failed: KeyError: 'x'"


def shown(tmp_path: Path, kind: str, text: str, last_reload: dict[str, Any] | None = None) -> str:
    ini = tmp_path / "fapws.ini"
    ini.write_text(INI)
    last = {"kind": kind, "pool": "shop", "text": text, "ago": 60.0}
    last.update(dict.fromkeys(("traceback", "stack", "printed"), ""), requests=[])
    reply = {"summary": "running", "config": str(ini), "error_log": "log", "last_reload": last_reload}
    return page(reply, [last], str(ini))


def test_commands_name_the_file_that_this_one_was_given(tmp_path: Path) -> None:
    told = shown(tmp_path, "reload", "reload failed: KeyError: 'x'")
    ini = tmp_path / "fapws.ini"
    assert f"then: fapwsctl -c {ini} configtest, and fapwsctl -c {ini} reload." in told


@pytest.mark.parametrize("kind", ["reload", "boot"])
@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("reload failed: KeyError: 'x'", {"app"}),
        (f"reload failed: {WARMUP}", {"app", "warmup"}),
        (f"reload failed: {LATE}", {"app", "boot_timeout", "warmup"}),
        (
            "worker shop/0 (pid 7) was killed: not ready in 20.0 s (boot_timeout)",
            {"app", "boot_timeout", "warmup"},
        ),
    ],
    ids=["traceback", "warmup", "late reload", "late start"],
)
def test_lines_and_advice_are_those_of_the_failure(
    kind: str, text: str, keys: set[str], tmp_path: Path
) -> None:
    told = shown(tmp_path, kind, text)
    places = [line for line in told.splitlines() if line.startswith(f"  {tmp_path}") and " = " in line]
    assert {line.split(": ")[1].split(" = ")[0] for line in places} == keys
    assert ("raise boot_timeout" in told) == ("boot_timeout" in keys)


@pytest.mark.parametrize(
    ("kind", "last_reload", "over"),
    [
        ("reload", {"ok": True, "ago": 5.0}, True),
        ("boot", {"ok": True, "ago": 5.0}, True),
        ("reload", {"ok": True, "ago": 5.0, "pools": ["blog", "shop"]}, True),
        ("reload", {"ok": True, "ago": 5.0, "pools": ["blog"]}, False),
        ("boot", {"ok": True, "ago": 70.0}, False),
        ("reload", {"ok": False, "ago": 60.0}, False),
        ("crash", {"ok": True, "ago": 5.0}, False),
        ("boot", None, False),
    ],
)
def test_what_a_later_reload_has_mended_is_no_advice(
    kind: str, last_reload: dict[str, Any] | None, over: bool, tmp_path: Path
) -> None:
    told = shown(tmp_path, kind, "reload failed: KeyError: 'x'", last_reload)
    assert ("a later reload has succeeded, 5s ago" in told.partition("\n")[0]) is over
    assert ("Nothing about this one" in told) is over
    assert ("Mend what is said" in told) is (not over and kind != "crash")
