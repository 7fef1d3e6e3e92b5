"""The checks on one server, in their order. Each returns what it has seen, or raises Failed or LeftOut."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import sys
import threading
import time
from typing import Callable

from . import places
from .clients import HOST, Load, fetch, fetch_slowly, fetch_status
from .service import PATIENCE, Clock, Failed, Service

APPLICATION = """\
import hashlib, os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    content = "WORD %d" % os.getpid()
    if path == "/upload":
        content = hashlib.sha256(environ["wsgi.input"].read()).hexdigest()
    if path == "/slow":
        open("DIRECTORY/begun", "w").close()
        for _ in range(3000):
            if os.path.exists("DIRECTORY/go"):
                break
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))])
    return [content.encode()]
"""
POOL = """\
[app:selftest]
script = {directory}/app.py
listen = 127.0.0.1:0, unix:{directory}/socket
workers = 2
static = /files:{directory}/files
ready_path = /ready
header_timeout = 1s
access_log = {directory}/access.log
access_format = $request_method $request_uri $status
"""
_FILE_SIZE = 3 * 1024 * 1024 + 1
_CONNECTIONS = 100
_SPARE_DESCRIPTORS = 50


class Scene:
    """What the checks share: the server, and the time."""

    def __init__(self, directory: str, clock: Clock) -> None:
        self.directory = directory
        self.clock = clock
        self.service = Service(directory, clock)
        self.others: list[Service] = []

    @property
    def port(self) -> int:
        return self.service.ports()[0]

    def application(self, word: str) -> None:
        """Replaces the application's file."""
        self.service.write("app.py", APPLICATION.replace("WORD", word).replace("DIRECTORY", self.directory))

    def word(self) -> bytes:
        """Which application answers."""
        return fetch(self.port).split()[0]

    def take_down(self) -> None:
        """Nothing that was started stays."""
        for service in (self.service, *self.others):
            service.take_down()


# ---- Requests ------------------------------------------------------------------------------------


def start(scene: Scene) -> str:
    """A daemon that serves, by TCP and by unix socket."""
    service = scene.service
    scene.application("first")
    os.mkdir(os.path.join(scene.directory, "files"))
    service.configure(POOL.format(directory=scene.directory))
    service.start()
    fetch(scene.port)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(os.path.join(scene.directory, "socket"))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(8192), b""))
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Failed(f"by unix socket: {answer[:80]!r}")
    return f"{len(service.serving())} workers serve, by TCP and unix socket"


def polling(scene: Scene) -> str:
    """Many connections that wait, all of which are heard, and the timer of one that says too little."""
    port = scene.port
    with socket.create_connection((HOST, port), PATIENCE) as late:
        late.sendall(b"GET / HTTP/1.1\r\n")
        count = min(_CONNECTIONS, _descriptors() - _SPARE_DESCRIPTORS)
        connections = [http.client.HTTPConnection(HOST, port, timeout=PATIENCE) for _ in range(count)]
        try:
            for connection in (*connections, *reversed(connections)):
                connection.request("GET", "/")
                connection.getresponse().read()
        finally:
            for connection in connections:
                connection.close()
        answer = late.recv(8192)
    if not answer.startswith(b"HTTP/1.1 408 "):
        raise Failed(f"a head that does not end: {answer[:80]!r} instead of 408")
    return f"{count} connections asked twice, and a head that does not end got 408"


def _descriptors() -> int:
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft > 0 else _CONNECTIONS + _SPARE_DESCRIPTORS


def upload(scene: Scene) -> str:
    """A content that goes by way of a file."""
    content = os.urandom(_FILE_SIZE)
    if fetch(scene.port, "/upload", content).decode() != hashlib.sha256(content).hexdigest():
        raise Failed("the application has read something else")
    return f"{_FILE_SIZE} bytes reached the application"


def sendfile(scene: Scene) -> str:
    """A file that the core sends, to a client for which it has to wait."""
    content = os.urandom(_FILE_SIZE)
    with open(os.path.join(scene.directory, "files", "random"), "wb") as file:
        file.write(content)
    for how, got in (("at once", fetch(scene.port, "/files/random")),
                     ("slowly", fetch_slowly(scene.port, "/files/random"))):  # fmt: skip
        if got != content:
            raise Failed(f"read {how}: {len(got)} bytes of {len(content)}, or others")
    return f"{_FILE_SIZE} bytes came whole, read at once and slowly"


def access_log(scene: Scene) -> str:
    """A line for each request, in logs opened anew, whose descriptors the master passes to its workers."""
    path = os.path.join(scene.directory, "access.log")
    for how, reopen in (("fapwsctl reopen", lambda: scene.service.ctl("reopen")),
                        ("SIGUSR1", lambda: scene.service.signal(signal.SIGUSR1))):  # fmt: skip
        os.rename(path, f"{path}.old")
        reopen()
        scene.service.wait(lambda: os.path.exists(path), f"{how} makes a new log")
        scene.service.ask("status")  # the workers were told of it by the time of the reply
        for number in range(20):  # so that both workers have some
            fetch(scene.port, f"/line/{number}")
        expected = sorted(f"GET /line/{number} 200" for number in range(20))
        scene.service.wait(lambda: _lines(path) == expected, f"after {how} 20 requests are 20 lines")  # noqa: B023
    return "20 requests, 20 lines, in logs that were opened anew; the workers got their descriptors"


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return sorted(line.rstrip() for line in file if "/line/" in line)
    except OSError:
        return []


# ---- Processes -----------------------------------------------------------------------------------


def signals(scene: Scene) -> str:
    """HUP, TTIN and TTOU."""
    service = scene.service
    before = service.serving()
    service.signal(signal.SIGTTIN)
    service.wait(lambda: len(service.serving()) == len(before) + 1, "SIGTTIN brings a worker")
    service.signal(signal.SIGTTOU)
    service.wait(lambda: len(service.serving()) == len(before), "SIGTTOU takes one away")
    scene.application("second")
    service.signal(signal.SIGHUP)
    service.wait(lambda: not before & service.serving(), "SIGHUP replaces the workers")
    if scene.word() != b"second":
        raise Failed("after SIGHUP the application is still the old one")
    return "HUP, TTIN and TTOU did what they are for"


def reload(scene: Scene) -> str:
    """A reload while clients ask; and one of an application that does not load, which changes nothing."""
    scene.application("third")
    with Load(scene.port) as load:
        scene.service.ctl("reload")
    load.check()
    if scene.word() != b"third":
        raise Failed("the application is still the old one")
    scene.service.write("app.py", "import nothing_of_this_name\n")
    try:
        scene.service.ctl("reload")
    except Failed:
        pass
    else:
        raise Failed("an application that does not load was taken")
    if scene.word() != b"third":
        raise Failed("an application that does not load has ended the old one")
    scene.application("third")
    return f"{load.answered} requests meanwhile, none lost; one that does not load changes nothing"


def drain(scene: Scene) -> str:
    """Not ready and serving on, then ready again."""
    port = scene.port
    scene.service.ctl("drain")
    status = fetch_status(port, "/ready")[0]
    fetch(port)
    scene.service.ask("undrain")
    if status != 503:
        raise Failed(f"the ready path answered {status} when drained")
    scene.service.wait(lambda: fetch_status(port, "/ready")[0] == 200, "ready again")
    return "503 while drained, and 200 afterwards"


def crash(scene: Scene) -> str:
    """A worker that a fault ends: it is replaced, and the log says what it was."""
    before = scene.service.serving()
    victim = min(before)
    os.kill(victim, signal.SIGSEGV)
    scene.service.wait(
        lambda: victim not in scene.service.serving() and len(scene.service.serving()) == len(before),
        "another worker is in its place",
    )
    fetch(scene.port)
    scene.service.wait(lambda: "SIGSEGV" in scene.service.log(), "the log tells of SIGSEGV")
    return "SIGSEGV: replaced, and told"


def upgrade(scene: Scene) -> str:
    """Fapws itself run anew in the same process, while clients ask."""
    port, before = scene.port, scene.service.serving()
    with Load(port) as load:
        scene.service.ctl("upgrade")
    load.check()
    if not scene.service.is_alive() or scene.port != port or before & scene.service.serving():
        raise Failed("it is not the same process, another port, or has old workers")
    return f"same process and port; {load.answered} requests meanwhile, none lost"


def endurance(scene: Scene) -> str:
    """Reloads, upgrades, more and fewer workers, while clients ask, for the rest of the time."""
    service = scene.service
    steps = [
        words.split() for words in
        ("reload", "scale selftest 3", "reopen", "upgrade", "scale selftest 2")
    ]  # fmt: skip
    done = 0
    with Load(scene.port) as load:
        while time.monotonic() < scene.clock.until and not load.lost:
            service.ctl(*steps[done % len(steps)])
            done += 1
    if done:
        load.check()
    return f"{done} commands, {load.answered} requests meanwhile, none lost"


def stop(scene: Scene) -> str:
    """SIGTERM with a request in hand, which is finished."""
    port, service = scene.port, scene.service
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(fetch_status(port, "/slow")[0]), daemon=True)
    client.start()
    service.wait(lambda: os.path.exists(os.path.join(scene.directory, "begun")), "the request is in hand")
    service.signal(signal.SIGTERM)
    service.wait(lambda: service.ask("status")["state"] == "stopping", "SIGTERM begins a stop")
    open(os.path.join(scene.directory, "go"), "w").close()
    client.join(scene.clock.left())
    if answers != [200]:
        raise Failed(f"the request in hand: {answers or 'no answer'}")
    service.wait(lambda: not service.is_alive(), "the master has gone")
    left = [name for name in ("control", "fapws.pid") if os.path.exists(os.path.join(scene.directory, name))]
    if left:
        raise Failed(f"left behind: {' '.join(left)}")
    return "the request in hand was finished, and nothing was left behind"


Check = Callable[[Scene], str]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("start", start),
    ("polling", polling),
    ("upload", upload),
    ("sendfile", sendfile),
    ("logs, fd passing", access_log),
    ("signals", signals),
    ("reload", reload),
    ("drain", drain),
    ("crash and refill", crash),
    ("upgrade in place", upgrade),
    ("pools, privileges", places.pools),
    *((("pledge", places.pledge),) if sys.platform.startswith("openbsd") else ()),
    ("rc.d", places.rc_script),
    ("endurance", endurance),
    ("stop", stop),
)
