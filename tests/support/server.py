"""A real server process for a test: started from an application's source, awaited, ended, checked.

Nothing here knows how the server works: it is started as a user would start it, read line by line,
and ended by signal. ``FAPWS_COMMAND`` (words as in a shell) replaces ``python -m fapws``, so the
same tests can run under valgrind or with an installed copy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Union

SERVING = re.compile(r"fapws: serving (?P<name>\S+) on (?P<where>.+?) \(pid (?P<pid>\d+), ")
START_SECONDS = 60.0
STOP_SECONDS = 60.0
"""Longer than drain_timeout: a server that has to be killed is a failure, not a wait."""
LOG_SECONDS = 30.0
REST_SECONDS = 20.0
"""For what follows at once, where the machine lets it: the end of a pipe, init that collects an orphan."""

Address = Union[tuple[str, int], str]
"""Host and port, or the path of a unix socket."""

ROOT = Path(__file__).resolve().parents[2]


def server_command() -> list[str]:
    """The words that start the server."""
    return shlex.split(os.environ.get("FAPWS_COMMAND", "")) or [sys.executable, "-m", "fapws"]


class Server:
    """One running server. A context manager: leaving it ends the server and checks what is left."""

    def __init__(
        self,
        app: str | Path,
        *,
        unix: bool = False,
        bind: str = "127.0.0.1:0",
        options: str = "",
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        directory: Path | None = None,
        env: Mapping[str, str] | None = None,
        name: str = "app",
    ) -> None:
        """app: source text (contains a line feed), a file, or ``module:callable``.

        options: lines of the pool's section in an INI file; without them the server is told
        everything on the command line. arguments: further words of the command line.
        unix: bind a unix socket of its own instead of ``bind``.
        prefix: words before the command, such as ``sh -c 'ulimit ...'``.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="fapws-test-"))
        self._app = app
        self._unix = unix
        self._bind = bind
        self._options = options
        self._arguments = list(arguments)
        self._prefix = list(prefix)
        self._cwd = directory or self.directory
        self._env = dict(env or {})
        self._name = name
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.address: Address = ""
        self.serving_line = ""

    # ---- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._clean()

    def start(self) -> None:
        """Starts the process and waits for the line that says where it serves."""
        # The caller's settings of Python are kept: warnings as errors reach the server as well.
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **self._env}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            self.command(),
            cwd=self._cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        match = self.wait_log(SERVING, START_SECONDS)
        self.serving_line = match.string
        if self._unix:
            self.address = str(self.socket_path)
        else:
            url = re.search(r"http://\[?([^\]/ ]+)\]?:(\d+)", match["where"])
            assert url is not None, f"no address in {match.string!r}"
            self.address = (url[1], int(url[2]))

    def command(self) -> list[str]:
        """The words that start it."""
        return [*self._prefix, *server_command(), *self._words()]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ends the server by a signal to the master and asserts that nothing is left; its status."""
        process = self._process
        assert process is not None, "never started"
        if process.poll() is None:
            process.send_signal(number)
        status = self.wait()
        if number == signal.SIGINT:
            assert status == 0, f"exit status {status} after SIGINT\n{self.log}"
        return status

    def wait(self) -> int:
        """Waits until the server has ended and asserts that nothing is left; its status."""
        assert self._process is not None, "never started"
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {STOP_SECONDS} s\n{self.log}") from None
        assert self._reader is not None
        # The end of the pipe means that no process holds it: workers are gone too.
        self._reader.join(REST_SECONDS)
        assert not self._reader.is_alive(), f"a process outlives the master\n{self.log}"
        assert self._group_is_empty(), f"a child outlives the master\n{self.log}"
        return status

    def _clean(self) -> None:
        process = self._process
        if process is not None:
            # The group is ours alone: it was made for this process.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(REST_SECONDS)
            if self._reader is not None:
                self._reader.join(REST_SECONDS)
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _words(self) -> list[str]:
        where = f"unix:{self.socket_path}" if self._unix else self._bind
        app = self._app
        if isinstance(app, str) and "\n" in app:
            path = self.directory / f"{self._name}.py"
            path.write_text(app, encoding="utf-8")
            app = path
        if not self._options:
            return ["-b", where, *self._arguments, str(app)]
        key = "script" if isinstance(app, Path) else "app"
        ini = self.directory / "fapws.ini"
        lines = [f"[app:{self._name}]", f"{key} = {app}", f"listen = {where}"]
        lines += [line.strip() for line in self._options.splitlines() if line.strip()]
        ini.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ["-c", str(ini), *self._arguments]

    def _group_is_empty(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + REST_SECONDS
        pause = threading.Event()
        # A killed orphan stays in the table until init has collected it.
        while time.monotonic() < deadline:
            try:
                os.killpg(self._process.pid, 0)
            except (ProcessLookupError, PermissionError):
                return True
            pause.wait(0.02)
        return False

    # ---- what it says ----------------------------------------------------------------------------

    def _read_output(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for raw in self._process.stdout:
            with self._news:
                self._lines.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def log(self) -> str:
        """Everything printed so far, standard output and error together."""
        with self._news:
            return "\n".join(self._lines)

    def mark(self) -> int:
        """A place in the log, for ``wait_log`` and ``log_since``."""
        with self._news:
            return len(self._lines)

    def log_since(self, mark: int) -> str:
        """What was printed after a mark."""
        with self._news:
            return "\n".join(self._lines[mark:])

    def wait_log(
        self, pattern: str | re.Pattern[str], seconds: float = LOG_SECONDS, since: int = 0
    ) -> re.Match[str]:
        """The first match in a line after a mark; fails when the time or the process ends."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + seconds
        at = since
        with self._news:
            while True:
                for line in self._lines[at:]:
                    match = wanted.search(line)
                    if match is not None:
                        return match
                at = max(since, len(self._lines))
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the server ended" if self._ended else f"{seconds} s passed"
                    text = "\n".join(self._lines)
                    raise AssertionError(f"{why} without {wanted.pattern!r} in its log:\n{text}")
                self._news.wait(left)

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def socket_path(self) -> Path:
        """Where the unix socket is, if there is one."""
        return self.directory / "s"

    @property
    def pid(self) -> int:
        """The master's."""
        assert self._process is not None
        return self._process.pid

    def processes(self) -> list[int]:
        """The server and its workers: everything in its process group (needs /proc)."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(stat[2]) == self.pid:
                    found.append(int(name))
        return found

    @property
    def port(self) -> int:
        """The TCP port."""
        assert isinstance(self.address, tuple)
        return self.address[1]

    @property
    def url(self) -> str:
        """Where requests go, without a slash at the end."""
        assert isinstance(self.address, tuple)
        return f"http://{self.address[0]}:{self.address[1]}"
