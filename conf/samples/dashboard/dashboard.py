"""The console of a small box on one page: `fapws dashboard.py`, then http://127.0.0.1:8888/.

Load, processor, memory, network and disks, the last 15 minutes of them as charts; services that are up
or down; Fapws' own workers; the processes that take most. /metrics.json has the same numbers. It needs
psutil (`pip install psutil`); without it the little is shown that Linux's /proc and POSIX tell.

Who may see it: nothing can be changed here, and command lines and requests are not shown. But whoever
opens it learns the names of processes, users, disks and services. It is for those who run the box, so
it listens on loopback; for more, put a proxy with TLS and a password in front, and its name into
DASHBOARD_HOSTS. fapws.ini beside this file is an example.

Settings come from the environment (in an INI file: the section [app:NAME:env]):

DASHBOARD_CONTROL   the master's control socket, for the requests and states of all its workers
DASHBOARD_SERVICES  what has to be up: a process's name, a port here, an address, a unix socket, with
                    or without a name of its own: sshd, mail=25, web=10.0.0.2:80, db=/run/db.sock
DASHBOARD_HOSTS     more names under which the page may be asked for: status.example.org
DASHBOARD_TITLE     what stands at the top, instead of the host's name
DASHBOARD_TOP       rows of the tables of processes: 8
DASHBOARD_INTERVAL  seconds between two samples: 5; the last 180 are kept
"""

from __future__ import annotations

import json
import os
from typing import Any

from console import page
from console.settings import is_address, read_settings
from console.watcher import Watcher

from fapws._evwsgi import add_timer

SERVER = "127.0.0.1:8888"

DEFAULT_REFRESH, LEAST_REFRESH, MOST_REFRESH = 10, 2, 3600
"""Seconds."""
_POLICY = (
    "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]

settings = read_settings()
watcher = Watcher(settings)
watcher.sample()  # the first response can tell rates already
add_timer(settings.interval, watcher.on_timer)


def show(environ: dict[str, Any], start_response: Any) -> bytes:
    """The page."""
    refused = _refused(environ, start_response, ("", "/"))  # the latter with strict_paths
    if refused:
        return refused.encode()
    nonce = os.urandom(16).hex()
    content = page.render(watcher.snapshot(), refresh_of(environ.get("QUERY_STRING", "")), nonce)
    policy = ("Content-Security-Policy", _POLICY.format(nonce))
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), policy, *_HEADERS])
    return content.encode("utf-8", "replace")  # names of processes and disks may be any bytes


def metrics(environ: dict[str, Any], start_response: Any) -> bytes:
    """The numbers of the page; units are in the names, null is not known."""
    refused = _refused(environ, start_response)
    if refused:
        return refused.encode()
    content = json.dumps(watcher.snapshot(), ensure_ascii=False)
    start_response("200 OK", [("Content-Type", "application/json"), *_HEADERS])
    return content.encode("utf-8", "replace")


def refresh_of(query: str) -> int:
    """Seconds, of ?refresh=; 0: never. What is no number is the default."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == "refresh" and value.isascii() and value.isdigit() and len(value) < 9:
            seconds = int(value)
            return min(MOST_REFRESH, max(LEAST_REFRESH, seconds)) if seconds else 0
    return DEFAULT_REFRESH


# ---- What is refused -------------------------------------------------------------------------------


def _refused(environ: dict[str, Any], start_response: Any, paths: tuple[str, ...] = ("",)) -> str:
    """Refuses what is not for us, and returns what to say; empty: it is for us.

    paths: what PATH_INFO may be.
    """
    status, more = "", []
    if environ["PATH_INFO"] not in paths:  # prefixes are served; behind ours nothing may follow
        status, text = "404 Not Found", "There are / and /metrics.json."
    elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        status, text, more = "405 Method Not Allowed", "It can only be looked at.", [("Allow", "GET, HEAD")]
    elif not may_be_asked_as(environ.get("HTTP_HOST", "")):
        status, text = "403 Forbidden", "If this name is right, add it to DASHBOARD_HOSTS."
    if not status:
        return ""
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *more, *_HEADERS])
    return f"{status}. {text}\n"


def may_be_asked_as(host: str) -> bool:
    """Whether a Host field names us: an address, this machine, or what the settings add.

    A page on the web could give its own name our address (DNS rebinding) and have the browser of who
    sits behind the firewall read us to it; its Host field tells.
    """
    name, colon, port = host.lower().rpartition(":")
    if not colon or not port.isdigit():
        name = host.lower()
    known = ("", "localhost", os.uname().nodename.lower())
    return is_address(name) or name in known or name in settings.hosts


PATHS = [("/metrics.json", metrics), ("/", show)]
