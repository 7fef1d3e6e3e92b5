"""The master's workers: forked, heard, signalled, reaped, counted. Decides nothing.

Owns the scoreboard and the register of processes by the decision core's numbers. What it sees it
tells through ``post``.
"""

from __future__ import annotations

import os
import time
from math import inf

from fapws import messages
from fapws.lean import TYPE_CHECKING, Callable, signal
from fapws.settings.model import Config
from fapws.visible import visible_line
from fapws.worker.loader import bring_in

from ..core import actions, events, texts
from ..logs.all_logs import Logs
from ..logs.error_log import Log
from ..waiting import Waiter
from . import scoreboard, worker_process
from .last_requests import LastRequest
from .saved_worker import SavedWorker
from .scoreboard import Score, Scoreboard, WorkerView
from .tallies import BUSY, CLASSES, DURATION, NOTHING, Words, add
from .worker_process import Inheritance, Process, memory_of, now_ms

if TYPE_CHECKING:
    from .births import Births

Post = Callable[[events.Event], None]
Say = Callable[[str], None]

_REASON_MAX = 16384
"""Characters; a message that does not fit into the socket at once would be cut in two."""
_PATH_MAX = 1024
"""Characters of a changed file's name that are logged."""
_PAUSE = 0.002
_WAIT = os.WNOHANG | os.WUNTRACED | os.WCONTINUED


class Workers:
    """Every process of a worker that has not been reaped."""

    def __init__(self, waiter: Waiter, post: Post, say: Say, board: dict[str, int] | None = None) -> None:
        """``post``: tells the core; ``say``: writes a line to the log. Raises OSError.

        ``board``: the scoreboard of an earlier master.
        """
        self._post = post
        self.say = say
        self.waiter = waiter
        self.board = Scoreboard(board)
        self.on_other: Callable[[int, int], None] = lambda _pid, _code: None
        """Is told of children that are no workers: PID, and how it ended."""
        self.gone: dict[str, Score] = {}
        """By pool: what workers that are no more have counted."""
        self.on_stacks: Callable[[int, Process, str], None] = lambda _number, _process, _text: None
        """Is told the stacks that a worker sends: number, process, text of several lines."""
        self.on_profiled: Callable[[int, str], None] = lambda _number, _text: None
        """Is told what a worker has found of itself."""
        self.on_exit: Callable[[int, str, int], None] = lambda _number, _pool, _code: None
        """Is told of a worker's end before the core is: number, pool, and how it ended."""
        self.doubts: dict[str, str] = {}
        """By pool: lines on what its operator should know, though its workers serve."""
        self.gone_tallies: dict[str, Words] = {}
        """By pool, the same of what is counted for metrics."""
        self.gone_busy: dict[str, int] = {}
        """By ``pool/slot``: ms in which workers that are no more had work."""
        self._gone_reasons: dict[str, tuple[int, ...]] = {}
        """By pool: how many requests they have refused, with code -n at place n."""
        self._processes: dict[int, Process] = {}
        self._births: Births | None = None
        """What there is about zygotes; None: there was none so far."""
        self._known: set[str] = set()
        """Pools of which something is, or was, in this process's memory."""

    def close(self) -> None:
        """Gives the scoreboard up."""
        self.board.close()

    # ---- What is done ---------------------------------------------------------------------------

    def know(self, config: Config) -> None:
        """What the master has read is in its memory from now on. Raises ImportError."""
        self._known.update(pool.name for pool in config.pools)
        bring_in(config.pools)

    def start(
        self,
        action: actions.Start,
        listeners: tuple[int, ...],
        given: Inheritance,
        isolate: bool,
        counts: bool = False,
    ) -> str:
        """Forks a worker; the reason if that fails, else empty.

        isolate: it gets a Python of its own if this process knows other pools than the worker's.
        counts: it counts for metrics.
        """
        if action.zygote:
            return self.births().order(action, listeners, given, counts)
        row, name = None, action.pool.name
        try:
            row = self.board.take(name)
            self.board.remember(row)
            if counts:
                self.board.count(row)
            apart = isolate and not self._known <= {name}
            board = self.board.fd_of(name) if apart else -1
            keep_only = self.board.keep_only
            process = worker_process.fork(action, listeners, row, given, keep_only, board)
        except OSError as error:
            if row:
                self.board.give_back(row)
            return f"cannot fork: {error.strerror}"
        self.register(action.worker, process)
        return ""

    def start_zygote(
        self, action: actions.StartZygote, listeners: tuple[int, ...], given: Inheritance, isolate: bool
    ) -> str:
        """Forks a process that will fork workers; the reason if that fails, else empty."""
        apart = isolate and not self._known <= {action.pool.name}
        return self.births().start(action, listeners, given, apart)

    def births(self) -> Births:
        """What there is about zygotes, which most masters never need."""
        if self._births is None:
            from .births import Births

            self._births = Births(self, self._post)
        return self._births

    def register(self, number: int, process: Process) -> None:
        """A new process: hears it from now on."""
        self._processes[number] = process
        self.waiter.watch(process.channel)
        if process.output:
            self.waiter.watch(process.output.fd)

    @property
    def due(self) -> float:
        """When bury_overdue() has something to do, in monotonic seconds."""
        return self._births.due if self._births else inf

    def bury_overdue(self, now: float) -> None:
        """Workers whose end nobody has told, but can be seen."""
        if self._births:
            self._births.bury_overdue(now)

    def adopt(self, workers: tuple[SavedWorker, ...], log: Log) -> None:
        """After an upgrade: the processes of the old master."""
        self._known.update(self.gone, (worker.pool for worker in workers))
        for worker in workers:
            row = self.board.row(worker.pool, worker.row)
            output = worker_process.read_output(worker.output, log, worker.role)
            for fd in (worker.channel, worker.output):
                if fd >= 0:
                    self.waiter.watch(fd)
            if worker.is_zygote or worker.pidfd >= 0 or worker.zygote:
                self._processes[worker.number] = self.births().adopt(worker, row, output)
            else:
                self._processes[worker.number] = Process(*worker.made_of(row, output))
            self._processes[worker.number].adopted = True
            if worker.remembers:
                self.board.remember(row, anew=False)
            if worker.counts:
                self.board.count(row, anew=False)
        self.board.free_all_but({(worker.pool, worker.row) for worker in workers})

    def save(self, slots: dict[int, int]) -> tuple[SavedWorker, ...]:
        """What adopt() needs; ``slots``: by number."""
        return tuple(
            SavedWorker(
                number=number,
                pool=process.pool,
                slot=slots.get(number, 0),
                pid=process.pid,
                channel=process.channel,
                row=process.row.number,
                output=process.output.fd if process.output else -1,
                access_log=process.access_log,
                autoreload=process.autoreload,
                counts=process.row.tally is not None,
                remembers=process.row.last is not None,
                **(self._births.saved(process) if self._births else {}),
            )
            for number, process in self._processes.items()
        )

    def write_partial_lines(self) -> None:
        """Before an upgrade: the successor gets the pipes, but not what was read of a line already."""
        for process in self._processes.values():
            if process.output:
                process.output.write_partial_line()

    def hear_to_the_end(self, seconds: float) -> None:
        """Before an upgrade: the successor would not understand the rest of a message. One that takes
        longer than that is given up with its worker."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            halves = [(n, process) for n, process in self._processes.items() if process.is_heard_in_part]
            if not halves:
                return
            time.sleep(_PAUSE)
            for number, process in halves:
                self._hear(number, process)

    def ask_stacks(self, number: int, for_log: bool) -> None:
        """Has a worker send them. ``for_log``: they are written there, also if somebody else asks."""
        process = self._processes.get(number)
        if process:
            process.logs_stacks = process.logs_stacks or for_log
            process.signal(signal.SIGUSR2)

    def number_of(self, pid: int) -> int:
        """The worker with this PID; 0: there is none."""
        return next((n for n, process in self._processes.items() if process.pid == pid), 0)

    def send(self, number: int, message: messages.Message) -> bool:
        """Whether it could be told."""
        process = self._processes.get(number)
        return process is not None and process.send(message)

    def renew(self, number: int) -> None:
        """Has a worker end its connections. One of an earlier master may not know the message, which would be
        its end."""
        process = self._processes.get(number)
        if process and not process.adopted:
            process.send(messages.Renew())

    def tell_pool(self, pool: str, message: messages.Message) -> None:
        """Every process of a pool."""
        for process in self._processes.values():
            if process.pool == pool and process.serves:
                process.send(message)

    def tell_broken(self, reason: str, pools: set[str]) -> None:
        """A reload has failed: workers of these pools watch the files named in ``reason`` as well."""
        for process in self._processes.values():
            if process.pool in pools and process.serves:
                process.send(messages.Broken(reason[-_REASON_MAX:]))

    def signal(self, number: int, signum: int) -> None:
        """Sends a signal to a worker that has not been reaped, or not been forked so far."""
        process = self._processes.get(number)
        if process:
            process.signal(signum)
        elif self._births:
            self._births.forget(number)

    def renew_logs(self, logs: Logs) -> None:
        """The logs were opened anew: gives every worker its access log."""
        for process in self._processes.values():
            if process.serves:
                process.renew_logs(logs)

    # ---- What is seen ---------------------------------------------------------------------------

    def on_ready(self, fd: int) -> bool:
        """Hears the worker whose channel or output this is; False: it is no worker's."""
        for number, process in list(self._processes.items()):
            if process.channel == fd:
                self._hear(number, process)
                return True
            if process.output and process.output.fd == fd:
                process.output.drain()
                if process.output.fd < 0:
                    self.waiter.forget(fd)
                return True
        return self._births is not None and self._births.on_ready(fd)

    def reap(self) -> None:
        """Every child that has ended or was stopped. As PID 1 of a container there are strangers too."""
        while True:
            try:
                pid, status = os.waitpid(-1, _WAIT)
            except ChildProcessError:
                return
            if pid == 0:
                return
            mine = [(n, process) for n, process in self._processes.items() if process.was(pid)]
            for number, process in mine:
                self._changed(number, process, status)
            if not mine and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
                self.on_other(pid, os.waitstatus_to_exitcode(status))

    def look(self, waiting: set[int]) -> events.Seen:
        """What the scoreboard says of each worker; ``waiting``: those at whose listeners a client waits."""
        if self._births:
            self._births.look()
        now = now_ms()
        processes = self._processes.items()
        return events.Seen(
            tuple(self._vital(number, p, now, number in waiting) for number, p in processes if p.serves)
        )

    def pid(self, number: int) -> int:
        """Its PID, 0 if there is no process."""
        process = self._processes.get(number)
        return process.pid if process else 0

    def score(self, number: int) -> Score:
        """Its row."""
        process = self._processes.get(number)
        return process.row.read(now_ms()) if process else Score()

    def last_requests(self, number: int) -> tuple[LastRequest, ...]:
        """What it has answered last; the latest at the end."""
        process = self._processes.get(number)
        return process.row.last.read() if process and process.row.last else ()

    def answered(self, number: int) -> int:
        """How many requests it has answered; 0 where it keeps no last requests."""
        process = self._processes.get(number)
        return process.row.last.count() if process and process.row.last else 0

    def printed(self, number: int) -> str:
        """The end of what it has printed; empty where it writes to standard error itself."""
        process = self._processes.get(number)
        return process.output.recent() if process and process.output else ""

    def refusals(self) -> dict[str, tuple[int, int]]:
        """By pool: requests that the core itself has refused, and complete responses, ever."""
        counts: dict[str, tuple[int, int]] = {
            pool: (score.refused, score.responses) for pool, score in self.gone.items()
        }
        now = now_ms()
        for process in self._processes.values():
            refused, responses = counts.get(process.pool, (0, 0))
            score = process.row.read(now)
            counts[process.pool] = (refused + score.refused, responses + score.responses)
        return counts

    def reasons(self) -> dict[str, tuple[int, ...]]:
        """By pool: those refusals with code -n at place n."""
        found = dict(self._gone_reasons)
        for process in self._processes.values():
            if process.row.last:
                found[process.pool] = _sums(found.get(process.pool, ()), process.row.last.refused())
        return found

    def views(self) -> dict[int, WorkerView]:
        """All workers, for the status."""
        now = now_ms()
        return {n: self._view(process, now) for n, process in self._processes.items()}

    @staticmethod
    def _view(process: Process, now: int) -> WorkerView:
        tally = process.row.tally
        return WorkerView(process.pid, process.row.read(now), now, tally.read() if tally else None)

    # ---- Details --------------------------------------------------------------------------------

    @staticmethod
    def _vital(number: int, process: Process, now: int, waits: bool) -> events.Vital:
        score = process.row.read(now)
        words = process.row.tally.read() if process.row.tally else None
        return events.Vital(
            worker=number,
            beat=score.beat,
            silent=max(0, now - score.beat) / 1000 if score.beat else 0.0,
            busy=score.busy_since > 0,
            requests=score.requests,
            connections=score.connections,
            in_flight=score.in_flight,
            rss=process.own_memory() or memory_of(process.pid) or score.rss,
            taken=score.accepted + score.gave_way + score.accept_pauses,
            waits=waits and not score.shut,
            responses=sum(words[CLASSES:DURATION]) if words else -1,
            errors=words[CLASSES + 5] if words else 0,
        )

    def _hear(self, number: int, process: Process, helpings: int = 1) -> None:
        """Reads a helping of what a worker says; the others have their turn before the next."""
        if self._births and not process.serves:
            self._births.hear(number, helpings)
            return
        channel = process.channel
        try:
            received = process.receive(helpings)
        except ValueError as error:
            self.say(f"worker {process.pool} (pid {process.pid}) talks nonsense ({error}), killed")
            process.signal(signal.SIGKILL)
            process.close()
            received = []
        if process.channel < 0 <= channel:
            self.waiter.forget(channel)
        for message in received:
            self._on_message(number, message)
        if self._births and process.channel < 0:
            self._births.on_silent(number)

    def _on_message(self, number: int, message: messages.Message) -> None:
        if isinstance(message, messages.Ready):
            self.hear_doubts(self._processes[number].pool, message)
            self._post(events.WorkerReady(number))
        elif isinstance(message, messages.Failed):
            self._post(events.WorkerFailed(number, message.reason))
        elif isinstance(message, messages.Changed):
            pool = self._processes[number].pool
            path = visible_line(message.path[:_PATH_MAX])
            self.say(f"pool {pool} says that {path} has changed: reloading it")
            self._post(events.ReloadAsked(pool=pool))
        elif isinstance(message, messages.Stacks):
            self.on_stacks(number, self._processes[number], message.text)
        elif isinstance(message, messages.Profiled):
            self.on_profiled(number, message.text)

    def hear_doubts(self, pool: str, ready: messages.Ready) -> None:
        """Keeps what is told with READY for whoever tells the operator that the pool serves."""
        if ready.told:
            self.doubts[pool] = ready.told[:_REASON_MAX]

    def _changed(self, number: int, process: Process, status: int) -> None:
        if not process.serves:
            self.births().changed(number, status)
        elif os.WIFSTOPPED(status):
            self._post(events.WorkerPaused(number, texts.signal_name(os.WSTOPSIG(status))))
        elif os.WIFCONTINUED(status):
            self._post(events.WorkerContinued(number))
        else:
            self.bury(number, process, os.waitstatus_to_exitcode(status))

    def _keep_tally(self, process: Process) -> None:
        if process.row.tally:
            words = process.row.tally.read()
            past = self.gone_tallies.get(process.pool, NOTHING)
            self.gone_tallies[process.pool] = add(past, words)
            slot = f"{process.pool}/{process.slot}"
            self.gone_busy[slot] = self.gone_busy.get(slot, 0) + words[BUSY]

    def bury(self, number: int, process: Process, code: int) -> None:
        """It has ended: hears its last words, and tells."""
        self._hear(number, process, worker_process.LAST_HELPINGS)  # reads its channel to the end first
        for message in process.last_words():
            self._on_message(number, message)
        self.take_last_words(process)
        score = process.row.read(now_ms())
        self.on_exit(number, process.pool, code)
        self._keep_tally(process)
        if score.refused and process.row.last:
            known = self._gone_reasons.get(process.pool, ())
            self._gone_reasons[process.pool] = _sums(known, process.row.last.refused())
        self._post(events.WorkerExited(number, code, score.requests))
        self.forget(number)
        past = self.gone.get(process.pool, Score())
        self.gone[process.pool] = scoreboard.add(past, score)

    def take_last_words(self, process: Process) -> None:
        """What it has printed last."""
        if process.output and process.output.fd >= 0:
            self.waiter.forget(process.output.fd)
            process.output.take_last_words()

    def forget(self, number: int) -> None:
        """Closes what is left of a process, and gives its row back."""
        process = self._processes.pop(number)
        if process.channel >= 0:
            self.waiter.forget(process.channel)
            process.close()
        self.board.give_back(process.row)

    def process(self, number: int) -> Process | None:
        """The process with this number."""
        return self._processes.get(number)

    def processes(self) -> list[tuple[int, Process]]:
        """All, by number."""
        return list(self._processes.items())


def _sums(some: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(some, more)) if some else more
