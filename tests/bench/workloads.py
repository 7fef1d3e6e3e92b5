"""What is asked of the servers: one row a workload."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, NamedTuple

from . import clients
from .clients import CONNECTIONS, ONESHOT_CONNECTIONS, Answered, Goal

HERE = Path(__file__).resolve().parent
MB = 1 << 20
FILE_SIZES = {"1k": 1024, "4k": 4096, "16k": 16384, "1m": MB, "100m": 100 * MB}
FILE_TIME = 784111777
FILE_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
"""When all these files were changed: nginx takes no other date for an If-Modified-Since."""
SLOW_READERS = 1000
STREAMED = 100 * 8192
UPLOADED = 20 * MB
BURST_CONNECTIONS = 64
BURST_SECONDS = 0.5  # its rounds differ by a few percent only
MANY_WORKERS, MANY_CLIENTS = (1, 8, 16, 64), (1, 64)


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
    fixed: float | None = None  # seconds of a round that the workload itself asks for
    depth: int = 1  # requests that go out together
    readers: int = 0  # slow ones, beside the client that is measured
    peers: tuple[str, ...] | None = None  # beside fapws, unless others are asked for; None: all
    burst: bool = False  # client and server on one core, by SCHED_BATCH
    workers: int = 1
    settings: tuple[str, ...] = ()  # of fapws
    frameworks: tuple[str, ...] = ()  # on PyPI: what the application is made with
    counts_closes: bool = False  # the application tells at /closed how often close() was called
    files: str = ""  # the path below which the server itself serves the public files
    session: bool = False  # the request names a session that the server has begun before
    far: tuple[str, ...] = ()  # of its peers: rivals elsewhere that cost several times as much here


def _wrk(
    script: str | None = None, connections: int = CONNECTIONS, target: str = "/", field: str = ""
) -> Command:
    def command(goal: Goal) -> list[str]:
        lua = str(HERE / "lua" / script) if script else None
        return clients.wrk_command(goal, lua, connections, target, field)

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
        if path.stat().st_mtime != FILE_TIME:
            os.utime(path, (FILE_TIME, FILE_TIME))


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
        peers=("nginx", "fastpysgi"),
    )


def _static(name: str, size: str, command: Command, *peers: str) -> Workload:
    target = f"/static/{size}"
    return Workload(
        f"static-{name}",
        f"a file of {size.upper()}B by the server itself, keep-alive",
        command,
        clients.parse_load,
        "cc",
        app="static_pages:application",
        asks=(Ask(target, answer=None, length=FILE_SIZES[size]),),
        request=_get(target),
        fixed=BURST_SECONDS,
        peers=peers,
        frameworks=("whitenoise",),
        files="/static",
        far=("granian",),
    )


BROWSER = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"\r\n'
    b'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/128.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nReferer: http://127.0.0.1/articles/\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,fr;q=0.7\r\n"
)
"""What lua/browser.lua sends, up to its Cookie."""


def _burst(name: str, what: str, request: bytes, app: str = "hello:application") -> Workload:
    command = _load("-b", "-c", str(BURST_CONNECTIONS))
    said = f"{what}; {BURST_CONNECTIONS} connections in bursts"
    row = Workload(name, said, command, clients.parse_load, "cc", app=app, request=request)
    return row._replace(burst=True, fixed=BURST_SECONDS, peers=("floor", "bjoern", "fastpysgi"))


def _framework(name: str, module: str, session: bool) -> Workload:
    title = name.capitalize() + (" with a session" if session else "")
    row = _burst(
        f"{name}-session" if session else name,
        f"a page of {title}, 13 browser headers",
        BROWSER + b"\r\n",
        f"{module}:{'with_session' if session else 'application'}",
    )
    # uWSGI serves one connection until it closes, and has no burst.
    peers = ("bjoern", "fastpysgi", "granian", "gunicorn" if session else "waitress")
    return row._replace(frameworks=(name,), counts_closes=True, session=session, peers=peers)


def _upload(name: str, size: int, *settings: str, peers: tuple[str, ...] = ("uwsgi",)) -> Workload:
    written = f"{size // MB} MB" if size >= MB else f"{size // 1024} KB"
    how = ", read from the socket by the application (`request_buffering = no`)" if settings else ""
    return Workload(
        name,
        f"POST of {written}{how}, read in pieces of 64 KB, 8 connections",
        _load("-c", "8", "-l", str(size)),
        clients.parse_load,
        "cc",
        app="work:upload",
        asks=(Ask(filled=size, answer=b"%d" % size),),
        request=b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % size,
        fixed=BURST_SECONDS if size <= MB else None,
        peers=peers,
        settings=settings,
    )


def _workers(workers: int, connections: int) -> Workload:
    several, clients_ = ("s" if count > 1 else "" for count in (workers, connections))
    return Workload(
        f"workers-{workers}x{connections}",
        f"a connection for each request, {workers} worker{several}, {connections} client{clients_}",
        _load("-c", str(connections)),
        clients.parse_load,
        "cc",
        kept=False,
        request=b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        fixed=BURST_SECONDS,
        workers=workers,
        peers=("nginx",),
    )


_KEPT = f"keep-alive, {CONNECTIONS} connections"
_SUMS = (
    Ask("/baseline?a=13&b=42", answer=b"55"),
    Ask("/baseline?a=13&b=42", body=b"20", answer=b"75"),
    Ask("/baseline?a=13&b=42", body=b"20", chunked=True, answer=b"75"),
)
_QUICK = ("fapws-pypy", "bjoern", "fastpysgi", "nginx", "uwsgi", "granian", "gunicorn")
ROWS = (
    Workload("hello", f"GET, 12-byte answer, {_KEPT}", _wrk(), clients.parse_wrk, "wrk"),
    Workload(
        "browser",
        f"13 browser headers, one value new each time, {_KEPT}",
        _wrk("browser.lua"),
        clients.parse_wrk,
        "wrk",
        peers=_QUICK,
    ),
    _burst("burst-hello", "hello", _get("/")),
    _burst("burst-browser", "browser", BROWSER + b"Cookie: theme=dark; session=0000000000000000\r\n\r\n"),
    _burst("list", "a list that a page was made into", _get("/"), "iterables:listed"),
    _burst("iterable", "the page itself, an iterable with close()", _get("/"), "iterables:iterable"),
    _framework("flask", "flask_pages", False),
    _framework("flask", "flask_pages", True),
    _framework("django", "django_pages", False),
    _framework("django", "django_pages", True),
    Workload(
        "oneshot",
        f"a connection for each request, {ONESHOT_CONNECTIONS} at a time",
        clients.ab_command,
        clients.parse_ab,
        "ab",
        kept=False,
        fixed=2,
        peers=("fapws-pypy", "bjoern", "fastpysgi", "nginx", "uwsgi", "gunicorn"),
    ),
    Workload(
        "baseline",
        f"GET, POST, chunked POST: sum of query and content, {_KEPT}",
        _wrk("baseline.lua"),
        clients.parse_wrk,
        "wrk",
        app="work:baseline",
        asks=_SUMS,
        peers=("bjoern", "fastpysgi", "granian"),
    ),
    Workload(
        "pipelined",
        f"16 requests deep, {_KEPT}",
        _wrk("pipelined.lua"),
        clients.parse_wrk,
        "wrk",
        depth=16,
        peers=("fastpysgi", "nginx", "granian"),
    ),
    Workload(
        "limited",
        f"connections closed by the client after 10 answers, {CONNECTIONS} at a time",
        _load("-c", str(CONNECTIONS), "-r", "10"),
        clients.parse_load,
        "cc",
        request=_get("/"),
        fixed=BURST_SECONDS,
        peers=("bjoern", "fastpysgi", "nginx", "granian"),
    ),
    _upload("upload-97k", 97 * 1024, peers=("uwsgi", "fastpysgi")),
    _upload("upload-1m", MB, peers=("uwsgi", "fastpysgi")),
    _upload("upload", UPLOADED, peers=("uwsgi", "fastpysgi")),
    _upload("upload-raw", UPLOADED, "request_buffering = no"),
    Workload(
        "stream",
        "a generator of 100 pieces of 8 KB, no length known, 32 connections",
        _load("-c", "32"),
        clients.parse_load,
        "cc",
        app="work:stream",
        asks=(Ask(answer=None, length=STREAMED),),
        request=_get("/"),
        peers=("bjoern", "fastpysgi"),
    ),
    _file("4k", _wrk(target="/4k"), clients.parse_wrk, "wrk"),
    _file("1m", _load("-c", "16"), clients.parse_load, "cc"),
    _file("100m", _load("-c", "4"), clients.parse_load, "cc"),
    _static("1k", "1k", _load("-c", str(CONNECTIONS)), "nginx", "granian", "gunicorn"),
    _static("16k", "16k", _load("-c", str(CONNECTIONS)), "nginx", "granian", "gunicorn"),
    Workload(
        "static-304",
        f"304 for a file that the client has, by the server itself, {_KEPT}",
        _wrk(target="/static/1k", field=f"If-Modified-Since: {FILE_DATE}"),
        clients.parse_wrk,
        "wrk",
        app="static_pages:application",
        asks=(Ask("/static/1k", answer=None, length=FILE_SIZES["1k"]),),
        peers=("nginx", "gunicorn"),  # granian knows no conditions
        frameworks=("whitenoise",),
        files="/static",
    ),
    _static("1m", "1m", _load("-c", "16"), "nginx", "granian", "gunicorn"),
    _static("100m", "100m", _load("-c", "4"), "nginx", "granian", "gunicorn"),
    Workload(
        "slow",
        f"50 fast clients beside {SLOW_READERS:,} that read an answer of 4 MB at 20 KB a second",
        _wrk(connections=50),
        clients.parse_wrk,
        "wrk",
        app="work:slow",
        readers=SLOW_READERS,
        peers=("nginx", "bjoern"),
    ),
    *(_workers(workers, connections) for connections in MANY_CLIENTS for workers in MANY_WORKERS),
    Workload(
        "bare",
        f"hello, but the application states no Content-Length, {_KEPT}",
        _wrk(),
        clients.parse_wrk,
        "wrk",
        app="hello:bare",
    ),
)
WORKLOADS = {row.name: row for row in ROWS}
DEFAULT = tuple(name for name in WORKLOADS if name != "bare")


def _group(*beginnings: str) -> tuple[str, ...]:
    return tuple(name for name in WORKLOADS if name.startswith(beginnings))


GROUPS = {
    "burst": _group("burst-"),
    "frameworks": _group("flask", "django"),
    "uploads": _group("upload"),
    "file": _group("file-"),
    "static": _group("static-"),
    "workers": _group("workers-"),
}
SLOW_REQUEST = _get("/big")
