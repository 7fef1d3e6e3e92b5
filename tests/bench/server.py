"""One running server: started on a free loopback port, probed, and ended by its own process ids."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import proc
from .peers import Place, Recipe

BODY = b"Hello world!"
START_SECONDS = 15.0
STOP_SECONDS = 10.0
TRY_AGAIN_SECONDS = 0.02
ANSWER_SECONDS = 1.0  # a server that has nothing else to do and takes longer does not answer


class ServerError(Exception):
    """The server did not start, or did not answer as it should."""


class Facts(NamedTuple):
    """What one look at the server shows, so that nobody has to know it beforehand."""

    keeps_alive: bool  # a second request on the same connection is answered
    shares: bool  # another connection is answered while the first one is kept open


class Server(NamedTuple):
    recipe: Recipe
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def pids(self) -> list[int]:
        return proc.tree(self.process.pid)


@contextlib.contextmanager
def running(recipe: Recipe, place: Place, core: int, function: str = "application") -> Iterator[Server]:
    """A server that has given its first right answer, on the core it is bound to."""
    place.scratch.mkdir(parents=True, exist_ok=True)
    log = place.scratch / "server.log"
    port = _free_port()
    command = ["taskset", "-c", str(core), *recipe.command(place, port, function)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=place.scratch,
            env=_environment(place.scratch),
            start_new_session=True,
        )
    server = Server(recipe, process, port)
    try:
        _wait_for_answer(server, log)
        yield server
    finally:
        _stop(server)


def probe(server: Server) -> Facts:
    """Look whether it keeps connections alive, and whether a kept one shuts out the others."""
    with contextlib.closing(_connect(server)) as first:
        again = _ask(first)
        keeps_alive = again and _answers(first)
        with contextlib.closing(_connect(server)) as second:
            return Facts(keeps_alive, _answers(second))


def _wait_for_answer(server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with contextlib.closing(_connect(server)) as connection:
                _ask(connection)
            return
        except http.client.HTTPException as error:
            raise ServerError(f"answered no HTTP: {error!r}") from error
        except OSError:
            if server.process.poll() is not None:
                said = f"ended with status {server.process.returncode} before it served"
                raise ServerError(f"{said}: {_last_line(log)}") from None
            if time.monotonic() > deadline:
                raise ServerError(f"no answer within {START_SECONDS:.0f} s: {_last_line(log)}") from None
            time.sleep(TRY_AGAIN_SECONDS)


def _connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)


def _ask(connection: http.client.HTTPConnection) -> bool:
    """One request, its answer checked. Returns whether the server means to keep the connection."""
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or body != BODY:
        raise ServerError(f"answered {answer.status} {body[:60]!r}")
    return not answer.will_close


def _answers(connection: http.client.HTTPConnection) -> bool:
    try:
        _ask(connection)
    except (OSError, http.client.HTTPException):
        return False
    return True


def _stop(server: Server) -> None:
    """Ask the master to end; end by force, pid by pid, what does not."""
    pids = server.pids()
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(STOP_SECONDS)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == server.process.pid:  # still ours, and not a new owner of the number
                os.kill(pid, signal.SIGKILL)
    server.process.wait(STOP_SECONDS)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's Python settings, and a HOME that a server may write to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "HOME": str(home)}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
