"""How each server is started: one recipe a server, one worker each, access log off.

A recipe gives a server what its own manual recommends and nothing that the others do not get. Another
one, or another way to run fapws, is a row of RECIPES and the function that makes its command.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, NamedTuple

from . import tools

# The queue of connections waiting for accept, the same for all that let themselves be told;
# `oneshot` opens 1,000 at once. uWSGI refuses to start with more than the kernel's own limit.
BACKLOG = min(2048, int(Path("/proc/sys/net/core/somaxconn").read_text()))
ROOM = 12_000  # connections; 10,000 of them idle in `memory`

NGINX_CONF = """\
{user}
worker_processes {workers};
daemon off;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx-error.log;
worker_rlimit_nofile {files};
events {{ worker_connections {room}; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog={backlog};
        location = / {{ return 200 "Hello world!"; }}
        location / {{ root {public}; }}
        location /static/ {{
            alias {public}/;
            open_file_cache max=1000 inactive=60s;
            open_file_cache_valid 1s;
        }}
    }}
}}
"""

FAPWS_INI = """\
[fapws]
pidfile = {scratch}/fapws.pid
control = {scratch}/fapws.sock
error_log = {error_log}

[app:bench]
script = {script}
directory = {apps}
listen = 127.0.0.1:{port}
workers = {workers}
backlog = {backlog}
max_connections = {room}
max_body_size = 64m
{settings}"""


class Place(NamedTuple):
    bin: Path  # of the venv that the server lives in
    apps: Path  # the folder with hello.py and work.py
    scratch: Path  # for this one start, empty
    public: Path  # the files of the workload `file`
    workers: int = 1
    files: str = ""  # the path below which the server itself serves the public files
    settings: tuple[str, ...] = ()  # lines for the configuration of fapws that a workload asks for


class Recipe(NamedTuple):
    name: str
    distribution: str | None  # on PyPI; None: from the system
    shape: str  # its processes
    command: Callable[[Place, int, str], list[str]]  # place, port, "module:callable"
    remark: str = ""  # what a reader of the figures must know
    pypy: bool = False
    warm_up: int = 1  # seconds under load before the first round
    near: bool = False  # a rival, or named in a target: gets all rounds; the others are cut first
    does: frozenset[str] | None = None  # the workloads that make sense for it; None: all
    environment: tuple[tuple[str, str], ...] = ()
    built: bool = False  # by the bench, of its own sources


def fapws_ini(place: Place, port: int, app: str, error_log: str = "stderr") -> Path:
    """The configuration of fapws for a start in place."""
    module, _, function = app.partition(":")
    text = FAPWS_INI.format(
        scratch=place.scratch,
        script=f"{place.apps / module}.py:{function}",
        apps=place.apps,
        port=port,
        workers=place.workers,
        backlog=BACKLOG,
        room=ROOM,
        error_log=error_log,
        settings="".join(f"{line}\n" for line in (*place.settings, *_static(place))),
    )
    path = place.scratch / "fapws.ini"
    path.write_text(text)
    return path


def _static(place: Place) -> tuple[str, ...]:
    return (f"static = {place.files}:{place.public}",) if place.files else ()


def _fapws(place: Place, port: int, app: str) -> list[str]:
    return [str(place.bin / "fapws"), "-c", str(fapws_ini(place, port, app))]


def _runner(name: str) -> Callable[[Place, int, str], list[str]]:
    def command(place: Place, port: int, app: str) -> list[str]:
        program = [str(place.bin / "python"), str(place.apps / "run.py")]
        return [*program, name, app, str(port), str(BACKLOG)]

    return command


def _gunicorn(*more: str) -> Callable[[Place, int, str], list[str]]:
    def command(place: Place, port: int, app: str) -> list[str]:
        where = ["--bind", f"127.0.0.1:{port}", "--backlog", str(BACKLOG), "--chdir", str(place.apps)]
        return [str(place.bin / "gunicorn"), *where, "--workers", "1", *more, app]

    return command


def _uwsgi(place: Place, port: int, app: str) -> list[str]:
    module, _, function = app.partition(":")
    # http11-socket: the one way in which a uWSGI worker keeps alive without a router process.
    where = ["--http11-socket", f"127.0.0.1:{port}", "--listen", str(BACKLOG)]
    file = ["--wsgi-file", str(place.apps / f"{module}.py"), "--callable", function, "--need-app"]
    file += ["--pythonpath", str(place.apps)]
    quiet = ["--disable-logging", "--die-on-term"]
    many = ["--master", "--processes", str(place.workers)]
    return [str(place.bin / "uwsgi"), *where, *many, *file, *quiet]


def _granian(place: Place, port: int, app: str) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG)]
    where += ["--backpressure", str(ROOM)]  # connections at a time
    how = ["--interface", "wsgi", "--http", "1", "--workers", "1", "--blocking-threads", "1"]
    quiet = ["--no-access-log", "--log-level", "error", "--working-dir", str(place.apps)]
    mount = ["--static-path-route", place.files, "--static-path-mount", str(place.public)]
    return [str(place.bin / "granian"), *where, *how, *quiet, *(mount if place.files else ()), app]


def _nginx(place: Place, port: int, app: str) -> list[str]:
    user = "user root;" if os.geteuid() == 0 else ""
    conf = place.scratch / "nginx.conf"
    text = NGINX_CONF.format(
        user=user,
        scratch=place.scratch,
        public=place.public,
        workers=place.workers,
        port=port,
        backlog=BACKLOG,
        room=ROOM,
        files=ROOM + 1000,
    )
    conf.write_text(text)
    program = [tools.program("nginx") or "nginx", "-e", str(place.scratch / "nginx-error.log")]
    return [*program, "-p", str(place.scratch), "-c", str(conf)]


_BEYOND_SPEED = frozenset({"memory", "startup", "syscalls", "crowd"})
_NO_CONTENT = _BEYOND_SPEED | {"hello", "browser", "oneshot", "pipelined", "limited"}
_FILES = frozenset({"file-4k", "file-1m", "file-100m", "slow"})
_STATIC = frozenset({"static-1k", "static-16k", "static-304", "static-1m", "static-100m"})
_MANY = frozenset({f"workers-{workers}x{clients}" for workers in (1, 8, 16, 64) for clients in (1, 64)})
_FLOOR = frozenset({"burst-hello", "burst-browser"})

_MASTER, _ONE = "master + 1 worker", "1 process"
FAPWS = Recipe("fapws", "fapws", _MASTER, _fapws, near=True)
RECIPES = (
    FAPWS,
    Recipe("fapws-pypy", "fapws", _MASTER, _fapws, "on PyPy: the same tree", pypy=True, warm_up=5),
    Recipe("bjoern", "bjoern", _ONE, _runner("bjoern"), near=True),
    Recipe("fastpysgi", "fastpysgi", _ONE, _runner("fastpysgi"), near=True),
    Recipe(
        "nginx",
        None,
        _MASTER,
        _nginx,
        "no Python: `return 200` is the floor, files by sendfile; room for 12,000 connections; "
        "static-* with open_file_cache",
        near=True,
        does=_NO_CONTENT | _FILES | _STATIC | _MANY,
    ),
    Recipe("uwsgi", "uWSGI", _MASTER, _uwsgi, near=True),
    Recipe(
        "floor",
        None,
        _ONE,
        _runner("floor"),
        "no server: floor.c, the least that CPython can cost",
        near=True,
        does=_FLOOR,
        built=True,
    ),
    Recipe("granian", "granian", _MASTER, _granian, "one blocking thread", near=True),
    Recipe(
        "gunicorn",
        "gunicorn",
        _MASTER,
        _gunicorn(),
        "sync worker, control socket on as by default",
    ),
    Recipe(
        "gunicorn-gthread",
        "gunicorn",
        _MASTER,
        _gunicorn(
            "--worker-class",
            "gthread",
            "--threads",
            "4",
            "--worker-connections",
            str(ROOM),
            "--keep-alive",
            "60",
        ),
        "4 threads",
    ),
    Recipe("waitress", "waitress", _ONE, _runner("waitress"), "one thread beside the one that reads"),
    Recipe("cheroot", "cheroot", _ONE, _runner("cheroot"), "4 threads"),
    Recipe("netius", "netius", _ONE, _runner("netius")),
    Recipe("werkzeug", "werkzeug", _ONE, _runner("werkzeug"), "made for development; a thread a connection"),
    Recipe("sanic", "sanic", _ONE, _runner("sanic"), "not WSGI: its own hello", does=_NO_CONTENT),
)
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
PEERS = {recipe.name: recipe for recipe in RECIPES if recipe is not FAPWS}
