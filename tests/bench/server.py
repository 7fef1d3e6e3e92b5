"""One running server: started on a free loopback port, probed, and ended by its own process ids."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import proc
from .peers import Place, Recipe
from .workloads import Ask

START_SECONDS = 15.0
STOP_SECONDS = 10.0
TRY_AGAIN_SECONDS = 0.005
ANSWER_SECONDS = 2.0  # a server that has nothing else to do and takes longer does not answer
LARGE_ANSWER_SECONDS = 10.0  # the same for 100 MB, or with 20 MB to be read first
SMALL = 100_000  # bytes
PIPELINED = b"Hello world!"
BATCH = ("chrt", "-b", "0")
CLOSED_ASKS = 10


class ServerError(Exception):
    """The server did not start, or did not answer as it should."""


class Facts(NamedTuple):
    """What one look at the server shows, so that nobody has to know it beforehand."""

    keeps_alive: bool  # a second request on the same connection is answered
    shares: bool  # another connection is answered while the first one is kept open
    closes: bool | None = None  # close() of what the application returned is called (PEP 3333)


class Server(NamedTuple):
    recipe: Recipe
    process: subprocess.Popen[bytes]
    port: int
    seconds: float = 0.0  # from its start to its first right answer

    def pids(self) -> list[int]:
        return proc.tree(self.process.pid)


@contextlib.contextmanager
def running(
    recipe: Recipe,
    place: Place,
    core: str,
    app: str = "hello:application",
    ask: Ask | None = None,
    batch: bool = False,
) -> Iterator[Server]:
    """A server that has given its first right answer, on the core it is bound to.

    batch: by SCHED_BATCH, so that it does not take the core from a client that is waking it.
    """
    place.scratch.mkdir(parents=True, exist_ok=True)
    log = place.scratch / "server.log"
    port = _free_port()
    command = [*(BATCH if batch else ()), "taskset", "-c", core, *recipe.command(place, port, app)]
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=place.scratch,
            env=_environment(place, recipe),
            start_new_session=True,
        )
    server = Server(recipe, process, port)
    try:
        _wait_for_answer(server, ask or Ask(), log)
        yield server._replace(seconds=time.monotonic() - began)
    finally:
        _stop(server)


def wait_for_answer(server: Server) -> None:
    """To the page that every application has. Raises ServerError when there is none in START_SECONDS."""
    _wait_for_answer(server, Ask(), Path(os.devnull))


def probe(server: Server, asks: Sequence[Ask] = (Ask(),)) -> Facts:
    """Ask everything that the workload asks; look whether it keeps connections alive, and whether a
    kept one shuts out the others. Raises ServerError for an answer that is not right."""
    for ask in asks:
        with contextlib.closing(_connect(server, ask)) as connection:
            try:
                _ask(connection, ask)
            except TimeoutError:
                raise ServerError(f"gave no answer to {_name(ask)}") from None
    with contextlib.closing(_connect(server, asks[0])) as first:
        again = _ask(first, asks[0])
        keeps_alive = again and _answers(first, asks[0])
        with contextlib.closing(_connect(server, asks[0])) as second:
            return Facts(keeps_alive, _answers(second, asks[0]))


def probe_pipeline(server: Server, depth: int) -> None:
    """Raises ServerError unless so many requests in one write have as many answers."""
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answers = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(request * depth)
        with contextlib.suppress(OSError):
            while answers.count(PIPELINED) < depth:
                piece = connection.recv(65536)
                if not piece:
                    break
                answers += piece
    if answers.count(PIPELINED) < depth:
        raise ServerError(f"answered {answers.count(PIPELINED)} of {depth} pipelined requests")


def calls_close(server: Server) -> bool:
    """Whether each response is closed: the application of the workload counts it, and tells at /closed."""
    with contextlib.closing(_connect(server)) as connection:
        before = _closed_so_far(connection)
        for _ in range(CLOSED_ASKS):
            _ask(connection, Ask())
        return _closed_so_far(connection) - before >= CLOSED_ASKS


def _closed_so_far(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/closed")
    return int(connection.getresponse().read())


def cookie(server: Server) -> bytes:
    """The field by which a client that has been here before names its session."""
    with contextlib.closing(_connect(server)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        given = answer.getheader("Set-Cookie")
    if not given:
        raise ServerError("began no session")
    return b"Cookie: " + given.split(";")[0].encode() + b"\r\n"


def _wait_for_answer(server: Server, ask: Ask, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with contextlib.closing(_connect(server, ask)) as connection:
                _ask(connection, ask)
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


def _connect(server: Server, ask: Ask | None = None) -> http.client.HTTPConnection:
    large = ask and max(ask.length, ask.filled) > SMALL
    seconds = LARGE_ANSWER_SECONDS if large else ANSWER_SECONDS
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=seconds)


def _ask(connection: http.client.HTTPConnection, ask: Ask) -> bool:
    """One request, its answer checked. Returns whether the server means to keep the connection."""
    body = b"x" * ask.filled if ask.filled else ask.body
    if body is None:
        connection.request("GET", ask.target)
    elif ask.chunked:
        connection.request("POST", ask.target, iter([body]), encode_chunked=True, headers=_CHUNKED)
    else:
        connection.request("POST", ask.target, body)
    answer = connection.getresponse()
    got = answer.read()
    right = got == (b"x" * ask.length if ask.answer is None else ask.answer)
    if answer.status != 200 or not right:
        raise ServerError(f"answered {_name(ask)} with {answer.status}, {len(got)} bytes, {got[:60]!r}")
    return not answer.will_close


_CHUNKED = {"Transfer-Encoding": "chunked"}


def _name(ask: Ask) -> str:
    size = ask.filled or len(ask.body or b"")
    return f"a {'chunked ' if ask.chunked else ''}POST of {size} bytes" if size else f"GET {ask.target}"


def _answers(connection: http.client.HTTPConnection, ask: Ask) -> bool:
    try:
        _ask(connection, ask)
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


def _environment(place: Place, recipe: Recipe) -> dict[str, str]:
    """Nothing of the caller's Python settings, and a HOME that a server may write to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ours = {"HOME": str(place.scratch), "BENCH_FILES": str(place.public)}
    return {**kept, **ours, **dict(recipe.environment)}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
