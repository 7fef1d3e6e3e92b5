"""How each server is started: one recipe a server, one worker each, access log off.

A recipe gives a server what its own manual recommends and nothing that the others do not get.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, NamedTuple

from . import tools

# The queue of connections waiting for accept, the same for all that let themselves be told;
# `oneshot` opens 1,000 at once. uWSGI refuses to start with more than the kernel's own limit.
BACKLOG = min(2048, int(Path("/proc/sys/net/core/somaxconn").read_text()))

NGINX_CONF = """\
{user}
worker_processes 1;
daemon off;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx-error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog={backlog};
        location / {{ return 200 "Hello world!"; }}
    }}
}}
"""


class Place(NamedTuple):
    bin: Path  # of the bench's venv
    apps: Path  # the folder with hello.py
    scratch: Path  # for this one start, empty


class Recipe(NamedTuple):
    name: str
    distribution: str | None  # on PyPI; None: from the system
    shape: str  # its processes
    command: Callable[[Place, int, str], list[str]]  # place, port, callable in hello.py
    remark: str = ""  # what a reader of the figures must know


def _fapws(place: Place, port: int, function: str) -> list[str]:
    app = str(place.apps / "hello.py")
    app = app if function == "application" else f"{app}:{function}"
    return [str(place.bin / "fapws"), "-b", f"127.0.0.1:{port}", "-w", "1", app]


def _bjoern(place: Place, port: int, function: str) -> list[str]:
    return [str(place.bin / "python"), str(place.apps / "run_bjoern.py"), str(port), function]


def _fastpysgi(place: Place, port: int, function: str) -> list[str]:
    return [str(place.bin / "python"), str(place.apps / "run_fastpysgi.py"), str(port), function]


def _gunicorn(place: Place, port: int, function: str) -> list[str]:
    where = ["--bind", f"127.0.0.1:{port}", "--backlog", str(BACKLOG), "--chdir", str(place.apps)]
    return [str(place.bin / "gunicorn"), *where, "--workers", "1", f"hello:{function}"]


def _uwsgi(place: Place, port: int, function: str) -> list[str]:
    # http11-socket: the one way in which a uWSGI worker keeps alive without a router process.
    where = ["--http11-socket", f"127.0.0.1:{port}", "--listen", str(BACKLOG)]
    app = ["--wsgi-file", str(place.apps / "hello.py"), "--callable", function, "--need-app"]
    quiet = ["--disable-logging", "--die-on-term"]
    return [str(place.bin / "uwsgi"), *where, "--master", "--processes", "1", *app, *quiet]


def _nginx(place: Place, port: int, function: str) -> list[str]:
    user = "user root;" if os.geteuid() == 0 else ""
    conf = place.scratch / "nginx.conf"
    conf.write_text(NGINX_CONF.format(user=user, scratch=place.scratch, port=port, backlog=BACKLOG))
    error_log = str(place.scratch / "nginx-error.log")
    return [
        tools.program("nginx") or "nginx",
        "-e",
        error_log,
        "-p",
        str(place.scratch),
        "-c",
        str(conf),
    ]


FAPWS = Recipe("fapws", "fapws", "master + 1 worker", _fapws)
PEERS = {
    recipe.name: recipe
    for recipe in (
        Recipe("bjoern", "bjoern", "1 process", _bjoern),
        Recipe("fastpysgi", "fastpysgi", "1 process", _fastpysgi),
        Recipe(
            "gunicorn",
            "gunicorn",
            "master + 1 worker",
            _gunicorn,
            "sync worker, control socket on as by default",
        ),
        Recipe("uwsgi", "uWSGI", "master + 1 worker", _uwsgi),
        Recipe("nginx", None, "master + 1 worker", _nginx, "no Python, `return 200`: the floor"),
    )
}
