"""Chaos: everything an operator and bad luck can do to a server, at random, while clients ask.

    python -m tests.supervisor.chaos --seconds 300 --seed 7 --pools 3

Clients ask three pools over TCP, and one of them over a unix socket, with one connection a request and with
many on one. In each configuration each pool has preload or not, by chance. Rounds of one
or two things at once happen to the server, chosen by a seeded generator. What is gentle (reloads good and
bad, upgrades, also into code that fails, scaling, reopened logs, a standard error that nobody reads, children
of the application, files that others replace, warmups that fail, watched reloads, drains, rollbacks, zygotes
that are killed) may lose no request; what is violent (KILL, SEGV, STOP of a worker, a canary that
dies) may cost each client what it had in hand. The books must balance, no counter of the metrics runs back,
and at the end there are exactly the configured processes, no zombie, and no descriptor more in the master.
Exit 0: all of that was so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.supervisor.chaos_parts import WORKERS, Reader, Site
from tests.supervisor.watcher import Watcher
from tests.support.house import PATIENCE, House, Load, wait_until
from tests.support.ports import unused_port
from tests.support.spoilt_code import REASON, Code

KEEP_ALIVE = 3
ONE_SHOT = 3
CLIENTS = KEEP_ALIVE + ONE_SHOT
"""For each of the two addresses."""


class Loss(AssertionError):
    """A promise was broken."""


class Chaos(Site):
    """One run."""

    def __init__(
        self,
        house: House,
        ports: tuple[int, ...],
        rng: random.Random,
        code: Code,
        reader: Reader,
        watcher: Watcher,
    ) -> None:
        super().__init__(house, ports, rng)
        self.code = code
        self.watcher = watcher
        self.reader = reader
        self.pid = 0
        """The master's, whatever becomes of the pidfile."""
        self.counts: Counter[str] = Counter()
        self.deeds: tuple[Deed, ...] = DEEDS
        """Those that a round begins with; some may stand there several times."""
        self.last = ""
        """What happened in the last round."""
        self.alone = True
        """Whether nothing else happens at the same time, so that an outcome can be relied on."""

    # ---- Gentle things --------------------------------------------------------------------------

    def reload(self) -> None:
        self.write_app()
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
            os.kill(self.pid, signal.SIGHUP)
        self._end_of_signals()

    def upgrade(self) -> None:
        self._ctl("upgrade")

    def scale(self) -> None:
        self._ctl("scale", "hello", str(self.rng.randint(1, 4)))

    def reopen(self) -> None:
        self.house.log_file.rename(self.house.directory / "error.log.old")
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(self.house.log_file.exists, "the log is there again")

    def deploy(self) -> None:
        """A release in a folder of its own, and a link that leads there."""
        self.release()
        self._ctl("reload")
        if self.alone:
            assert self.house.get(self.port).startswith(b"word%d " % self.word), "the new release answers"

    def forks(self) -> None:
        for path in self.rng.choices(("/child", "/stray", "/daemon", "/run"), k=20):
            self.ask(path)
        self.ask("/reap")

    def stuck_stderr(self) -> None:
        """The log is standard error, and whoever reads it pauses."""
        self.configure(error_log="stderr")
        self._ctl("reload")
        self.reader.pause()
        try:
            for _ in range(20):
                self.ask("/print")
            self._ctl("reload")
            self.ask("/run", may_hang=True)
            self._ctl("scale", "hello", "3")
        finally:
            self.reader.go_on()
        self.configure()
        self._ctl("reload")

    def replaced_socket(self) -> None:
        """Of the socket that the load does not use: there nobody is let down by whoever removed it."""
        harm = self.rng.choice(("removed", "dead", "file"))
        self.third.unlink()
        if harm == "dead":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(self.third))
        elif harm == "file":
            self.third.write_text("not a socket")
            self._ctl("reload", fails=True)
            self.third.unlink()
        self._ctl("reload")
        self.ask("/", self.third)

    def replaced_pidfile(self) -> None:
        pidfile = self.house.pidfile
        stranger = subprocess.Popen(["sleep", "600"])
        try:
            harm = self.rng.choice(("removed", "written over", "emptied", "replaced"))
            if harm in ("removed", "replaced"):
                pidfile.unlink()
            if harm in ("written over", "replaced"):
                pidfile.write_text(f"{stranger.pid}\n")
            elif harm == "emptied":
                pidfile.write_text("")
            assert self.house.status()["pid"] == self.pid, harm
            self._ctl("reload")
            assert self.house.pid == self.pid, harm
            assert stranger.poll() is None, "nobody has signalled a stranger"
        finally:
            stranger.kill()
            stranger.wait()

    def replaced_control(self) -> None:
        self.house.control.unlink()
        if self.rng.random() < 0.5:
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(self.house.control))
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: '"state": "running"' in self.house.ctl("-j", "status", expect=None), "there again")
        self._end_of_signals()

    def landing_twice(self) -> None:
        """New code passes the trial and fails after the exec, twice; then it is mended."""
        before = self.house.log().count(REASON)
        self.code.spoil()
        try:
            for attempt in (1, 2):
                os.kill(self.pid, signal.SIGUSR2)
                wait_until(
                    lambda goal=before + attempt: self.house.log().count(REASON) >= goal,  # type: ignore[misc]
                    "the landing has failed",
                )
                self.ask("/")
        finally:
            self.code.mend()
        landed = self.house.log().count("upgraded in place to version")
        os.kill(self.pid, signal.SIGUSR2)
        wait_until(
            lambda: self.house.log().count("upgraded in place to version") > landed, "the landing succeeds"
        )

    def failing_warmup(self) -> None:
        good = self.house.app.read_text()
        failure = self.rng.choice(("1 / 0", "raise SystemExit(3)"))
        self.house.write_app(good.replace("pass  # warmup", failure))
        self._ctl("reload", fails=True)
        self.house.write_app(good)

    def watched_reload(self) -> None:
        self.configure(pool="reload_watch = 1s")
        self.write_app()
        self._ctl("reload")
        self.configure()
        self._ctl("reload")

    def drain(self) -> None:
        """Under load it has never nothing in hand, so it does not end in time; it is taken back."""
        self._ctl("-t", "1", "drain", "hello", fails=True)
        if self.alone:
            # fapwsctl gives up after its second, whether the master has heard it by then or not.
            wait_until(lambda: self.watcher.status("/readyz/hello") == 503, "it is not ready any more")
            self.ask("/")
        self._ctl("undrain", "hello")
        if self.alone:
            assert self.watcher.status("/readyz/hello") == 200

    # ---- Violent things -------------------------------------------------------------------------

    def kill(self) -> None:
        self._hit(signal.SIGKILL)

    def segv(self) -> None:
        self._hit(signal.SIGSEGV)

    def stop(self) -> None:
        self._hit(signal.SIGSTOP)

    def dying_canary(self) -> None:
        """The first new worker dies of a request, while it is watched."""
        good = self.house.app.read_text()
        self.configure(pool="reload_watch = 20s")
        self.house.write_app(good.replace("pass  # canary", "os._exit(3)"))
        order = subprocess.Popen(
            self.house.words("reload"),
            env=self.house.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while order.poll() is None:
            self.ask("/canary", may_hang=True)
        said = order.communicate()[0]
        self.house.write_app(good)
        self.configure()
        if self.alone:
            assert order.returncode == 1, said
            assert "canary" in said and ": exited with status 3" in said, said
        self._ctl("reload")

    def rollback(self) -> None:
        """Of what there is to go back to."""
        kept = [zygote["pool"] for zygote in self.house.status()["zygotes"] if zygote["kept_for"]]
        which = [self.rng.choice(kept)] if kept and self.rng.random() < 0.5 else []
        self._ctl("rollback", *which, fails=not kept)
        self.counts["went back"] += bool(kept and self.alone)

    def end_zygote(self) -> None:
        """A process that forks workers: they serve on, and nothing is lost."""
        zygotes = [zygote["pid"] for zygote in self.house.status()["zygotes"] if zygote["pid"]]
        if not zygotes:
            return
        victim = self.rng.choice(zygotes)
        try:
            os.kill(victim, self.rng.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)))
        except ProcessLookupError:
            return
        wait_until(lambda: victim not in self.house.processes(), f"{victim} has gone")

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

    def files(self) -> None:
        """A file is replaced again and again while it and its parts are asked for."""
        page, fresh = self.files_folder / "page.txt", self.files_folder / "page.new"
        for number in range(15):
            fresh.write_text(f"{number:04}" * 20_000)
            os.replace(fresh, page)
            whole = self.ask("/files/page.txt")
            part = self.ask("/files/page.txt", field="Range: bytes=4-11\r\n")
            for said, size in ((whole, 80_000), (part, 8)):
                content = said.partition(b"\r\n\r\n")[2]
                torn = len(content) == size and content != content[:4] * (size // 4)
                if torn or (self.alone and len(content) != size):
                    raise Loss(f"a file was torn: {said[:300]!r}, {len(content)} bytes")

    def ask(self, path: str, where: Path | None = None, may_hang: bool = False, field: str = "") -> bytes:
        """A request beside the load; what is violent at the same time may cost it its answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1 if may_hang else PATIENCE)
            try:
                sock.connect(str(where or self.house.unix))
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{field}Connection: close\r\n\r\n".encode())
                said = b"".join(iter(lambda: sock.recv(65536), b""))
                good = said.startswith(b"HTTP/1.1 20")
            except OSError as error:
                said, good = repr(error).encode(), False
        if self.alone and not may_hang and not good:
            raise Loss(f"{path} was answered by {said[:200]!r}")
        return said

    def round(self, loads: list[Load]) -> None:
        """One or two things at once; then the server settles, and the losses are looked at."""
        chosen = [self.rng.choice(self.deeds)]
        if self.rng.random() < 0.3 and not chosen[0].solitary:
            others = [d for d in DEEDS if (d.violent or chosen[0].violent) and not d.solitary]
            second = self.rng.choice(others)
            if second.violent != chosen[0].violent or second.violent:
                chosen.append(second)
        self.alone = len(chosen) == 1
        before = sum(len(load.lost) for load in loads)
        names = self.last = " + ".join(deed.name for deed in chosen)
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

    def _end_of_signals(self) -> None:
        """Waits for all reloads that HUP has asked for. One may be queued until a storm would be over, which
        no status tells, and then for instance a rollback is refused. A reload by fapwsctl comes with it."""
        self.house.status()  # afterwards the master has taken the signals that were sent before
        self._ctl("reload")

    def _ctl(self, *words: str, fails: bool = False) -> None:
        expect = (1 if fails else 0) if self.alone else None
        self.house.ctl(*words, expect=expect)


class Deed(NamedTuple):
    """Something that may happen."""

    name: str
    do: Callable[[Chaos], None]
    violent: bool = False
    solitary: bool = False
    """Nothing else happens at the same time: fapwsctl could not find the server, or who writes what would
    be left to chance."""


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
    Deed("deploy", Chaos.deploy),
    Deed("forks", Chaos.forks),
    Deed("static files", Chaos.files),
    Deed("stuck stderr", Chaos.stuck_stderr),
    Deed("replaced socket", Chaos.replaced_socket),
    Deed("replaced pidfile", Chaos.replaced_pidfile, solitary=True),
    Deed("replaced control socket", Chaos.replaced_control, solitary=True),
    Deed("landing that fails twice", Chaos.landing_twice, solitary=True),
    Deed("warmup that fails", Chaos.failing_warmup),
    Deed("watched reload", Chaos.watched_reload),
    Deed("drain", Chaos.drain),
    Deed("rollback", Chaos.rollback),
    Deed("zygote that is ended", Chaos.end_zygote),
    Deed("canary that dies", Chaos.dying_canary, violent=True, solitary=True),
    Deed("KILL", Chaos.kill, violent=True),
    Deed("SEGV", Chaos.segv, violent=True),
    Deed("STOP", Chaos.stop, violent=True),
)


OFTEN = 9


def descriptors(pid: int) -> int:
    """How many the process has open; 0 where the system does not tell."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def run(house: House, seconds: float, rng: random.Random, pools: int, often: str) -> Chaos:
    """The whole run; raises on the first broken promise."""
    reader = Reader()
    ports = tuple(unused_port() for _ in range(pools + 1))
    watcher = Watcher(ports[1])
    chaos = Chaos(house, ports, rng, Code(house), reader, watcher)
    chaos.deeds += OFTEN * tuple(deed for deed in DEEDS if often and often in deed.name)
    chaos.release()
    chaos.configure()
    server = house.start_foreground(reader.writer)
    house.ctl("upgrade")
    pid = chaos.pid = house.pid
    open_before = descriptors(pid)
    loads = [Load(house, where, KEEP_ALIVE, ONE_SHOT) for where in (chaos.port, None)]
    loads += [Load(house, port, 1, 1) for port in chaos.others.values()]
    until = time.monotonic() + seconds
    rounds = 0
    with contextlib.ExitStack() as running:
        running.enter_context(watcher)
        for load in loads:
            running.enter_context(load)
        chaos.plain = False
        chaos.configure()
        while time.monotonic() < until:
            chaos.round(loads)
            rounds += 1
            if watcher.wrong:
                raise Loss(f"{watcher.wrong[:5]}; the last deeds: {chaos.last}")
        chaos.plain = True
        chaos.configure()
        for _ in range(2):  # what the first one has replaced may be kept
            house.ctl("reload")
        chaos.settle()
    assert watcher.looks > watcher.missed, f"{watcher.looks} looks, {watcher.missed} in vain"
    requests = house.status()["totals"]["requests"]
    answered = sum(load.answered for load in loads)
    for load in loads:
        assert load.sent == load.answered + load.raced + len(load.lost), "the books balance"
    assert requests >= answered, f"{answered} answered, but the server counted {requests}"
    violence = CLIENTS * 2 * sum(chaos.counts[deed.name] for deed in DEEDS if deed.violent)

    def counted() -> bool:
        watcher.look()
        return watcher.total("fapws_responses_total", 'code="2xx"') >= answered - violence

    wait_until(counted, f"the metrics have {answered} responses")  # one is counted when it has been sent
    assert not watcher.wrong, watcher.wrong
    assert house.pid == pid, "one and the same master"
    wait_until(lambda: not house.status()["zygotes"], "nothing is kept any more")
    expected = pools * WORKERS + 1
    wait_until(lambda: len(house.processes()) == expected, "the children of the application have ended")
    wait_until(lambda: descriptors(pid) <= open_before, "no descriptor has leaked")
    house.ctl("stop")
    assert server.wait(PATIENCE) == 0
    house.assert_nothing_is_left()
    reader.close()
    sent, lost = sum(load.sent for load in loads), sum(len(load.lost) for load in loads)
    print(f"{rounds} rounds over {pools} pools; {sent} requests: {answered} answered,")
    print(f"{lost} lost to violence,")
    print(f"{sum(load.raced for load in loads)} raced a close; {reader.said} bytes came by standard error")
    print(f"{watcher.looks} looks at {len(watcher.known)} counters, {watcher.missed} in vain: none ran back")
    print(", ".join(f"{name}: {count}" for name, count in sorted(chaos.counts.items())))
    return chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", default="")
    parser.add_argument("--pools", type=int, default=3)
    parser.add_argument("--often", default="", help="deeds with this in their names, ten times as often")
    given = parser.parse_args()
    seed = int(given.seed) if given.seed else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        house = House(Path(directory))
        try:
            run(house, given.seconds, random.Random(seed), given.pools, given.often)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(f"chaos, seed {seed}: {error}\n{house.log()[-6000:]}", file=sys.stderr)
            return 1
        finally:
            house.clean()
    return 0


if __name__ == "__main__":
    sys.exit(main())
