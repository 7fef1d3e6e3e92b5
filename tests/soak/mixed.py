#!/usr/bin/env python3
"""Sends many mixed requests to a server and reports what came back and how memory moved.

    python tests/soak/mixed.py -n 1000000                       starts a server of its own
    python tests/soak/mixed.py -n 100000 --address HOST:PORT    asks one that runs APP already
    python tests/soak/mixed.py -n 10000000 --seconds 1800 --plot mixed.svg
    make soak S=mixed                                           a million, after make build
    sh tools/valgrind.sh 50000                                  the same requests under valgrind

Each thread has one connection at a time, pipelines a batch of requests of a random plan (seeded) and
checks each answer's status and content. Some batches end in a way that costs the connection: a bad
request, a client that resets in mid-content or in mid-answer. Memory is sampled up to 400 times; the
first tenth warms up. Exits 0 when every answer was right and no process was ever larger by more than
--growth than after the warm-up; 1 otherwise. Bounded by -n and by --seconds. --plot draws RSS over
requests, from zero, as SVG.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Union

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.server import Server

from soak import memory_plot

Address = Union[tuple[str, int], str]

APP = '''"""The application of the soak run."""


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
        return [b"Hello world!!"]
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [body]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"piece %d;" % number for number in range(20))
    if path == "/large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"l" * 200000]
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one,")
        write(b"two")
        return []
    if path == "/cookies":
        body = environ.get("HTTP_COOKIE", "").encode("latin-1")
        start_response("200 OK", [("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
        return [body]
    if path == "/line\\nfeed":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["QUERY_STRING"].encode("latin-1")]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"nothing here"]
'''
"""What --address has to serve. It raises nothing: a traceback a request would fill the log."""

STREAMED = b"".join(b"piece %d;" % number for number in range(20))
LARGE = b"l" * 200000
BIG_BODY = bytes(range(256)) * 400  # 100 KB: goes through a temporary file
TIMEOUT = 60.0
SAMPLES = 400  # of memory in a run
POLL_SECONDS = 0.01  # a run of 100,000 takes 3 s and is to have most of its samples


class Kind(NamedTuple):
    """One kind of request and the answer it must get."""

    name: str
    weight: int
    request: bytes
    status: int
    body: bytes | None
    """None: any."""
    head: bool = False
    ends: str = ""
    """What happens to the connection: ``closed`` by the server, ``reset`` by us without reading."""


def _request(line: str, *fields: str, body: bytes = b"", version: str = "1.1") -> bytes:
    lines = [f"{line} HTTP/{version}", "Host: localhost", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _chunks(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\nX-Trailer: t\r\n\r\n"


_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)",
    "Accept: text/html,application/xhtml+xml",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate",
    "Cookie: session=0123456789abcdef",
    "Cookie: theme=dark",
)
_BODY = b"name=value&other=1234567890"
KINDS = (
    Kind("GET", 400, _request("GET /"), 200, b"Hello world!!"),
    Kind(
        "GET with fields",
        150,
        _request("GET /cookies", *_BROWSER),
        200,
        b"session=0123456789abcdef; theme=dark",
    ),
    Kind("POST", 120, _request("POST /echo", "Content-Length: 27", body=_BODY), 200, _BODY),
    Kind(
        "POST chunked",
        80,
        _request("POST /echo", "Transfer-Encoding: chunked", body=_chunks(_BODY, 5)),
        200,
        _BODY,
    ),
    Kind("HEAD", 60, _request("HEAD /"), 200, b"", head=True),
    Kind("HEAD stream", 10, _request("HEAD /stream"), 200, b"", head=True),
    Kind("404", 50, _request("GET /nowhere"), 404, b"nothing here"),
    Kind("stream", 40, _request("GET /stream"), 200, STREAMED),
    Kind("write", 30, _request("GET /write"), 200, b"one,two"),
    Kind("line feed", 20, _request("GET /line%0Afeed?q=1"), 200, b"q=1"),
    Kind("large", 4, _request("GET /large"), 200, LARGE),
    Kind(
        "upload",
        4,
        _request("PUT /echo", f"Content-Length: {len(BIG_BODY)}", body=BIG_BODY),
        200,
        BIG_BODY,
    ),
    Kind("close", 4, _request("GET /", "Connection: close"), 200, b"Hello world!!", ends="closed"),
    Kind("1.0", 4, _request("GET /stream", version="1.0"), 200, STREAMED, ends="closed"),
    Kind("400 head", 3, b"GET / HTTP/1.1\r\nbad line\r\n\r\n", 400, None, ends="closed"),
    Kind(
        "400 chunk",
        3,
        _request("POST /echo", "Transfer-Encoding: chunked", body=b"zz\r\n"),
        400,
        None,
        ends="closed",
    ),
    Kind("431", 2, _request("GET /", *["X: y"] * 200), 431, None, ends="closed"),
    Kind("413", 2, _request("POST /echo", "Content-Length: 99999999999"), 413, None, ends="closed"),
    Kind(
        "aborted upload",
        3,
        _request("POST /echo", "Content-Length: 1000000", body=b"x" * 1000),
        0,
        None,
        ends="reset",
    ),
    Kind("aborted answer", 3, _request("GET /large") * 3, 0, None, ends="reset"),
    Kind("aborted head", 2, b"GET / HTTP/1.1\r\nHost: a\r\nX: y", 0, None, ends="reset"),
)
FILE = bytes(range(256)) * 1200  # 300 KB: sent in turns
FILE_KINDS = (
    Kind("file", 60, _request("GET /files/small.txt"), 200, b"a small file"),
    Kind("file HEAD", 10, _request("HEAD /files/large.bin"), 200, b"", head=True),
    Kind("file large", 6, _request("GET /files/large.bin"), 200, FILE),
    Kind("file part", 30, _request("GET /files/large.bin", "Range: bytes=5-70004"), 206, FILE[5:70005]),
    Kind("file end", 20, _request("GET /files/small.txt", "Range: bytes=-4"), 206, b"file"),
    Kind("file 416", 5, _request("GET /files/small.txt", "Range: bytes=99-"), 416, None),
    Kind("file 304", 30, _request("GET /files/small.txt", "If-None-Match: *"), 304, b""),
    Kind("file 404", 10, _request("GET /files/../small.txt"), 404, None),
    Kind("aborted file", 3, _request("GET /files/large.bin") * 3, 0, None, ends="reset"),
)
"""Of a server that serves the folder of make_files() under /files."""
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Wrong(Exception):
    """An answer that is not what it should be."""


class Connection:
    """One connection; reads answers fast, which is all it can do."""

    def __init__(self, address: Address) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._at = 0

    def close(self, reset: bool = False) -> None:
        """Ends it, by RST when asked."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self) -> bool:
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            data = b""
        self._data = self._data[self._at :] + data
        self._at = 0
        return bool(data)

    def _find(self, mark: bytes) -> int:
        """Bytes from here to a mark."""
        while True:
            found = self._data.find(mark, self._at)
            if found >= 0:
                return found - self._at
            if not self._more():
                raise Wrong(f"ended before {mark!r}: {self._data[self._at :][:200]!r}")

    def _take(self, size: int) -> bytes:
        while len(self._data) - self._at < size:
            if not self._more():
                raise Wrong(f"ended {size - len(self._data) + self._at} bytes early")
        self._at += size
        return self._data[self._at - size : self._at]

    def answer(self, head_only: bool) -> tuple[int, bytes]:
        """Status and content of the next answer."""
        head = self._take(self._find(b"\r\n\r\n") + 4)
        if head[:9] != b"HTTP/1.1 ":
            raise Wrong(f"not an answer: {head[:200]!r}")
        status = int(head[9:12])
        if head_only or status in (204, 304):
            return status, b""
        length = _LENGTH.search(head)
        if length is not None:
            return status, self._take(int(length[1]))
        if b"\r\nTransfer-Encoding: chunked" in head:
            pieces: list[bytes] = []
            while True:
                size = int(self._take(self._find(b"\r\n") + 2), 16)
                piece = self._take(size + 2)
                if not size:
                    return status, b"".join(pieces)
                pieces.append(piece[:-2])
        while self._more():
            pass
        return status, self._take(len(self._data) - self._at)

    def ended(self) -> bool:
        """Whether nothing more comes."""
        while self._more():
            pass
        return self._at == len(self._data)


class Result(NamedTuple):
    """What a run gave."""

    counts: Counter[str]
    wrong: list[str]
    seconds: float
    memory: list[tuple[int, dict[int, int]]]
    """Requests so far, and RSS in KB by process."""


def make_files(folder: Path) -> None:
    """What FILE_KINDS ask for."""
    (folder / "small.txt").write_bytes(b"a small file")
    (folder / "large.bin").write_bytes(FILE)


class Run:
    """All threads of a run."""

    def __init__(
        self,
        address: Address,
        requests: int,
        seconds: float,
        threads: int,
        depth: int,
        pid: int,
        kinds: tuple[Kind, ...] = KINDS,
    ) -> None:
        self.kinds = kinds
        self.address = address
        self.requests = requests
        self.deadline = time.monotonic() + seconds
        self.threads = threads
        self.depth = depth
        self.pid = pid
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        self._begun = 0
        self._done = threading.Event()

    def _batch(self, chance: random.Random) -> list[Kind]:
        """A plan: the first kind that ends the connection is the last of the batch."""
        weights = [kind.weight for kind in self.kinds]
        plan = []
        for kind in chance.choices(self.kinds, weights, k=chance.randrange(1, self.depth + 1)):
            plan.append(kind)
            if kind.ends:
                break
        return plan

    def _worker(self, seed: int) -> None:
        chance = random.Random(seed)
        connection: Connection | None = None
        counts: Counter[str] = Counter()
        try:
            while time.monotonic() < self.deadline and len(self.wrong) < 20:
                plan = self._batch(chance)
                with self._lock:
                    if self._begun >= self.requests:
                        break
                    self._begun += len(plan)
                if connection is None:
                    connection = Connection(self.address)
                    counts["connections"] += 1
                try:
                    self._play(connection, plan, counts)
                except (Wrong, OSError, ValueError) as error:
                    names = ", ".join(kind.name for kind in plan)
                    self.wrong.append(f"{type(error).__name__}: {error} in [{names}]")
                    connection.close()
                    connection = None
                    continue
                if plan[-1].ends:
                    connection.close(reset=plan[-1].ends == "reset")
                    connection = None
        except OSError as error:
            self.wrong.append(f"cannot connect: {error}")
        finally:
            if connection is not None:
                connection.close()
            with self._lock:
                self.counts += counts

    def _play(self, connection: Connection, plan: list[Kind], counts: Counter[str]) -> None:
        connection.socket.sendall(b"".join(kind.request for kind in plan))
        for kind in plan:
            if kind.ends == "reset":
                counts[kind.name] += 1
                return
            status, body = connection.answer(kind.head)
            if status != kind.status or (kind.body is not None and body != kind.body):
                raise Wrong(f"{kind.name}: {status} {body[:100]!r}")
            counts[kind.name] += 1
        if plan[-1].ends == "closed" and not connection.ended():
            raise Wrong(f"bytes after the last answer of {plan[-1].name}")

    def play(self) -> Result:
        """Runs everything."""
        started = time.monotonic()
        memory = [(0, rss(self.pid))]
        threads = [
            threading.Thread(target=self._worker, args=(seed,), daemon=True) for seed in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        every = max(self.requests // SAMPLES, 1)
        while any(thread.is_alive() for thread in threads):
            self._done.wait(POLL_SECONDS)
            if self._begun // every > memory[-1][0] // every:
                memory.append((self._begun, rss(self.pid)))
        memory.append((self._begun, rss(self.pid)))
        return Result(self.counts, self.wrong, time.monotonic() - started, memory)


def rss(pid: int) -> dict[int, int]:
    """Resident KB of a process and all below it (Linux; empty elsewhere or without a pid)."""
    if not pid:
        return {}
    found: dict[int, int] = {}
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            text = Path(f"/proc/{one}/status").read_text()
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
        except OSError:
            continue
        match = re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE)
        if match is not None:
            found[one] = int(match[1])
        waiting.extend(int(child) for child in children.split())
    return found


def report(result: Result, requests: int) -> str:
    """The run in words; of the samples of memory only about ten."""
    lines = []
    total = sum(count for name, count in result.counts.items() if name != "connections")
    rate = total / result.seconds if result.seconds else 0.0
    lines.append(f"{total} requests in {result.seconds:.1f} s, {rate:.0f} a second")
    lines += [f"  {name:16} {count}" for name, count in sorted(result.counts.items())]
    tenth = -1
    for done, memory in result.memory:
        if done * 10 // max(requests, 1) > tenth:
            tenth = done * 10 // max(requests, 1)
            sizes = ", ".join(f"pid {pid}: {size} KB" for pid, size in memory.items())
            lines.append(f"RSS after {done}: {sizes or 'unknown'}")
    for pid, largest, at, last in memory_plot.growths(result.memory, requests):
        lines.append(
            f"pid {pid} after the first tenth: at most {largest:+} KB (at {at}), at last {last:+} KB"
        )
    lines.append(f"{len(result.memory)} samples of RSS")
    lines += [f"WRONG: {text}" for text in result.wrong]
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="many mixed requests; see the file's first lines")
    parser.add_argument("-n", "--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="ends after this in any case")
    parser.add_argument("-t", "--threads", type=int, default=4)
    parser.add_argument("--depth", type=int, default=32, help="most requests in a pipeline")
    parser.add_argument("--growth", type=int, default=2048, help="KB of RSS a process may gain")
    parser.add_argument("--plot", type=Path, help="write RSS over requests to this file, as SVG")
    parser.add_argument("--address", default="", help="HOST:PORT or a unix socket's path")
    parser.add_argument("--pid", type=int, default=0, help="of the master, for its memory")
    parser.add_argument("-w", "--workers", type=int, default=1)
    parser.add_argument("--print-app", action="store_true", help="the application for --address")
    options = parser.parse_args()
    if options.print_app:
        print(APP, end="")
        return 0

    def run(address: Address, pid: int, kinds: tuple[Kind, ...] = KINDS) -> Result:
        bounds = (options.requests, options.seconds, options.threads, options.depth)
        return Run(address, *bounds, pid, kinds).play()

    if options.address:
        host, colon, port = options.address.rpartition(":")
        result = run((host, int(port)) if colon else options.address, options.pid)
        print(report(result, options.requests))
        crashes = ""
    else:
        with contextlib.ExitStack() as stack:
            files = stack.enter_context(tempfile.TemporaryDirectory(prefix="fapws-soak-"))
            make_files(Path(files))
            words = ["-w", str(options.workers), "--static", f"/files={files}"]
            own = stack.enter_context(Server(APP, arguments=words, directory=Path.cwd()))
            result = run(own.address, own.pid, (*KINDS, *FILE_KINDS))
            print(report(result, options.requests), flush=True)
            workers = {pid for _, memory in result.memory for pid in memory}
            crashes = own.log if len(workers) != options.workers + 1 else ""
    asked = sum(count for name, count in result.counts.items() if name != "connections")
    failed = bool(result.wrong)
    if crashes:
        print(f"workers came and went:\n{crashes[-5000:]}")
        failed = True
    grown = memory_plot.largest_growth(result.memory, options.requests)
    if grown is not None and grown.largest > options.growth:
        print(f"RSS of pid {grown.pid} grew by {grown.largest} KB, more than {options.growth}")
        failed = True
    if options.plot:
        machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        machine += f", {asked:,} requests in {result.seconds:.0f} s, {len(result.memory)} samples"
        options.plot.write_text(memory_plot.svg(result.memory, asked, machine), encoding="utf-8")
        print(f"plot: {options.plot}")
    if asked < options.requests * 0.99:
        print(f"only {asked} of {options.requests} requests within {options.seconds} s")
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
