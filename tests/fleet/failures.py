"""What happens to the second of three instances, and what the clients of a balancer notice of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from support.house import House

from fleet.balancers import BALANCERS
from fleet.clients import ANSWERED, RACED, Clients
from fleet.instances import Fleet, Place
from fleet.rooms import Room, Watch, fill, rooms, small_disk

LATE = 0.7
"""Seconds from which a response came late: others take milliseconds, of the slow instance 1 s."""

CLIENTS = {"GET": 6, "GET, one a connection": 4, "POST": 4}
PAUSE = 0.003
"""Seconds of each client after a response: the machine has to serve, balance and ask."""
UPLOADERS = {"upload by PUT": 2, "upload by POST": 2}


class Scene(NamedTuple):
    """An instance that something will happen to."""

    house: House
    room: Room
    disk: Path
    pids: list[int]
    """Master and worker; the master first, for it would start new workers."""


def _kill(scene: Scene) -> None:
    for pid in scene.pids:
        os.kill(pid, signal.SIGKILL)


def _freeze(scene: Scene) -> None:
    for pid in scene.pids:
        os.kill(pid, signal.SIGSTOP)


def _freeze_worker(scene: Scene) -> None:
    os.kill(scene.pids[1], signal.SIGSTOP)


def _slow_down(scene: Scene) -> None:
    (scene.house.directory / "slow").touch()


def _fill(scene: Scene) -> None:
    fill(scene.disk)


def _pull(scene: Scene) -> None:
    scene.room.pull()


FAILURES: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "kill": ("kill -9 of master and worker", _kill),
    "frozen": ("SIGSTOP of master and worker", _freeze),
    "worker": ("SIGSTOP of its one worker", _freeze_worker),
    "slow": ("each request takes 1 s", _slow_down),
    "disk": ("full disk for log and spool", _fill),
    "partition": ("its cable pulled", _pull),
}


class Outcome(NamedTuple):
    """What the clients noticed."""

    requests: int
    lost: Counter[str]
    why: Counter[str]
    late: int
    latest: float
    """Seconds that the latest took."""
    until: float | None
    """Seconds until nobody is sent there for two seconds; None: not while it was looked at."""
    tries: int
    """Segments that went there later."""
    sent: list[int]
    """Segments that went there, by the second."""
    served: int
    """Responses from there, after it had failed."""


def play(balancer: str, failure: str, seconds: float) -> Outcome:
    """A failure under load, and ``seconds`` of what follows."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="fapws-fleet-")))
        parent = House(directory)
        stack.callback(parent.clean)
        cables = stack.enter_context(rooms(3))
        disk = directory / "disk"
        stack.enter_context(small_disk(disk))
        # Uploads go to files; the file systems of the others are the machine's.
        fleet = Fleet(parent, Place(), pool="body_memory = 0\nbody_pool = 0\naccess_log = access.log")
        if failure == "disk":
            _move_to(fleet.instances[1], disk)
        for house, room in zip(fleet.instances, cables):
            house.prefix = room.prefix
        fleet.start()
        stack.callback(_wake_up, parent)
        (directory / balancer).mkdir()
        port = stack.enter_context(BALANCERS[balancer](fleet, directory / balancer))
        kinds = {**CLIENTS, **UPLOADERS} if failure == "disk" else CLIENTS
        clients = stack.enter_context(Clients(port, kinds, PAUSE))
        clients.more(500)
        watch = Watch(cables[1].cable, fleet.place.data)
        stack.callback(watch.close)
        house = fleet.instances[1]
        scene = Scene(house, cables[1], disk, [house.pid, *house.workers()])
        began = time.monotonic()
        FAILURES[failure][1](scene)
        threading.Event().wait(seconds)
        ended = time.monotonic()
        _wake_up(parent)
        return _outcome(clients, watch, began, ended)


def _move_to(house: House, disk: Path) -> None:
    text = house.ini.read_text().replace("access_log = access.log", f"access_log = {disk}/access.log")
    text = text.replace(f"error_log = {house.log_file}", f"error_log = {disk}/error.log")
    house.ini.write_text(text.replace("body_pool = 0", f"body_pool = 0\nspool_directory = {disk}"))


def _wake_up(parent: House) -> None:
    for pid in parent.processes():
        os.kill(pid, signal.SIGCONT)


def _outcome(clients: Clients, watch: Watch, began: float, ended: float) -> Outcome:
    after = clients.those(lambda request: request.began + request.took > began and request.began < ended)
    lost = [request for request in after if request.result != ANSWERED]
    late = [request for request in after if request.result == ANSWERED and request.took > LATE]
    served = [request for request in after if request.told.startswith("two ") and request.began > began]
    noticed = (request.began for request in [*lost, *late, *served])
    times = sorted(when for when in [*watch.times, *noticed] if began <= when < ended)
    until = _first_rest(began, [*times, ended])
    sent = Counter(int(when - began) for when in watch.times if began <= when < ended)
    return Outcome(
        requests=len(after),
        lost=Counter(request.kind for request in lost),
        why=Counter("no response" if request.result == RACED else request.told for request in lost),
        late=len(late),
        latest=max((request.took for request in after), default=0.0),
        until=None if until is None else until - began,
        tries=0 if until is None else sum(when > until for when in watch.times),
        sent=[sent[second] for second in range(int(ended - began))],
        served=len(served),
    )


def _first_rest(began: float, times: list[float]) -> float | None:
    """The first of these moments that two seconds without another follow."""
    for earlier, later in zip([began, *times], times):
        if later - earlier > 2:
            return earlier
    return None


def told(balancer: str, failure: str, outcome: Outcome) -> str:
    """A line for people."""
    lost = ", ".join(f"{count} {kind}" for kind, count in outcome.lost.items()) or "none"
    why = ", ".join(f"{count} {text}" for text, count in outcome.why.items())
    until = "never" if outcome.until is None else f"after {outcome.until:.1f} s"
    return (
        f"{balancer:8} {FAILURES[failure][0]}: {outcome.requests} requests, lost {lost}"
        f"{f' ({why})' if why else ''}, late {outcome.late} (up to {outcome.latest:.1f} s), "
        f"nobody sent there {until}, {outcome.tries} later, "
        f"served there {outcome.served}; segments by second {outcome.sent}"
    )
