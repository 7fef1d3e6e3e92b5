"""What asks the server under test: single requests, and clients that ask without a pause."""

from __future__ import annotations

import http.client
import socket
import threading

from .service import PATIENCE, Failed

HOST = "127.0.0.1"


def fetch(port: int, path: str = "/", content: bytes | None = None) -> bytes:
    """The content of one response, on a connection of its own. Raises Failed."""
    status, body = fetch_status(port, path, content)
    if status != 200:
        raise Failed(f"{path}: status {status} {body[:80]!r}")
    return body


def fetch_status(port: int, path: str = "/", content: bytes | None = None) -> tuple[int, bytes]:
    """Status and content of one response."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("POST" if content else "GET", path, content, {"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def fetch_slowly(port: int, path: str) -> bytes:
    """One response's content, by a client whose window is small: the server has to wait for it."""
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect((HOST, port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b"".join(iter(lambda: sock.recv(8192), b""))
    return data.partition(b"\r\n\r\n")[2]


class Load:
    """Clients that ask until they are told to end, half of them on connections that stay."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self._port = port
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answered = 0
        self.lost: list[str] = []
        jobs = [self._keep_alive if number % 2 else self._one_shot for number in range(clients)]
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def check(self) -> None:
        """Raises Failed if a request was lost, or none was answered."""
        if self.lost:
            raise Failed(f"{len(self.lost)} requests lost beside {self.answered} answered: {self.lost[0]}")
        if not self.answered:
            raise Failed("no request was answered")

    def _one_shot(self) -> None:
        while not self._over.is_set():
            try:
                fetch(self._port)
            except (OSError, http.client.HTTPException, Failed) as error:
                self._note(f"{type(error).__name__}: {error}")
            else:
                self._note()

    def _keep_alive(self) -> None:
        connection, used = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE), 0
        while not self._over.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
            except (ConnectionError, http.client.BadStatusLine) as error:
                # Asked at the very moment when the server closed an idle connection (RFC 9112, 9.6).
                if not used:
                    self._note(f"{type(error).__name__}: {error}")
                connection.close()
                used = 0
            except (OSError, http.client.HTTPException) as error:
                self._note(f"{type(error).__name__}: {error}")
                connection.close()
                used = 0
            else:
                self._note("" if response.status == 200 else f"status {response.status}")
                used = 0 if response.will_close else used + 1
        connection.close()

    def _note(self, lost: str = "") -> None:
        with self._lock:
            if lost:
                self.lost.append(lost)
            else:
                self.answered += 1
