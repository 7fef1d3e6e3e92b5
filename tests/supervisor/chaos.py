"""Chaos: everything an operator and bad luck can do to a server, at random, while clients ask.

    python -m tests.supervisor.chaos --seconds 300 --seed 7

Clients ask over TCP and a unix socket, with one connection a request and with many on one. Rounds of one
or two things at once happen to the server, chosen by a seeded generator. What is gentle (reloads good and
bad, upgrades, scaling, reopened logs) may lose no request; what is violent (KILL, SEGV, STOP of a worker)
may cost each client what it had in hand. The books must balance, and at the end there are exactly the
configured processes, no zombie, and no descriptor more in the master. Exit 0: all of that was so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.house import House, Load, wait_until

KEEP_ALIVE = 3
ONE_SHOT = 3
CLIENTS = KEEP_ALIVE + ONE_SHOT
"""For each of the two addresses."""
WORKERS = 2


class Loss(AssertionError):
    """A promise was broken."""


class Chaos:
    """One run."""

    def __init__(self, house: House, port: int, rng: random.Random) -> None:
        self.house = house
        self.port = port
        self.rng = rng
        self.word = 0
        self.counts: Counter[str] = Counter()
        self.alone = True
        """Whether nothing else happens at the same time, so that an outcome can be relied on."""

    # ---- Gentle things --------------------------------------------------------------------------

    def reload(self) -> None:
        self.word += 1
        self.house.greeting(f"word{self.word}")
        self._ctl("reload")

    def reload_broken_application(self) -> None:
        good = self.house.app.read_text()
        broken = ("broken(\n", "import not_there_at_all\n", "raise SystemExit(3)\n")
        self.house.write_app(self.rng.choice(broken))
        self._ctl("reload", fails=True)
        self.house.write_app(good)

    def reload_broken_file(self) -> None:
        self.configure(more="[app:hello:env\nworkrs = 2\n")
        self._ctl("reload", fails=True)
        self.configure()

    def reload_other_workers(self) -> None:
        self.configure(workers=self.rng.randint(1, 4))
        self._ctl("reload")
        self.configure()

    def reload_other_listeners(self) -> None:
        more = f", unix:{self.house.directory}/second"
        self.configure(listen=more)
        self._ctl("reload")
        self.configure()
        self._ctl("reload")

    def reload_frugally(self) -> None:
        self.configure(pool="reload = frugal")
        self._ctl("reload")
        self.configure()

    def hup_storm(self) -> None:
        for _ in range(100):
            os.kill(self.house.pid, signal.SIGHUP)

    def upgrade(self) -> None:
        self._ctl("upgrade")

    def scale(self) -> None:
        self._ctl("scale", "hello", str(self.rng.randint(1, 4)))

    def reopen(self) -> None:
        self.house.log_file.rename(self.house.directory / "error.log.old")
        os.kill(self.house.pid, signal.SIGUSR1)
        wait_until(self.house.log_file.exists, "the log is there again")

    # ---- Violent things -------------------------------------------------------------------------

    def kill(self) -> None:
        self._hit(signal.SIGKILL)

    def segv(self) -> None:
        self._hit(signal.SIGSEGV)

    def stop(self) -> None:
        self._hit(signal.SIGSTOP)

    def _hit(self, number: int) -> None:
        workers = self.house.workers()
        if not workers:
            return
        victim = self.rng.choice(workers)
        try:
            os.kill(victim, number)
        except ProcessLookupError:
            return
        wait_until(lambda: victim not in self.house.processes(), f"{victim} has gone")

    # ---- Rounds ---------------------------------------------------------------------------------

    def configure(self, workers: int = WORKERS, listen: str = "", pool: str = "", more: str = "") -> None:
        where = f"127.0.0.1:{self.port}, unix:{self.house.unix}{listen}"
        self.house.configure(workers=workers, listen=where, pool=f"drain_timeout = 10s\n{pool}", more=more)

    def round(self, loads: list[Load]) -> None:
        """One or two things at once; then the server settles, and the losses are looked at."""
        chosen = [self.rng.choice(DEEDS)]
        if self.rng.random() < 0.3:
            second = self.rng.choice([d for d in DEEDS if d.violent or chosen[0].violent])
            if second.violent != chosen[0].violent or second.violent:
                chosen.append(second)
        self.alone = len(chosen) == 1
        before = sum(len(load.lost) for load in loads)
        names = " + ".join(deed.name for deed in chosen)
        self._run(chosen)
        self.settle()
        for load in loads:
            load.more(CLIENTS)
        lost = sum(len(load.lost) for load in loads) - before
        allowed = 2 * CLIENTS * sum(deed.violent for deed in chosen)
        self.counts.update(deed.name for deed in chosen)
        if lost > allowed:
            examples = [loss for load in loads for loss in load.lost][-lost:][:5]
            raise Loss(f"{names}: {lost} requests lost, {allowed} allowed: {examples}")

    def _run(self, chosen: list[Deed]) -> None:
        errors: list[BaseException] = []

        def do(deed: Deed) -> None:
            try:
                deed.do(self)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=do, args=(deed,)) for deed in chosen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def settle(self) -> None:
        """Waits until nothing is under way."""

        def quiet() -> bool:
            status = self.house.status()
            return status["state"] == "running" and all(w["state"] == "serving" for w in status["workers"])

        wait_until(quiet, "all workers serve", 90)

    def _ctl(self, *words: str, fails: bool = False) -> None:
        expect = (1 if fails else 0) if self.alone else None
        self.house.ctl(*words, expect=expect)


class Deed(NamedTuple):
    """Something that may happen."""

    name: str
    do: Callable[[Chaos], None]
    violent: bool = False


DEEDS = (
    Deed("reload", Chaos.reload),
    Deed("reload of a broken application", Chaos.reload_broken_application),
    Deed("reload of a broken file", Chaos.reload_broken_file),
    Deed("reload with other workers", Chaos.reload_other_workers),
    Deed("reload with other listeners", Chaos.reload_other_listeners),
    Deed("frugal reload", Chaos.reload_frugally),
    Deed("100 HUPs", Chaos.hup_storm),
    Deed("upgrade", Chaos.upgrade),
    Deed("scale", Chaos.scale),
    Deed("USR1", Chaos.reopen),
    Deed("KILL", Chaos.kill, violent=True),
    Deed("SEGV", Chaos.segv, violent=True),
    Deed("STOP", Chaos.stop, violent=True),
)


def descriptors(pid: int) -> int:
    """How many the process has open; 0 where the system does not tell."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def run(house: House, seconds: float, rng: random.Random) -> Chaos:
    """The whole run; raises on the first broken promise."""
    house.configure(workers=WORKERS, listen=f"127.0.0.1:0, unix:{house.unix}")
    house.start()
    port = house.port()
    house.ctl("stop")
    chaos = Chaos(house, port, rng)
    chaos.configure()
    house.start()
    house.ctl("upgrade")
    pid, open_before = house.pid, descriptors(house.pid)
    tcp, unix = (Load(house, where, KEEP_ALIVE, ONE_SHOT) for where in (port, None))
    until = time.monotonic() + seconds
    rounds = 0
    with tcp, unix:
        while time.monotonic() < until:
            chaos.round([tcp, unix])
            rounds += 1
        house.ctl("reload")
        chaos.settle()
    requests = house.status()["totals"]["requests"]
    answered = tcp.answered + unix.answered
    for load in (tcp, unix):
        assert load.sent == load.answered + load.raced + len(load.lost), "the books balance"
    assert requests >= answered, f"{answered} answered, but the server counted {requests}"
    assert house.pid == pid, "one and the same master"
    processes = house.processes()
    assert len(processes) == WORKERS + 1, processes
    wait_until(lambda: descriptors(pid) <= open_before, "no descriptor has leaked", 10)
    house.ctl("stop")
    house.assert_nothing_is_left()
    sent, lost, raced = tcp.sent + unix.sent, len(tcp.lost) + len(unix.lost), tcp.raced + unix.raced
    print(f"{rounds} rounds; {sent} requests: {answered} answered, {lost} lost to violence,")
    print(f"{raced} raced a close")
    print(", ".join(f"{name}: {count}" for name, count in sorted(chaos.counts.items())))
    return chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", default="")
    given = parser.parse_args()
    seed = int(given.seed) if given.seed else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        house = House(Path(directory))
        try:
            run(house, given.seconds, random.Random(seed))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(f"chaos, seed {seed}: {error}\n{house.log()[-6000:]}", file=sys.stderr)
            return 1
        finally:
            house.clean()
    return 0


if __name__ == "__main__":
    sys.exit(main())
