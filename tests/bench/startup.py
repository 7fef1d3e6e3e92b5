"""How long a start takes, and what it imports."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import plan, server
from .measure import FAILURES, Say, Setting, reason
from .peers import FAPWS, Recipe, fapws_ini

COMMAND_SECONDS = 30
SHOWN = 15  # modules
IMPORT_STARTS = 5


class Start(NamedTuple):
    """The starts of one server, in ms."""

    server: str
    answer_ms: list[float]  # from exec to the first right answer; seen within 5 ms
    ready_ms: list[float]  # fapws: `fapwsctl start`, which ends when all workers are READY
    failure: str | None = None


class Import(NamedTuple):
    module: str
    own_us: int
    whole_us: int  # with what it imports in turn
    depth: int


def measure(recipes: Sequence[Recipe], setting: Setting, rounds: int, say: Say) -> list[Start]:
    """In turn, as the rounds are. Every program has been run before: its .pyc files are there."""
    results = {recipe.name: Start(recipe.name, [], []) for recipe in recipes}
    most = plan.starts(True, rounds)
    for number in range(most):
        say(f"startup: {number + 1} of {most}")
        for recipe in recipes:
            result = results[recipe.name]
            if result.failure or number >= plan.starts(recipe.near, rounds):
                continue
            try:
                place = setting.place(recipe, "startup")
                with server.running(recipe, place, str(setting.server_core)) as one:
                    result.answer_ms.append(one.seconds * 1000)
                if recipe.distribution == FAPWS.distribution:
                    result.ready_ms.append(_ready(recipe, setting))
            except FAILURES as error:
                results[recipe.name] = result._replace(failure=reason(error))
    return list(results.values())


def imports(setting: Setting) -> list[Import]:
    """What `fapwsctl start` imports up to READY: `python -X importtime`, the least of several starts."""
    starts = []
    for _ in range(IMPORT_STARTS):
        timed = ["-X", "importtime"]
        with daemon(FAPWS, setting, "importtime", 1, str(setting.server_core), timed) as (_ctl, _port, said):
            starts.append(parse_importtime(said))
    return least(starts)


def least(starts: Sequence[Sequence[Import]]) -> list[Import]:
    """Each module of the first start with its shortest times: what is more, another program has taken."""
    found = []
    for one in starts[0]:
        same = [other for start in starts for other in start if other.module == one.module]
        own, whole = min(other.own_us for other in same), min(other.whole_us for other in same)
        found.append(one._replace(own_us=own, whole_us=whole))
    return found


def _ready(recipe: Recipe, setting: Setting) -> float:
    began = time.monotonic()
    with daemon(recipe, setting, "ready", 1, str(setting.server_core)):
        return (time.monotonic() - began) * 1000


def _wait_for(process: subprocess.Popen[bytes], seconds: float = COMMAND_SECONDS) -> int:
    """Its status, once it has ended: wait(timeout) looks for that in steps that become as long as 50 ms."""
    limit = threading.Timer(seconds, process.kill)
    limit.start()
    try:
        return process.wait()
    finally:
        limit.cancel()


@contextlib.contextmanager
def daemon(
    recipe: Recipe,
    setting: Setting,
    purpose: str,
    workers: int,
    cores: str,
    python: Sequence[str] = (),
    app: str = "hello:application",
    settings: tuple[str, ...] = (),
) -> Iterator[tuple[list[str], int, str]]:
    """fapws as a daemon: the beginning of a fapwsctl command for it, its port, what its start said."""
    place = setting.place(recipe, purpose)._replace(workers=workers, settings=settings)
    place.scratch.mkdir(parents=True, exist_ok=True)
    port = server._free_port()
    ini = fapws_ini(place, port, app, str(place.scratch / "error.log"))
    ctl = [str(place.bin / "python"), *python, str(place.bin / "fapwsctl"), "-c", str(ini)]
    log = place.scratch / "start.log"
    # A file, not a pipe: the daemon keeps what it was started with until it has its own log.
    with log.open("w") as out:
        status = _wait_for(subprocess.Popen(["taskset", "-c", cores, *ctl, "start"], stdout=out, stderr=out))
    if status:
        raise server.ServerError(f"fapwsctl start: {_last_line(log)}")
    plain = [word for word in ctl if word not in python]
    try:
        yield plain, port, log.read_text(errors="replace")
    finally:
        subprocess.run([*plain, "stop"], capture_output=True, check=False, timeout=COMMAND_SECONDS)


def parse_importtime(text: str) -> list[Import]:
    """The lines `import time: own | cumulative | module` in microseconds; depth by their indent."""
    found = []
    for own, whole, indent, module in re.findall(
        r"^import time:\s*(\d+) \|\s*(\d+) \|( +)(\S+)$", text, re.M
    ):
        found.append(Import(module, int(own), int(whole), len(indent) // 2))
    return found


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
