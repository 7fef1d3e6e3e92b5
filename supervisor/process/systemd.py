"""What systemd is told: sd_notify(3) without its library, and the sockets it passes.

Owns the address in NOTIFY_SOCKET, which is taken out of the environment, so that no worker or
program of an application talks in the master's name. Without one nothing is ever sent. A message that
cannot be sent is lost: the service matters more than its supervisor.
"""

from __future__ import annotations

import _socket
import os
import time
from math import inf

from fapws.lean import NamedTuple

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Service(NamedTuple):
    """What systemd wants to hear; survives an upgrade in place."""

    address: str = ""
    watchdog: float = 0.0
    """Seconds between two signs of life that systemd allows; 0: it does not watch."""


def take_environment() -> Service:
    """Reads and removes what systemd has put into the environment.

    Sockets that it passed are adopted by ``listen = fd:3`` and so on.
    """
    given = {name: os.environ.pop(name, "") for name in _VARIABLES}
    watched = given["WATCHDOG_PID"] in ("", str(os.getpid()))
    microseconds = given["WATCHDOG_USEC"]
    return Service(
        given["NOTIFY_SOCKET"],
        int(microseconds) / 1e6 if watched and microseconds.isdigit() else 0.0,
    )


class Notifier:
    """Tells systemd how the service is."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._next_beat = 0.0 if service.watchdog and service.address else inf
        self._told = ""

    @property
    def listens(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self.service.address)

    def ready(self, status: str) -> None:
        """It serves; also the end of a reload."""
        self._tell(f"READY=1\nMAINPID={os.getpid()}\n", status)

    def reloading(self, status: str) -> None:
        """A reload begins; ready() ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\n", status)

    def stopping(self, status: str) -> None:
        """The end begins."""
        self._tell("STOPPING=1\n", status)

    def status(self, text: str) -> None:
        """Only the text, if it is another one than it was told last."""
        if text != self._told:
            self._tell("", text)

    def _tell(self, news: str, status: str) -> None:
        self._told = status
        self._send(f"{news}STATUS={status}")

    def beat(self, now: float) -> float:
        """A sign of life at half the interval; when the next is due. ``now``: monotonic seconds."""
        if now >= self._next_beat:
            self._next_beat = now + self.service.watchdog / 2
            self._send("WATCHDOG=1")
        return self._next_beat

    def _send(self, text: str) -> None:
        address = self.service.address
        if not address.startswith(("/", "@")):
            return
        name = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.sendto(text.replace("\n\n", "\n").encode("utf-8", "replace"), name)
        except OSError:
            pass
        finally:
            sock.close()
