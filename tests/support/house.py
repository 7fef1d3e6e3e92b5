"""A server under an INI file for each test, driven as an operator would, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fapws.cli.status_text import add_usage

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
"""Seconds after which a wait has failed; nothing here takes that long."""
LINGER = 2.0
"""Seconds that a worker which leaves waits for clients that have not asked yet (RFC 9112 9.6)."""

HALF_THE_TIME_FOR_A_STACK = (
    "from fapws.supervisor.core import worker_states; "
    "worker_states.STACK_PART, worker_states.STACK_BEFORE = 0.5, 60.0"
)
"""For House.change(): when half of boot_timeout is over, a worker that starts is asked where it is."""
LONGER_GRACE = "from fapws.supervisor.core import worker_states; worker_states.HUNG_GRACE = 6.0"
"""Likewise: time enough for the stack of a worker that hangs, and for SIGCONT to one that was stopped."""

HELLO = """\
import os

def application(environ, start_response):
    body = b"GREETING %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


Seen = TypeVar("Seen")


class Until(Protocol):
    """The type of ``wait_until``."""

    def __call__(self, condition: Callable[[], Seen], what: str, seconds: float = PATIENCE) -> Seen:
        """See there."""


def wait_until(condition: Callable[[], Seen], what: str, seconds: float = PATIENCE) -> Seen:
    """The first true value of the condition; looks often, fails when the time is over."""
    until = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{seconds} s passed, but not: {what}")
        pause.wait(0.01)


class House:
    """One INI file, one application, and whatever runs from them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ini = directory / "fapws.ini"
        self.app = directory / "hello.py"
        self.unix = directory / "s"
        self.pidfile = directory / "fapws.pid"
        self.control = directory / "control"
        self.log_file = directory / "error.log"
        self.access = directory / "access.log"
        """Where it is if a test configures one."""
        self.tree = ROOT
        """Whose package is run."""
        self.program: list[str] = []
        """How fapwsctl is run, if not as a module of this Python."""
        self.prefix: list[str] = []
        """Words in front of every command, such as a shell that sets limits."""
        self.at: int | None = None
        """The port that a test asks; None: the unix socket."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self.greeting("hello")
        self.configure()

    # ---- What it is made of ---------------------------------------------------------------------

    def greeting(self, word: str) -> None:
        """An application that answers this word and its worker's PID."""
        self.write_app(HELLO.replace("GREETING", word))

    def write_app(self, text: str) -> None:
        """The application's file, replaced at once as an editor or a deployment would."""
        fresh = self.app.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self.app)

    def configure(
        self,
        workers: int = 1,
        listen: str = "127.0.0.1:0",
        pool: str = "",
        master: str | None = None,
        more: str = "",
    ) -> None:
        """Writes the INI file; ``master`` replaces the master's options, ``more`` follows the pool."""
        if master is None:
            master = f"pidfile = {self.pidfile}\ncontrol = {self.control}\nerror_log = {self.log_file}\n"
        fresh = self.ini.with_suffix(".new")
        fresh.write_text(
            f"[fapws]\n{master}\n[app:hello]\nscript = {self.app}\nlisten = {listen}\n"
            f"workers = {workers}\n{pool}\n{more}\n",
            encoding="utf-8",
        )
        os.replace(fresh, self.ini)  # somebody may be reading it

    def change(self, statement: str) -> None:
        """Lets commands, and so the master that a start becomes, run this first: another constant."""
        main = "import sys; from fapws.cli.fapwsctl import main; sys.exit(main())"
        self.program = [sys.executable, "-c", f"{statement}; {main}"]

    # ---- fapwsctl -------------------------------------------------------------------------------

    def words(self, *words: str) -> list[str]:
        """The command line of fapwsctl."""
        return [
            *self.prefix,
            *(self.program or [sys.executable, "-m", "fapws.cli.fapwsctl"]),
            "-c",
            str(self.ini),
            *words,
        ]

    def ctl(self, *words: str, expect: int | None = 0) -> str:
        """What a command prints, both streams; its exit code must be the expected one."""
        done = subprocess.run(
            self.words(*words),
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=4 * PATIENCE,
        )
        text = f"{' '.join(words)}: status {done.returncode}\n{done.stdout}\n{self.log()}"
        assert expect is None or done.returncode == expect, text
        return done.stdout

    def status(self) -> dict[str, Any]:
        """``fapwsctl -j status``; where the server answers, without a Python that starts to ask it."""
        try:
            answer = self.told()
        except OSError:  # stopped, dead, or its control socket is elsewhere
            answer = json.loads(self.ctl("-j", "status"))
            assert isinstance(answer, dict)
            return answer
        add_usage(answer)
        return answer

    def told(self) -> dict[str, Any]:
        """The master's own answer. Raises OSError where none listens."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.control))
            client.sendall(b'{"v": 1, "command": "status"}\n')
            said = b""
            while not said.endswith(b"\n"):
                piece = client.recv(65536)
                if not piece:
                    raise ConnectionError("it hung up")
                said += piece
        answer = json.loads(said)
        assert isinstance(answer, dict)
        return answer

    def start(self) -> str:
        """``fapwsctl start``; the line it prints."""
        line = self.ctl("start")
        assert self.processes(), "what is not seen now would not be missed later"
        return line

    def start_foreground(self, output: int) -> subprocess.Popen[bytes]:
        """``fapwsctl start -F`` that serves, and says what it says there."""
        process = subprocess.Popen(
            self.words("start", "-F"),
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._processes.append(process)

        def serves() -> bool:
            assert process.poll() is None, f"it left with status {process.poll()}"
            try:
                return bool(self.told()["state"] == "running")
            except OSError:
                return False  # its control socket is not there yet, or is bound and does not listen

        wait_until(serves, "it serves", 3 * PATIENCE)
        return process

    def foreground(self) -> subprocess.Popen[bytes]:
        """``fapwsctl start -F`` that serves."""
        process = subprocess.Popen(
            self.words("start", "-F"),
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("fapws: serving"), line + process.stdout.read().decode()
        return process

    @property
    def _mark(self) -> str:
        return f"FAPWS_TEST_HOUSE={self.directory}"

    def environment(self) -> dict[str, str]:
        """The caller's, with the tree that is tested, and a mark by which processes are found."""
        path = os.pathsep.join(filter(None, [str(self.tree), os.environ.get("PYTHONPATH", "")]))
        name, _, value = self._mark.partition("=")
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", name: value}

    # ---- What it looks like ---------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The master's."""
        return int(self.pidfile.read_text())

    def workers(self) -> list[int]:
        """PIDs of workers that serve."""
        return [w["pid"] for w in self.status()["workers"] if w["state"] == "serving"]

    def master_descriptors(self) -> list[str]:
        """What the master holds, as /proc tells it; empty where there is no /proc.

        It is asked over a connection of its own, which is in the list: once it has answered, it has also
        seen that whoever asked before has hung up.
        """
        if not os.path.isdir("/proc/self/fd"):
            return []
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.control))
            client.sendall(b'{"v": 1, "command": "ping"}\n')
            assert client.recv(4096).endswith(b"\n")
            folder, held = f"/proc/{self.pid}/fd", []
            for name in os.listdir(folder):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    held.append(os.readlink(f"{folder}/{name}"))
            return held

    def live_without(self, pid: int) -> int:
        """How many workers serve, if this one is not among them; else 0."""
        workers = self.workers()
        return 0 if pid in workers else len(workers)

    def port(self) -> int:
        """The first TCP port of the first pool."""
        url = self.status()["pools"][0]["listen"][0]
        return int(url.rsplit(":", 1)[1])

    def log(self) -> str:
        """The error log so far."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_log(self, pattern: str) -> None:
        """Waits for a line of the error log."""
        wait_until(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log")

    def processes(self) -> list[int]:
        """Everything that was started for this test and lives, whatever its title."""
        listed = subprocess.run(
            # e: the environment too. ww: else the lines are cut to the width that COLUMNS names.
            ["ps", "axeww", "-o", "pid=", "-o", "stat=", "-o", "args="],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        return [int(row[0]) for row in rows if self._mark in row[-1] and not row[1].startswith("Z")]

    def assert_nothing_is_left(self) -> None:
        """No process, no socket file, no pidfile."""
        wait_until(lambda: not self.processes(), "no process is left")
        left = [path for path in (self.pidfile, self.control, self.unix) if path.exists()]
        assert not left

    def get(self, port: int | None = None) -> bytes:
        """The content of one answer, over TCP or else the unix socket."""
        with connect(self, port) as sock:
            sock.sendall(LAST_REQUEST)
            return read_last(sock)

    def clean(self) -> None:
        """Ends by PID what a failed test has left."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            process.wait(PATIENCE)
            if process.stdout is not None:
                process.stdout.close()


LAST_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def read_last(sock: socket.socket) -> bytes:
    """The content of the answer that ends a connection."""
    answer = b"".join(iter(lambda: sock.recv(65536), b""))
    if not answer:
        raise _Empty
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    return content


def connect(house: House, port: int | None) -> socket.socket:
    """A connection to the server."""
    if port:
        return socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(str(house.unix))
    except BaseException:
        sock.close()
        raise
    return sock


class Load:
    """Clients that ask without a pause, and the books of what became of each request."""

    statuses: tuple[bytes, ...] = (b"200",)
    """Those of an answer; with another one a request counts as lost."""

    def __init__(self, house: House, port: int | None, keep_alive: int = 2, one_shot: int = 2) -> None:
        self._house = house
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.sent = 0
        """Every one of them is answered, raced or lost."""
        self.answered = 0
        self.raced = 0
        """Sent on an idle connection at the very moment of its close (RFC 9112 9.6); on a new one only if
        this process was held up for LINGER between connecting and asking."""
        self.lost: list[str] = []
        self.contents: set[bytes] = set()
        """What was answered to questions asked after the last ``forget``."""
        self._round = 0
        jobs = [self._keep_alive] * keep_alive + [self._one_shot] * one_shot
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def more(self, count: int) -> None:
        """Waits until so many requests more have been answered (or one was lost)."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.lost, f"{count} more answers")

    def forget(self) -> None:
        """Empties ``contents``; answers to questions already asked will not be in it."""
        with self._lock:
            self._round += 1
            self.contents.clear()

    def check(self) -> None:
        """Nothing was lost."""
        assert not self.lost, f"{len(self.lost)} lost of {self.answered}: {self.lost[:5]}"

    def _one_shot(self) -> None:
        while not self._stop.is_set():
            asked = self._ask()
            began = sent = time.monotonic()
            try:
                with connect(self._house, self._port) as sock:
                    try:
                        sock.sendall(LAST_REQUEST)
                    finally:
                        sent = time.monotonic()
                    content = read_last(sock)
            except (OSError, AssertionError) as error:
                self._note_failure("one-shot", error, sent - began >= LINGER)
            else:
                self._note_answer(content, asked)

    def _keep_alive(self) -> None:
        sock, used = None, 0
        while not self._stop.is_set():
            asked = self._ask()
            began = sent = time.monotonic()
            try:
                if sock is None:
                    used = 0
                    sock = connect(self._house, self._port)
                try:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                finally:
                    sent = time.monotonic()
                closes, content = self._answer(sock)
            except (OSError, AssertionError) as error:
                self._note_failure(f"keep-alive after {used}", error, used > 0 or sent - began >= LINGER)
                closes = True
            else:
                self._note_answer(content, asked)
                used += 1
            if closes and sock is not None:
                sock.close()
                sock = None
        if sock is not None:
            sock.close()

    def _answer(self, sock: socket.socket) -> tuple[bool, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                assert not data, f"cut: {data!r}"
                raise _Empty
            data += piece
        head, _, content = data.partition(b"\r\n\r\n")
        assert head[:9] == b"HTTP/1.1 " and head[9:12] in self.statuses, data
        size = re.search(rb"(?i)content-length: (\d+)", head)
        assert size is not None, head
        while len(content) < int(size[1]):
            piece = sock.recv(65536)
            assert piece, f"cut: {data!r}"
            content += piece
        return b"connection: close" in head.lower(), content

    def _ask(self) -> int:
        with self._lock:
            self.sent += 1
            return self._round

    def _note_answer(self, content: bytes, asked: int) -> None:
        with self._lock:
            self.answered += 1
            if asked == self._round:
                self.contents.add(content)

    def _note_failure(self, what: str, error: BaseException, may_race: bool) -> None:
        with self._lock:
            if may_race and isinstance(error, (ConnectionError, _Empty)):
                self.raced += 1
            else:
                self.lost.append(f"{what}: {error!r}")


class _Empty(AssertionError):
    """The connection was closed before a byte of the answer."""
