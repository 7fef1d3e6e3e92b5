"""Lines to the system's log, over its datagram socket: without waiting, as syslog(3) would.

Owns one connected socket. A syslogd that was restarted is found again, at most once a second.
"""

from __future__ import annotations

import _socket
import os
import time

from fapws.dates import MONTHS

PATHS = ("/dev/log", "/var/run/log", "/var/run/syslog")
"""Linux and OpenBSD, FreeBSD and NetBSD, macOS."""
_INFO = 6
_PAUSE = 1.0


class Syslog:
    """A sender of lines."""

    def __init__(self, facility: int, paths: tuple[str, ...] = PATHS, fd: int = -1) -> None:
        """``fd``: of an earlier sender, taken over. Raises OSError if no syslogd listens."""
        self._priority = facility * 8 + _INFO
        self._paths = paths
        self._tried = time.monotonic()
        self.fd = fd if fd >= 0 else connect(paths)

    def send(self, line: bytes) -> None:
        """One line. Raises OSError if it could not go."""
        data = head(self._priority) + line
        try:
            os.write(self.fd, data)
        except BlockingIOError:
            raise
        except OSError:
            self._find_again()
            os.write(self.fd, data)

    def close(self) -> None:
        """Ends it."""
        os.close(self.fd)

    def _find_again(self) -> None:
        now = time.monotonic()
        if now - self._tried < _PAUSE:
            raise BlockingIOError
        self._tried = now
        fresh = connect(self._paths)
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)


def connect(paths: tuple[str, ...] = PATHS) -> int:
    """A non-blocking descriptor to which datagrams are written. Raises OSError."""
    problem = FileNotFoundError(2, f"no syslogd listens at {', '.join(paths)}")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        for path in paths:
            try:
                sock.connect(path)
            except OSError:
                continue
            sock.setblocking(False)
            return sock.detach()
    finally:
        sock.close()
    raise problem


def socket_file(paths: tuple[str, ...] = PATHS) -> tuple[int, int] | None:
    """Device and inode of syslogd's socket, which another syslogd makes anew; None: there is none."""
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        return status.st_dev, status.st_ino
    return None


def head(priority: int) -> bytes:
    """What stands before a line: ``<30>Nov 20 08:00:00 fapws[4711]: `` (RFC 3164)."""
    now = time.localtime()
    stamp = f"{MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
    return f"<{priority}>{stamp} fapws[{os.getpid()}]: ".encode("ascii")
