"""Clients that ask without a pause, and what became of each request, with its times."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from support.house import wait_until

ANSWERED, RACED, LOST = "answered", "raced", "lost"
PATIENCE = 40.0
"""Seconds that a client waits for a response: longer than any balancer's limits."""

SOURCE = "127.0.0.9"
"""Their address, which is not the balancer's: the applications are to be told of it."""

CONTENT = b"x" * 100
UPLOAD = b"x" * (256 * 1024)
"""More than a worker takes into memory with the options of the runs with a full disk."""


class Request(NamedTuple):
    """What became of one: times by time.monotonic()."""

    kind: str
    began: float
    took: float
    result: str
    told: str
    """The content of the response, or why there is none."""


class Kind(NamedTuple):
    """What a client asks, and whether on one connection."""

    head: bytes
    content: bytes
    stays: bool


KINDS = {
    "GET": Kind(b"GET / HTTP/1.1\r\nHost: shop\r\n", b"", True),
    "GET, one a connection": Kind(b"GET / HTTP/1.1\r\nHost: shop\r\n", b"", False),
    "POST": Kind(b"POST / HTTP/1.1\r\nHost: shop\r\n", CONTENT, True),
    "upload by PUT": Kind(b"PUT / HTTP/1.1\r\nHost: shop\r\n", UPLOAD, False),
    "upload by POST": Kind(b"POST / HTTP/1.1\r\nHost: shop\r\n", UPLOAD, False),
}


class Nothing(ConnectionError):
    """The connection was closed before a byte of the response."""


def read_response(sock: socket.socket) -> tuple[int, bool, bytes]:
    """Status, whether the connection ends, content."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise Nothing("nothing came") if not data else ConnectionAbortedError("cut")
        data += piece
    head, _, content = data.partition(b"\r\n\r\n")
    size = re.search(rb"(?i)content-length: *(\d+)", head)
    while size is None or len(content) < int(size[1]):
        piece = sock.recv(65536)
        if not piece and size is not None:
            raise ConnectionAbortedError("cut")
        if not piece:
            break
        content += piece
    closes = size is None or b"connection: close" in head.lower()
    return int(head.split(b" ", 2)[1]), closes, content


class Clients:
    """So many of each kind; a context that ends them."""

    def __init__(self, port: int, kinds: dict[str, int], pause: float = 0) -> None:
        """pause: seconds of each client after a response."""
        self._port = port
        self._pause = pause
        self._stop = threading.Event()
        self._books: list[list[Request]] = []
        self._threads = []
        for kind, count in kinds.items():
            for _ in range(count):
                book: list[Request] = []
                self._books.append(book)
                self._threads.append(threading.Thread(target=self._go_on, args=(kind, book), daemon=True))

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive()

    def __len__(self) -> int:
        return sum(map(len, self._books))

    def more(self, count: int) -> None:
        """Waits until so many requests more are over."""
        goal = len(self) + count
        wait_until(lambda: len(self) >= goal, f"{count} more requests")

    def requests(self) -> Iterator[Request]:
        """All that are over."""
        for book in self._books:
            yield from list(book)

    def those(self, condition: Callable[[Request], bool]) -> list[Request]:
        """Some of them, in the order in which they began."""
        return sorted(filter(condition, self.requests()), key=lambda request: request.began)

    def _go_on(self, kind: str, book: list[Request]) -> None:
        head, content, stays = KINDS[kind]
        length = b"Content-Length: %d\r\n" % len(content) if content else b""
        text = head + length + (b"" if stays else b"Connection: close\r\n") + b"\r\n" + content
        sock: socket.socket | None = None
        while not self._stop.wait(self._pause):
            began, used = time.monotonic(), sock is not None
            try:
                if sock is None:
                    sock = socket.create_connection(("127.0.0.1", self._port), PATIENCE, (SOURCE, 0))
                result, closes, told = self._ask(sock, text)
            except OSError as error:
                raced = used and isinstance(error, ConnectionError) and "cut" not in str(error)
                result, closes, told = RACED if raced else LOST, True, repr(error)
            book.append(Request(kind, began, time.monotonic() - began, result, told))
            if sock is not None and (closes or not stays):
                sock.close()
                sock = None
        if sock is not None:
            sock.close()

    @staticmethod
    def _ask(sock: socket.socket, text: bytes) -> tuple[str, bool, str]:
        try:
            sock.sendall(text)
        except ConnectionError:
            if len(text) < 65536:
                raise
            # A response may have come before all of an upload was sent.
        status, closes, content = read_response(sock)
        if status == 200:
            return ANSWERED, closes, content.decode()
        return LOST, True, f"status {status}"
