"""Asking the master's status address as probes do: one request, one connection."""

from __future__ import annotations

import socket
from typing import NamedTuple

from support.house import PATIENCE, House

OPTION = "status = 127.0.0.1:0"


class Told(NamedTuple):
    """A response."""

    status: int
    head: str
    content: str


def master_options(house: House, *more: str) -> str:
    """The house's own options of [fapws], with a status address."""
    own = (f"pidfile = {house.pidfile}", f"control = {house.control}", f"error_log = {house.log_file}")
    return "\n".join((*own, *more)) + "\n"


def address(house: House, option: str = "status") -> tuple[str, int]:
    """Where the master answers."""
    host, _, port = house.status()["monitors"][option].removeprefix("http://").rpartition(":")
    return host, int(port)


def exchange(where: tuple[str, int] | str, request: bytes) -> bytes:
    """All that is answered to these bytes, until the connection ends."""
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(where)
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def ask(where: tuple[str, int] | str, path: str = "/", method: str = "GET") -> Told:
    """One response."""
    answer = exchange(where, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, content = answer.partition(b"\r\n\r\n")
    return Told(int(head.split()[1]), head.decode("ascii"), content.decode("utf-8"))
