"""A process that the application has forked is no server: it lets go of what it has inherited, and ends when
it comes back to the loop, so that no request gets two responses and no second worker lives unknown.
"""

from __future__ import annotations

import os
import sys
from _weakref import ref

from fapws.lean import Any, NoReturn

COMES_BACK = (
    "process {}, which the application has forked, comes back to the server; it ends and answers nobody"
)


def watch(server: Any) -> None:
    """From now on server.let_go() is called in each child, at once."""
    known = ref(server)

    def in_child() -> None:
        living = known()
        if living is not None:
            living.let_go()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def leave(log: Any, error: BaseException | None) -> NoReturn:
    """Ends a child in which the application's part is over: by error, or with a response."""
    try:
        log.write(COMES_BACK.format(os.getpid()))
        if error is not None and not issubclass(type(error), SystemExit):
            log.write_exception("the application failed in it", error)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # the application's streams
        pass
    finally:
        os._exit(_status(error))


def _status(error: BaseException | None) -> int:
    """What sys.exit() was given, as far as it is a number."""
    if error is None or not issubclass(type(error), SystemExit):
        return 1
    code = SystemExit.__dict__["code"].__get__(error)
    if code is None or type(code) is int:
        return (code or 0) & 0xFF
    return 1
