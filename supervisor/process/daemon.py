"""Into the background: the caller waits until the daemon serves, or is told why it does not.

The daemon tells over a pipe: one line with an exit status, then the text for people. Its end
without a word is a failure too.
"""

from __future__ import annotations

import os
import select
import sys
import time

from fapws.descriptors import close_all_but
from fapws.lean import Callable, Iterable, NamedTuple, NoReturn, signal

_READ_SIZE = 65536


class Outcome(NamedTuple):
    """How a start ended."""

    status: int
    text: str
    late: bool = False
    """Nothing was heard in time; the start goes on."""


def start(
    serve: Callable[[Callable[[int, str], None]], int], seconds: float, keep: Iterable[int] = ()
) -> Outcome:
    """Runs ``serve(tell)`` as a daemon and waits up to ``seconds`` for what it tells.

    ``serve`` is a master's life; its result is the daemon's exit status. ``keep``: the descriptors of the
    caller that the daemon takes over; it closes all others, so that a lock or a pipe of the command's
    caller ends with the command. Raises OSError if the system has no process or descriptor left.
    """
    # An ignored SIGCHLD is inherited, and then the kernel reaps the child before waitpid() can.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        close_all_but({0, 1, 2, writer, *keep})
        _be_daemon(serve, writer)
    os.close(writer)
    os.waitpid(pid, 0)
    try:
        return _listen(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)


def _be_daemon(serve: Callable[[Callable[[int, str], None]], int], writer: int) -> NoReturn:
    """The child's side; the grandchild is no session leader, so it never gets a terminal again."""
    status = 1
    tell = _Teller(writer)
    try:
        os.setsid()
        try:
            if os.fork():
                os._exit(0)
        except OSError as error:
            tell(1, f"fapws: cannot start: {error.strerror}")
            os._exit(1)
        try:
            os.chdir("/")
            _leave_terminal()
            status = serve(tell)
        except BaseException:
            import traceback  # half a megabyte that is needed only here

            tell(1, traceback.format_exc())
    finally:
        os._exit(status)


def _leave_terminal() -> None:
    """Standard streams to nowhere; the master's log and its workers have their own way."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


class _Teller:
    """Tells the waiting caller, once; it may have left meanwhile."""

    def __init__(self, writer: int) -> None:
        self._writer = writer

    def __call__(self, status: int, text: str) -> None:
        if self._writer < 0:
            return
        data = f"{status}\n{text}".encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._writer, data) :]
        except OSError:
            pass  # the caller gave up waiting; the daemon's life goes on
        os.close(self._writer)
        self._writer = -1


def _listen(reader: int, until: float) -> Outcome:
    data = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return Outcome(1, "", late=True)
        piece = os.read(reader, _READ_SIZE)
        if not piece:
            return _decode(data)
        data += piece


def _decode(data: bytes) -> Outcome:
    status, _, text = data.decode("utf-8", "replace").partition("\n")
    if not status.isdigit():
        return Outcome(1, "the server ended before it served, without a word")
    return Outcome(int(status), text)
