"""A server with a folder of static files, and what it answers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

from support.house import wait_until
from support.server import Server

PATIENCE = 30.0


class Reply(NamedTuple):
    status: int
    fields: dict[str, str]
    content: bytes


class Site(NamedTuple):
    server: Server
    root: Path
    log: Path

    def ask(self, target: str, *fields: str, method: str = "GET", version: str = "1.1") -> Reply:
        lines = (f"{method} {target} HTTP/{version}", "Host: x", "Connection: close", *fields, "", "")
        return self.say("\r\n".join(lines).encode("latin-1"))

    def await_reply(self, wanted: tuple[int, bytes], target: str, *fields: str) -> Reply:
        """The first with this status and content. A file that was three seconds old when it was asked for is
        kept, and what it becomes is told within a second; a busy machine makes files so old."""

        def replies() -> list[Reply]:
            heard = self.ask(target, *fields)
            return [heard] if (heard.status, heard.content) == wanted else []

        return wait_until(replies, f"{target} is told as {wanted[0]}, {wanted[1][:30]!r}")[0]

    def say(self, text: bytes) -> Reply:
        return parse_reply(self.say_whole(text))

    def say_whole(self, text: bytes) -> bytes:
        with self.connect() as sock:
            sock.sendall(text)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def connect(self) -> socket.socket:
        assert isinstance(self.server.address, tuple)
        return socket.create_connection(self.server.address, PATIENCE)


def read_all(sock: socket.socket) -> Reply:
    return parse_reply(b"".join(iter(lambda: sock.recv(65536), b"")))


def parse_reply(whole: bytes) -> Reply:
    head, _, content = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Reply(int(first.split()[1]), fields, content)
