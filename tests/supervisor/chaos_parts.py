"""What chaos serves, by which configuration, and who reads what the server says."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

from tests.support.house import HELLO, PATIENCE, House

WORKERS = 2
"""Of each pool."""
WINDOW = "preload = yes\nrollback_window = 10m\n"

APP = """
import os
import subprocess
import sys
import time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/warmup":
        WARMUP
    elif path == "/canary":
        CANARY
    elif path == "/print":
        for number in range(50):
            print(number, "x" * 200)
            print(number, "y" * 200, file=sys.stderr)
    elif path == "/child":
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            os._exit(0)
    elif path == "/stray":
        os.fork()  # the child comes back as if it were the worker
    elif path == "/daemon":
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(2)
            os._exit(0)
        os.waitpid(child, 0)
    elif path == "/run":
        subprocess.run(["sh", "-c", "echo of a child; echo of a child >&2"], check=True)
    elif path == "/reap":
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
    body = b"GREETING %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Site:
    """Pools, their configuration, and the files of their applications."""

    def __init__(self, house: House, ports: tuple[int, ...], rng: random.Random) -> None:
        """``ports``: of the first pool, of the status, of the other pools."""
        self.house = house
        self.port, self.status_port, *others = ports
        self.others = {f"pool{number}": port for number, port in enumerate(others)}
        """Pools to which nothing is done but what is done to all, by their ports."""
        self.plain = True
        """Whether no pool is to preload."""
        self.rng = rng
        self.third = house.directory / "third"
        """A unix socket that the load does not use."""
        self.files_folder = house.directory / "files"
        """Of files that the core serves."""
        self.files_folder.mkdir(exist_ok=True)
        self.word = 0

    def configure(
        self,
        workers: int = WORKERS,
        listen: str = "",
        pool: str = "",
        more: str = "",
        error_log: str = "",
    ) -> None:
        house = self.house
        where = f"127.0.0.1:{self.port}, unix:{house.unix}, unix:{self.third}{listen}"
        log = error_log or house.log_file
        master = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {log}\n"
        master += f"status = 127.0.0.1:{self.status_port}\n"
        pool = f"warmup = GET http://chaos.example/warmup\n{pool}"
        pool = f"{self.preload()}{pool}"
        pool = f"drain_timeout = 10s\nstatic = /files:{self.files_folder}\n{pool}"
        for name, port in self.others.items():
            other = f"script = {self.other_app}\nlisten = 127.0.0.1:{port}\nworkers = {WORKERS}\n"
            more = f"[app:{name}]\n{other}{self.preload()}\n{more}"
        house.configure(workers=workers, listen=where, pool=pool, more=more, master=master)

    @property
    def other_app(self) -> Path:
        return self.house.directory / "other.py"

    def preload(self) -> str:
        """What a pool's section says of that this time."""
        return "" if self.plain else self.rng.choice((WINDOW, "preload = yes\n", ""))

    def write_app(self) -> None:
        self.word += 1
        self.other_app.write_text(HELLO.replace("GREETING", f"other{self.word}"))
        text = APP.replace("WARMUP", "pass  # warmup").replace("CANARY", "pass  # canary")
        self.house.write_app(text.replace("GREETING", f"word{self.word}"))

    def release(self) -> None:
        """Makes the next release the current one."""
        folder = self.house.directory / f"release{self.word + 1}"
        folder.mkdir()
        link, fresh = self.house.directory / "current", self.house.directory / "current.new"
        self.house.app = folder / "hello.py"
        self.write_app()
        fresh.symlink_to(folder.name)
        os.replace(fresh, link)
        self.house.app = link / "hello.py"


class Reader:
    """Reads what the server says on its standard output and error, unless it is told to pause."""

    def __init__(self) -> None:
        self.fd, self.writer = os.pipe()
        self._going = threading.Event()
        self._going.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.said = 0
        """Bytes."""

    def pause(self) -> None:
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    def close(self) -> None:
        """When the last writer has gone."""
        os.close(self.writer)
        self.go_on()
        self._thread.join(PATIENCE)
        os.close(self.fd)

    def _read(self) -> None:
        while True:
            self._going.wait()
            piece = os.read(self.fd, 65536)
            if not piece:
                return
            self.said += len(piece)
