"""The command line of ``fapws``, taken apart, and the configuration that it stands for.

A master that ``fapws`` has started reads its words again at every reload, so this belongs to the
settings. By hand instead of by argparse, which would stay in the master's memory.
"""

from __future__ import annotations

import os

from fapws.lean import Any, Callable, NamedTuple
from fapws.settings.addresses import parse_address
from fapws.settings.build import build
from fapws.settings.ini import read
from fapws.settings.model import Address, Config, split_callable
from fapws.settings.options import POOL_OPTIONS, parse
from fapws.settings.problems import UsageError
from fapws.settings.scan import Scan, Section


class Arguments(NamedTuple):
    """The command line, taken apart and checked word by word."""

    app: str = ""
    config: str = ""
    bind: tuple[Address, ...] = ()
    workers: int = 0
    """0: not given."""
    max_body_size: int | None = None
    """Bytes; None: not given."""
    reload: bool = False
    strict_paths: bool = False
    static: tuple[tuple[str, str], ...] = ()
    args: tuple[str, ...] | None = None
    """The program's own, behind ``--``; None: not given."""
    action: str = ""
    """``help``, ``version`` or ``selftest``: do it and nothing else."""
    seconds: float = 100.0
    """Of the self-test."""


# ---- Arguments -----------------------------------------------------------------------------------

_LONG = {"--config": "-c", "--bind": "-b", "--workers": "-w", "--help": "-h"}
_FLAGS: dict[str, dict[str, Any]] = {
    "-h": {"action": "help"},
    "--version": {"action": "version"},
    "--reload": {"reload": True},
    "--strict-paths": {"strict_paths": True},
}
_ARGS_HINT = "words for the program itself stand behind --"
_WITH_VALUE = ("-c", "-b", "-w", "--max-body-size", "--static")
_SELFTEST = "--selftest"
_LONGEST_SELFTEST = 86400.0


def parse_arguments(words: list[str], directory: str) -> Arguments:
    """The command line in pieces; relative paths start at directory. Raises UsageError.

    A value stands behind its option as the next word, after ``=`` (``--bind=:80``) or, for a short
    one, at once (``-w2``). Options may stand before and behind APP; ``--`` ends them. What stands
    behind it is the program's own, but for APP, if neither APP nor an INI file was named before.
    """
    arguments = Arguments()
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments = _take_rest(arguments, tuple(rest))
        elif not word.startswith("-") or word == "-":
            arguments = _take_app(arguments, word)
        else:
            arguments = _take_option(arguments, word, rest, directory)
    if not (arguments.app or arguments.config or arguments.static or arguments.action):
        raise UsageError("nothing to serve: name an APP, an INI file (-c) or a folder (--static)")
    return arguments


def _take_app(arguments: Arguments, word: str) -> Arguments:
    if arguments.app:
        raise UsageError(f"there is one APP, not {arguments.app} and {word}; {_ARGS_HINT}")
    if not word:
        raise UsageError("APP is empty")
    return arguments._replace(app=word)


def _take_rest(arguments: Arguments, words: tuple[str, ...]) -> Arguments:
    """What stands behind ``--``."""
    if not (arguments.app or arguments.config or arguments.static) and words:
        return _take_app(arguments, words[0])._replace(args=words[1:] or None)
    return arguments._replace(args=words)


def _take_option(arguments: Arguments, word: str, rest: Any, directory: str) -> Arguments:
    name, value = _split_option(word)
    if name == _SELFTEST:
        return _take_selftest(arguments, value)
    if name in _FLAGS:
        if value is not None:
            raise UsageError(f"{word}: takes no value")
        return arguments._replace(**_FLAGS[name])
    if name not in _WITH_VALUE:
        raise UsageError(_unknown_option(word))
    if value is None:
        value = next(rest, None)
    if not value:
        raise UsageError(f"{word}: needs a value")
    try:
        return _TAKE[name](arguments, value, directory)
    except ValueError as error:
        raise UsageError(f"{name} {value}: {error}") from None


def _take_selftest(arguments: Arguments, value: str | None) -> Arguments:
    """The one option whose value may be missing, and therefore stands behind ``=``."""
    if value is None:
        return arguments._replace(action="selftest")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_SELFTEST:
        raise UsageError(f"{_SELFTEST}={value}: must be seconds, more than 0 and at most a day")
    return arguments._replace(action="selftest", seconds=seconds)


def _split_option(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return _LONG.get(name, name), value if equals else None
    return word[:2], word[2:] or None


def _unknown_option(word: str) -> str:
    from fapws.settings.values import nearest

    name = word.partition("=")[0]
    known = [option.lstrip("-") for option in (*_LONG, *_FLAGS, *_WITH_VALUE, _SELFTEST)]
    meant = nearest(name.lstrip("-"), known) if name.startswith("--") else ""
    return f"{name}: unknown option, " + (f"did you mean --{meant}?" if meant else _ARGS_HINT)


def _take_config(arguments: Arguments, value: str, directory: str) -> Arguments:
    if arguments.config:
        raise ValueError(f"there is one INI file, and {arguments.config} was given before")
    return arguments._replace(config=value)


def _take_bind(arguments: Arguments, value: str, directory: str) -> Arguments:
    return arguments._replace(bind=(*arguments.bind, parse_address(value, directory)))


def _take_workers(arguments: Arguments, value: str, directory: str) -> Arguments:
    return arguments._replace(workers=parse(POOL_OPTIONS["workers"], value, directory))


def _take_max_body_size(arguments: Arguments, value: str, directory: str) -> Arguments:
    return arguments._replace(max_body_size=parse(POOL_OPTIONS["max_body_size"], value, directory))


def _take_static(arguments: Arguments, value: str, directory: str) -> Arguments:
    path, equals, folder = value.partition("=")
    if not equals:
        raise ValueError(f"must be a path and a folder, such as /={value}")
    added = parse(POOL_OPTIONS["static"], f"{path}:{folder}", directory)
    if added[0][0] in dict(arguments.static):
        raise ValueError(f"there is a folder for {added[0][0] or '/'} already")
    return arguments._replace(static=(*arguments.static, *added))


_TAKE: dict[str, Callable[[Arguments, str, str], Arguments]] = {
    "-c": _take_config,
    "-b": _take_bind,
    "-w": _take_workers,
    "--max-body-size": _take_max_body_size,
    "--static": _take_static,
}


# ---- Configuration -------------------------------------------------------------------------------


def configuration(arguments: Arguments, directory: str) -> Callable[[], Config]:
    """What makes the Config of a command line, now and at every reload.

    With -c the INI file is read, and the command line is stronger: -w, --reload and --strict-paths hold
    for every pool; -b, APP, --static and what stands behind -- take the place of the listeners, the
    application, the folders and the args of its pool, of which there must be one. directory is where
    relative paths start and where the modules of APP are looked for. Raises UsageError if APP cannot be an
    application; what is returned raises ConfigError.
    """
    overrides = _overrides(arguments, directory)
    if arguments.config:
        return lambda: read(arguments.config, overrides)
    name = _pool_name(arguments.app) if arguments.app else "static"
    found = Scan([Section(f"app:{name}", 0, [])], [])
    return lambda: build(found, "fapws", "", directory, overrides)


def _overrides(arguments: Arguments, directory: str) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    if arguments.app:
        overrides.update(_application(arguments.app, directory))
    if arguments.bind:
        overrides["listen"] = arguments.bind
    if arguments.workers:
        overrides["workers"] = arguments.workers
    if arguments.max_body_size is not None:
        overrides["max_body_size"] = arguments.max_body_size
    if arguments.reload:
        overrides["autoreload"] = overrides["traceback_page"] = True
    if arguments.strict_paths:
        overrides["strict_paths"] = True
    if arguments.static:
        overrides["static"] = arguments.static
    if arguments.args is not None:
        overrides["args"] = arguments.args
    return overrides


def _application(app: str, directory: str) -> dict[str, Any]:
    """APP as the values of app, script and directory."""
    path = split_callable(app)[0]
    is_file = path.endswith(".py") or "/" in path
    option = POOL_OPTIONS["script" if is_file else "app"]
    try:
        value = parse(option, app, directory)
    except ValueError as error:
        if os.path.isfile(os.path.join(directory, f"{path}.py")) and not is_file:
            raise UsageError(f"{app}: did you mean {path}.py?") from None
        raise UsageError(f"{app}: {error}") from None
    if is_file:
        return {"script": value, "app": ""}
    return {"app": value, "script": "", "directory": directory}


def _pool_name(app: str) -> str:
    """What the application is called in messages: ``hello`` for hello.py, ``mysite`` for
    mysite.wsgi:app."""
    path = split_callable(app)[0]
    name = os.path.splitext(os.path.basename(path))[0] if path.endswith(".py") else path.partition(".")[0]
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-._") else "-" for letter in name
    )
    return kept.strip("-.") or "app"
