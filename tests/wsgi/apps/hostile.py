"""Applications whose objects do all they can to end the worker, one for each path.

After each of them /restore puts back what the process shares, and /pid tells who has answered.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Callable
from urllib.parse import unquote

Start = Callable[..., Any]
STDERR = sys.stderr


class Lookups:
    """Nothing can be looked up; iterating works."""

    def __iter__(self) -> Any:
        return iter([b"x"])

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class ExitingLookups(Lookups):
    def __getattr__(self, name: str) -> Any:
        raise SystemExit(f"no {name}")


class BadClose:
    def __iter__(self) -> Any:
        return iter([b"x"])

    @property
    def close(self) -> Any:
        raise KeyboardInterrupt("close")


class BadClass(Lookups):
    @property
    def __class__(self) -> Any:
        raise SystemExit("class")


class Unformatted(Exception):
    def __str__(self) -> str:
        raise SystemExit("str")

    __repr__ = __str__


class BadCause(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


class BadName(type):
    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit(name)


class NoStderr:
    pass


class NoFlush:
    def write(self, text: str) -> None:
        pass


class BadWrite:
    def write(self, text: str) -> None:
        raise SystemExit("write")

    flush = write


class Finalised:
    def __iter__(self) -> Any:
        return iter([b"x"])

    def __del__(self) -> None:
        raise RuntimeError("finaliser")


def fail_with(stderr: Any) -> Any:
    sys.stderr = stderr
    raise RuntimeError("HOSTILE")


def close_stderr() -> Any:
    sys.stderr.close()
    raise RuntimeError("HOSTILE")


def deep(count: int = 0) -> Any:
    return deep(count + 1)


def raise_named() -> Any:
    made: Any = BadName("Nameless", (Exception,), {})
    raise made("HOSTILE")


def no_traceback() -> Any:
    sys.modules["traceback"] = None  # type: ignore[assignment]
    raise RuntimeError("HOSTILE")


def broken_traceback() -> Any:
    import traceback

    traceback.format_exception = None  # type: ignore[assignment]
    raise RuntimeError("HOSTILE")


def with_attribute(start: Start, name: str, value: Any) -> Any:
    """An attribute of the server's own object, set or taken away."""
    answer: Any = start.__self__  # type: ignore[attr-defined]
    start("200 OK", [])
    if value == "delete":
        delattr(answer, name)
    else:
        setattr(answer, name, value)
    return [b"x"]


def unstarted(start: Start) -> Any:
    start.__self__.status = "200 OK"  # type: ignore[attr-defined]
    return [b"x"]


def detached(environ: Any, start: Start) -> Any:
    environ["wsgi.input"].detach()
    start("200 OK", [])
    return [b"x"]


VALUES: dict[str, Any] = {
    "none": None,
    "number": -5,
    "object": object(),
    "list": [5],
    "text": "x",
    "lookups": Lookups(),
    "delete": "delete",
}
NAMES = ("connection", "status", "headers", "unsent", "spooled", "begun", "empty", "full")


def started(start: Start, result: Any) -> Any:
    start("200 OK", [])
    return result


def raised(error: BaseException) -> Any:
    raise error


def generated(start: Start, error: Any) -> Any:
    start("200 OK", [])
    yield b"piece"
    raise error


APPLICATIONS: dict[str, Callable[[Any, Start], Any]] = {
    "lookups": lambda e, s: started(s, Lookups()),
    "exiting_lookups": lambda e, s: started(s, ExitingLookups()),
    "bad_close": lambda e, s: started(s, BadClose()),
    "bad_class": lambda e, s: started(s, BadClass()),
    "unformatted": lambda e, s: raised(Unformatted()),
    "bad_cause": lambda e, s: raised(BadCause()),
    "bad_name": lambda e, s: raise_named(),
    "stderr_none": lambda e, s: fail_with(None),
    "stderr_nothing": lambda e, s: fail_with(NoStderr()),
    "stderr_without_flush": lambda e, s: fail_with(NoFlush()),
    "stderr_bad_write": lambda e, s: fail_with(BadWrite()),
    "stderr_closed": lambda e, s: close_stderr(),
    "no_traceback": lambda e, s: no_traceback(),
    "broken_traceback": lambda e, s: broken_traceback(),
    "deep": lambda e, s: deep(),
    "finalised": lambda e, s: started(s, Finalised()),
    "unstarted": lambda e, s: unstarted(s),
    "detached": detached,
    "stream_unformatted": lambda e, s: generated(s, Unformatted()),
    "stream_bad_cause": lambda e, s: generated(s, BadCause()),
    "stream_lookups": lambda e, s: generated(s, Lookups()),
}


def application(environ: Any, start_response: Start) -> Any:
    path = unquote(environ["PATH_INFO"])[1:]
    if path == "restore":
        import importlib

        sys.stderr = STDERR
        sys.modules.pop("traceback", None)
        importlib.import_module("traceback")
    if path in ("restore", "pid"):
        body = b"%d" % os.getpid()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path.startswith("attribute/"):
        _, name, value = path.split("/")
        return with_attribute(start_response, name, VALUES[value])
    return APPLICATIONS[path](environ, start_response)
