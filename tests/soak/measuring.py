"""What the soak runs share: their application, a server, wrk beside it, figures of a process.

Loopback only. Every run is bounded in connections and in time, and ends only what it has started.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.raw import Client, fetch
from support.server import Server

Address = tuple[str, int]

MEGABYTE = 2**20
ANSWER_SIZE = 10 * MEGABYTE

APP = '''"""The application of the soak runs."""

import json
import os

PIECE = 65536
COUNT = 160
SHARED = bytes(PIECE * COUNT)


def stream():
    for _ in range(COUNT):
        yield os.urandom(16) + bytes(PIECE - 16)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hello":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello world!"]
    start_response_fields = [("Content-Type", "application/octet-stream")]
    if path == "/stream":
        start_response("200 OK", start_response_fields)
        return stream()
    if path == "/file":
        start_response("200 OK", start_response_fields)
        return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))
    if path == "/shared":
        start_response("200 OK", start_response_fields)
        return [SHARED]
    if path == "/write":
        write = start_response("200 OK", start_response_fields)
        for _ in range(COUNT):
            write(bytes(PIECE))
        return []
    if path == "/upload":
        size = 0
        content = environ["wsgi.input"]
        while True:
            piece = content.read(PIECE)
            if not piece:
                break
            size += len(piece)
        start_response("200 OK", start_response_fields)
        return [json.dumps(size).encode()]
    if path == "/pid":
        start_response("200 OK", start_response_fields)
        return [json.dumps(os.getpid()).encode()]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"nothing here"]
'''
"""The large answers have ANSWER_SIZE bytes."""


# ---- The machine -----------------------------------------------------------------------------------


def raise_descriptor_limit(wanted: int) -> int:
    """Lifts the limit for this process and what it starts; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    if hard != resource.RLIM_INFINITY and hard < wanted:
        with contextlib.suppress(ValueError, OSError):  # only root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def need(*programs: str) -> None:
    """Ends the run, named as skipped, when a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing or not sys.platform.startswith("linux"):
        why = f"not installed: {', '.join(missing)}" if missing else "reads its figures from Linux's /proc"
        print(f"skipped: {why}")
        raise SystemExit(0)


def pinned(cpu: int) -> list[str]:
    """Words that keep a command on one CPU, where there are several and taskset."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", str(cpus[cpu % len(cpus)])]


SERVER_CPU, CLIENT_CPU = 0, 1


def serve(options: str = "", prefix: Sequence[str] = ()) -> Server:
    """A server of APP with one worker, on a CPU of its own; options are lines of its section."""
    return Server(APP, options=options or "workers = 1", prefix=[*pinned(SERVER_CPU), *prefix])


def worker_of(address: Address) -> int:
    """Process id of the only worker."""
    pid: int = json.loads(fetch(address, "/pid").body)
    return pid


# ---- Figures of a process --------------------------------------------------------------------------


class Figures(NamedTuple):
    """A process at one moment."""

    rss: int
    """KB, like those below."""
    peak: int
    pss: int
    descriptors: int
    cpu: float
    """Seconds, user and system."""


_TICKS = os.sysconf("SC_CLK_TCK")


def figures(pid: int) -> Figures:
    """What /proc says now."""
    proc = Path(f"/proc/{pid}")
    status = (proc / "status").read_text()
    stat = (proc / "stat").read_text().rpartition(")")[2].split()
    return Figures(
        _kilobytes("VmRSS", status),
        _kilobytes("VmHWM", status),
        _kilobytes("Pss", (proc / "smaps_rollup").read_text()),
        len(os.listdir(proc / "fd")),
        (int(stat[11]) + int(stat[12])) / _TICKS,
    )


def cpu_of(pid: int) -> float:
    """Seconds of user and system time; 0.0 when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(stat[11]) + int(stat[12])) / _TICKS


def _kilobytes(name: str, text: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert match is not None, name
    return int(match[1])


def kernel_tcp_kilobytes() -> int:
    """What all TCP sockets of the machine hold in the kernel (buffers are no process's memory)."""
    match = re.search(r"^TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return int(match[1]) * os.sysconf("SC_PAGE_SIZE") // 1024 if match else 0


# ---- Other clients -----------------------------------------------------------------------------------


class Speed(NamedTuple):
    """What wrk measured."""

    p50: float
    """Milliseconds."""
    p99: float
    requests: float
    """A second."""
    errors: int
    """Answers that did not come or were not 2xx."""


class Wrk:
    """wrk, asking for /hello in the background."""

    def __init__(self, address: Address, connections: int, seconds: int) -> None:
        url = f"http://{address[0]}:{address[1]}/hello"
        words = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
        self._limit = seconds + 30.0
        self._process = subprocess.Popen(
            [*pinned(CLIENT_CPU), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def running(self) -> bool:
        """Whether it is not done."""
        return self._process.poll() is None

    def result(self) -> Speed:
        """Waits for its end."""
        try:
            text, _ = self._process.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        others = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        assert rate is not None, text
        failed = sum(int(count) for count in errors.groups()) if errors else 0
        failed += int(others[1]) if others else 0
        return Speed(_latency("50", text), _latency("99", text), float(rate[1]), failed)


_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def _latency(percent: str, text: str) -> float:
    match = re.search(rf"^\s+{percent}%\s+([\d.]+)([a-z]+)\s*$", text, re.MULTILINE)
    assert match is not None, text
    return float(match[1]) * _MILLISECONDS[match[2]]


class Probe(NamedTuple):
    """New clients that came while something else went on."""

    asked: int
    failed: int
    slowest: float
    """Milliseconds."""


class Prober:
    """Asks on a new connection each time, as a new visitor would."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._times: list[float] = []
        self._failed = 0

    def ask(self) -> None:
        """Once."""
        started = time.monotonic()
        try:
            with Client(self._address, seconds=10.0) as client:
                if client.get("/hello").status != 200:
                    self._failed += 1
        except (OSError, AssertionError):
            self._failed += 1
        self._times.append((time.monotonic() - started) * 1000)

    def result(self) -> Probe:
        """So far."""
        return Probe(len(self._times), self._failed, max(self._times, default=0.0))


def wait_until_left(pid: int, descriptors: int, seconds: float) -> bool:
    """Whether the process comes down to so many descriptors within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if len(os.listdir(f"/proc/{pid}/fd")) <= descriptors:
            return True
        time.sleep(0.1)
    return False


# ---- Slow clients ------------------------------------------------------------------------------------


class SlowReaders:
    """Many connections that read their answers at a given rate; one loop, no thread."""

    def __init__(self, address: Address, target: str, count: int, rate: int, buffer: int) -> None:
        """rate: bytes a second of each. buffer: SO_RCVBUF, 0 for the kernel's own."""
        self._address = address
        self._request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._count = count
        self._portion = max(rate, 1)
        self._buffer = buffer
        self._sockets: list[socket.socket] = []
        self._next = 0
        self._at = time.monotonic()
        self._totals: dict[socket.socket, int] = {}
        self.bytes: dict[socket.socket, int] = {}
        self.lost = 0

    def connect(self, within: float) -> Iterator[None]:
        """Opens all of them, spread over some seconds; yields between them."""
        started = time.monotonic()
        for number in range(self._count):
            one = socket.socket()
            if self._buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
            one.settimeout(20)
            one.connect(self._address)
            one.sendall(self._request)
            one.setblocking(False)
            self._sockets.append(one)
            self.bytes[one] = 0
            ahead = started + within * (number + 1) / self._count - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            yield
        self._at = time.monotonic()

    def read(self) -> None:
        """Lets those read whose turn it is by now: each once a second."""
        now = time.monotonic()
        due = int((now - self._at) * len(self._sockets))
        if due <= 0:
            return
        self._at += due / len(self._sockets)
        for _ in range(min(due, len(self._sockets))):
            self._next = (self._next + 1) % len(self._sockets)
            self._read_one(self._sockets[self._next])

    def _read_one(self, one: socket.socket) -> None:
        if one.fileno() < 0:
            return
        try:
            data = one.recv(self._portion)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not self.bytes[one]:
            self._note_length(one, data)
        self.bytes[one] += len(data)
        if not data:
            self.lost += 1
            one.close()

    def _note_length(self, one: socket.socket, first: bytes) -> None:
        head, end, _ = first.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        if length is not None:
            self._totals[one] = len(head) + len(end) + int(length[1])

    def finish(self, count: int, seconds: float = 20.0) -> list[int]:
        """Some of them read on as fast as they can: bytes of each answer, its head included."""
        sizes = []
        for one in self._sockets[: count * 7 : 7]:
            if one.fileno() < 0:
                sizes.append(-1)
                continue
            one.settimeout(seconds)
            size, tail = self.bytes[one], b""
            while size < self._totals.get(one, size + 1) and not tail.endswith(b"\r\n0\r\n\r\n"):
                try:
                    data = one.recv(1 << 20)
                except OSError:
                    data = b""
                if not data:
                    break
                size += len(data)
                tail = (tail + data)[-16:]
            sizes.append(size)
        return sizes

    def close(self) -> None:
        """All of them leave."""
        for one in self._sockets:
            one.close()


# ---- Words -------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = [cell.rjust(width) for cell, width in zip(cells, widths)]
        return "  ".join([cells[0].ljust(widths[0]), *others]).rstrip() if first else ""

    return "\n".join([line(head), *(line(row) for row in rows)])


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, and the least and greatest."""
    if not values:
        return "-"
    median = statistics.median(values)
    return f"{median:.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


class Verdict:
    """Collects what has to hold."""

    def __init__(self) -> None:
        self.failures = 0

    def check(self, holds: bool, sentence: str) -> None:
        """Prints a sentence as met or not."""
        print(f"{'met' if holds else 'NOT MET'}: {sentence}", flush=True)
        self.failures += not holds
