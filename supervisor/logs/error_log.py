"""The error log: one line at a time, each with time and role.

Owns the descriptor of the file, or the way to syslog. What cannot be written is counted, never raised,
and told once it is over: a full disk costs lines, not requests.
"""

from __future__ import annotations

import errno
import os
import time

from fapws.lean import Callable, Sequence
from fapws.outlet import Outlet, copy_of, write_now
from fapws.settings.log_targets import STDERR, facility_of
from fapws.visible import visible, visible_octets

from .syslog import Syslog

__all__ = ["STDERR", "Log"]

GOES_ON = b"| "
"""Stands before what goes on with the line before."""


_STANDARD = {
    "/dev/stdout": 1,
    "/dev/fd/1": 1,
    "/proc/self/fd/1": 1,
    "/dev/stderr": 2,
    "/dev/fd/2": 2,
    "/proc/self/fd/2": 2,
}
"""Names of our own output."""


class Log:
    """Writes to standard error, to syslog, or to a file that ``reopen`` opens anew after a rename."""

    def __init__(
        self, target: str = STDERR, mode: int = 0o640, fd: int = -1, form: str = "text"
    ) -> None:
        """``target``: ``stderr``, ``syslog:FACILITY`` or a path. ``fd``: it is open there already (after an
        upgrade in place). ``form``: ``text`` or ``json``. Raises OSError if it cannot be had."""
        self.target = target
        self.form = form
        self._entry = _json_entry() if form == "json" else None
        self.mode = mode
        """Permission bits of a file that has to be made."""
        self.lost = 0
        """Lines that could not be written and were not told of yet."""
        self.lost_ever = 0
        self._broken = False
        self._syslog: Syslog | None = None
        self._outlet: Outlet | None = None
        """Standard error, which others may read, or not."""
        facility = facility_of(target)
        if target == STDERR:
            self._outlet = Outlet(2)
            self.fd = 2
        elif facility >= 0:
            self._syslog = Syslog(facility, fd=fd)
            self.fd = self._syslog.fd
        else:
            self.fd = fd if fd >= 0 else open_file(target, mode)

    @property
    def plain(self) -> bool:
        """Whether it is standard error, where people watch: workers then write there themselves. A program
        that reads JSON there gets all of it from the master."""
        return self.target == STDERR and self._entry is None

    @property
    def path(self) -> str:
        """Of the file; empty: there is none."""
        return "" if self.target == STDERR or self._syslog else self.target

    def reopen(self) -> str:
        """Opens the file again by its name; if that fails, goes on with the old one and says so.

        The complaint; empty: it is done, or there is nothing to open.
        """
        if self.target == STDERR or self._syslog:
            return ""
        try:
            fresh = open_file(self.target, self.mode)
        except OSError as error:
            complaint = f"cannot reopen {self.target}: {error.strerror}; the old file stays in use"
            self.write(complaint)
            return complaint
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)
        self._broken = False
        return ""

    def write(self, text: str, role: str = "master") -> None:
        """One entry; a traceback is one of several lines.

        What follows the first line is often an application's text, and must not look like lines of ours.
        """
        if self._entry:
            self._write_entries([self._entry(role, visible(text.rstrip()))])
            return
        octets = visible(text.rstrip()).encode("utf-8", "backslashreplace")
        if self.plain:
            self._put(_stamp(role) + octets + b"\n", 1)
        else:
            first, *others = octets.split(b"\n")
            self.write_lines([first, *(GOES_ON + line for line in others)], role)

    def write_unless_watched(self, text: str) -> None:
        """An entry that would tell people at a terminal what they see anyway."""
        if not self.plain:
            self.write(text)

    def write_lines(self, lines: Sequence[bytes], role: str) -> None:
        """Lines without their ends, in one go; they may be the application's or the server's."""
        lines = [visible_octets(line) for line in lines]
        if self._entry:
            self._write_entries([self._entry(role, line.decode("utf-8")) for line in lines])
        elif self._syslog:
            start = role.encode("utf-8", "backslashreplace") + b": "
            for line in lines:
                self._send(self._syslog, start + line)
        else:
            start = _stamp(role)
            self._put(b"".join([start + line + b"\n" for line in lines]), len(lines))

    def _write_entries(self, entries: Sequence[bytes]) -> None:
        if self._syslog:
            for entry in entries:
                self._send(self._syslog, entry)
        else:
            self._put(b"".join([entry + b"\n" for entry in entries]), len(entries))

    def become(self, other: Log) -> None:
        """Goes on where another log writes, and says so here first; the other is used up."""
        if not self.plain:
            self.write(f"the log goes on in {other.target}")
        self.close()
        self.target, self.fd = other.target, other.fd
        self._syslog, self._outlet = other._syslog, other._outlet
        self.form, self._entry = other.form, other._entry
        self._broken = False

    def close(self) -> None:
        """Closes the file; standard error stays open."""
        if self._syslog:
            self._syslog.close()
        elif self._outlet:
            self._outlet.close()
        elif self.fd != 2:
            os.close(self.fd)
        self._syslog = self._outlet = None
        self.target, self.fd = STDERR, 2

    def _lose(self, count: int) -> None:
        self.lost += count
        self.lost_ever += count

    def _put(self, data: bytes, count: int) -> None:
        front = b"\n" if self._broken else b""
        if self.lost:
            front += self._confession()
        data = front + data
        written = self._outlet.put(data) if self._outlet else write_now(self.fd, data)
        if written < 0:
            self._lose(count)
            return
        if written >= len(front):
            self.lost = 0
        if written < len(data):
            self._lose(max(1, min(count, data[written:].count(b"\n"))))
        self._broken = written > 0 and data[written - 1 : written] != b"\n"

    def _send(self, syslog: Syslog, line: bytes) -> None:
        try:
            if self.lost:
                syslog.send(self._confession())
                self.lost = 0
            syslog.send(line)
        except OSError:
            self._lose(1)

    def _confession(self) -> bytes:
        text = f"{self.lost} lines before this one could not be written"
        if self._entry:
            return self._entry("master", text) + b"\n"
        start = b"master: " if self._syslog else _stamp("master")
        return start + text.encode("ascii") + b"\n"


def _json_entry() -> Callable[[str, str], bytes]:
    from ..json_lines import entry

    return entry


def _stamp(role: str) -> bytes:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S%z')} {role}: ".encode("utf-8", "backslashreplace")


def open_file(path: str, mode: int) -> int:
    """Opens a log to be added to; mode: of a file that has to be made, whatever the umask.

    A symbolic link is followed only where no other user can have put it. Raises OSError, also for a pipe
    (mkfifo) without a reader.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    create = os.O_CREAT
    if not _is_safe(os.path.dirname(path)):
        flags |= os.O_NOFOLLOW
        create |= os.O_EXCL
    try:
        return os.open(path, flags)
    except OSError as error:
        number = _STANDARD.get(path, -1)
        if error.errno == errno.ENXIO and number >= 0:
            # A socket, as the journal's: it has no name to be opened by.
            return copy_of(number)
        if error.errno != errno.ENOENT:
            raise
        fd = os.open(path, flags | create, mode)
        os.fchmod(fd, mode)
        return fd


def _is_safe(directory: str) -> bool:
    """Whether only root and our own user can put files there."""
    found = os.stat(directory or ".")
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
