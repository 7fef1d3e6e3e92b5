"""What is asked of the servers: one row a workload."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple

from . import clients
from .clients import CONNECTIONS, ONESHOT_CONNECTIONS, Answered, Goal

HERE = Path(__file__).resolve().parent
MB = 1 << 20
FILE_SIZES = {"4k": 4096, "1m": MB, "100m": 100 * MB}
SLOW_READERS = 1000
STREAMED = 100 * 8192
UPLOADED = 20 * MB


Command = Callable[[Goal], list[str]]


class Ask(NamedTuple):
    """A request whose answer is known: sent to each server before it is measured."""

    target: str = "/"
    body: bytes | None = None
    filled: int = 0  # instead of body: so many bytes
    chunked: bool = False
    answer: bytes | None = b"Hello world!"  # None: as many x as length says
    length: int = 12


class Workload(NamedTuple):
    name: str
    what: str
    command: Command
    parse: Callable[[str], Answered]
    tool: str
    kept: bool = True  # many requests a connection
    app: str = "hello:application"
    asks: tuple[Ask, ...] = (Ask(),)
    request: bytes = b""  # load: what it sends
    fixed: int | None = None  # seconds of a round that the workload itself asks for
    depth: int = 1  # requests that go out together
    readers: int = 0  # slow ones, beside the client that is measured


def _wrk(script: str | None = None, connections: int = CONNECTIONS, target: str = "/") -> Command:
    def command(goal: Goal) -> list[str]:
        lua = str(HERE / "lua" / script) if script else None
        return clients.wrk_command(goal, lua, connections, target)

    return command


def _load(*options: str) -> Command:
    return lambda goal: clients.load_command(goal, *options)


def write_files(public: Path) -> None:
    """What the workload `file` serves, and the large answer of `slow` for nginx."""
    public.mkdir(parents=True, exist_ok=True)
    for name, size in {**FILE_SIZES, "big": 4 * MB}.items():
        path = public / name
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(b"x" * size)


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _file(
    size: str, command: Callable[[Goal], list[str]], parse: Callable[[str], Answered], tool: str
) -> Workload:
    target = f"/{size}"
    return Workload(
        f"file-{size}",
        f"a file of {size.upper()}B through wsgi.file_wrapper, keep-alive",
        command,
        parse,
        tool,
        app="work:file",
        asks=(Ask(target, answer=None, length=FILE_SIZES[size]),),
        request=_get(target),
    )


_KEPT = f"keep-alive, {CONNECTIONS} connections"
_SUMS = (
    Ask("/baseline?a=13&b=42", answer=b"55"),
    Ask("/baseline?a=13&b=42", body=b"20", answer=b"75"),
    Ask("/baseline?a=13&b=42", body=b"20", chunked=True, answer=b"75"),
)
WORKLOADS = {
    row.name: row
    for row in (
        Workload("hello", f"GET, 12-byte answer, {_KEPT}", _wrk(), clients.parse_wrk, "wrk"),
        Workload(
            "browser",
            f"13 browser headers, one value new each time, {_KEPT}",
            _wrk("browser.lua"),
            clients.parse_wrk,
            "wrk",
        ),
        Workload(
            "oneshot",
            f"a connection for each request, {ONESHOT_CONNECTIONS} at a time",
            clients.ab_command,
            clients.parse_ab,
            "ab",
            kept=False,
            fixed=5,
        ),
        Workload(
            "baseline",
            f"GET, POST, chunked POST: sum of query and content, {_KEPT}",
            _wrk("baseline.lua"),
            clients.parse_wrk,
            "wrk",
            app="work:baseline",
            asks=_SUMS,
        ),
        Workload(
            "pipelined",
            f"16 requests deep, {_KEPT}",
            _wrk("pipelined.lua"),
            clients.parse_wrk,
            "wrk",
            depth=16,
        ),
        Workload(
            "limited",
            f"connections closed by the client after 10 answers, {CONNECTIONS} at a time",
            _load("-c", str(CONNECTIONS), "-r", "10"),
            clients.parse_load,
            "cc",
            request=_get("/"),
        ),
        Workload(
            "upload",
            "POST of 20 MB, read in pieces of 64 KB, 8 connections",
            _load("-c", "8", "-l", str(UPLOADED)),
            clients.parse_load,
            "cc",
            app="work:upload",
            asks=(Ask(filled=UPLOADED, answer=b"%d" % UPLOADED),),
            request=b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % UPLOADED,
        ),
        Workload(
            "stream",
            "a generator of 100 pieces of 8 KB, no length known, 32 connections",
            _load("-c", "32"),
            clients.parse_load,
            "cc",
            app="work:stream",
            asks=(Ask(answer=None, length=STREAMED),),
            request=_get("/"),
        ),
        _file("4k", _wrk(target="/4k"), clients.parse_wrk, "wrk"),
        _file("1m", _load("-c", "16"), clients.parse_load, "cc"),
        _file("100m", _load("-c", "4"), clients.parse_load, "cc"),
        Workload(
            "slow",
            f"50 fast clients beside {SLOW_READERS:,} that read an answer of 4 MB at 20 KB a second",
            _wrk(connections=50),
            clients.parse_wrk,
            "wrk",
            app="work:slow",
            readers=SLOW_READERS,
        ),
        Workload(
            "bare",
            f"hello, but the application states no Content-Length, {_KEPT}",
            _wrk(),
            clients.parse_wrk,
            "wrk",
            app="hello:bare",
        ),
    )
}
DEFAULT = tuple(name for name in WORKLOADS if name != "bare")
GROUPS = {"file": tuple(name for name in WORKLOADS if name.startswith("file-"))}
SLOW_REQUEST = _get("/big")
