"""Looks at a server's status address all the time: no counter of its metrics may ever run back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

PAUSE = 0.1
"""Seconds between two looks."""
PATIENCE = 30.0
"""Seconds; while code of the server is replaced nobody answers."""


class Watcher:
    """A thread that asks /metrics and /livez."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.known: dict[str, float] = {}
        """The last value of every counter."""
        self.looks = 0
        self.missed = 0
        """Looks that nobody answered."""
        self.wrong: list[str] = []
        """Broken promises."""

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(4 * PATIENCE)
        assert not self._thread.is_alive()

    def total(self, name: str, label: str = "") -> float:
        """The sum of a counter over its series in which this stands."""
        series = (key for key in self.known if key.partition("{")[0] == name and label in key)
        return sum(self.known[key] for key in series)

    def status(self, path: str) -> int:
        """The status of a response now; 0: there was none."""
        return self._ask(path)[0]

    def look(self) -> None:
        """Once."""
        code, page = self._ask("/metrics")
        if code != 200:
            self.missed += 1
            return
        self.looks += 1
        for series, value in counters(page):
            before = self.known.get(series, 0.0)
            if value < before:
                self.wrong.append(f"{series} ran back from {before:g} to {value:g}")
            self.known[series] = value

    def _watch(self) -> None:
        while not self._over.wait(PAUSE):
            self.look()
            code = self.status("/livez")
            if code not in (0, 200):
                self.wrong.append(f"/livez was {code}")

    def _ask(self, path: str) -> tuple[int, str]:
        try:
            with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                said = b"".join(iter(lambda: sock.recv(65536), b""))
            return int(said.split()[1]), said.partition(b"\r\n\r\n")[2].decode()
        except (OSError, IndexError):
            return 0, ""


def counters(page: str) -> Iterator[tuple[str, float]]:
    """Series that only grow, of a page of metrics, with their values."""
    kinds: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            name = series.partition("{")[0]
            base = name.rpartition("_")[0] if name not in kinds else name
            if kinds.get(base) in ("counter", "histogram"):
                yield series, float(value)
