"""Zygotes as the master holds them, and the workers that they fork. Imported with the first zygote.

A zygote has run the application's code: it is believed as a worker of its pool is, no more. What it says of a
birth is checked against the system before the master sends a signal there, and so is what it says of an end.

Nobody but its zygote reaps such a worker. So a PID alone may be another process's at any time; the master
signals by a descriptor of the process (pidfd, Linux) or, where there is none, has the zygote do it, which
knows whom it has not reaped.
"""

from __future__ import annotations

import os
import select
import time
from math import inf

from fapws import descriptors, messages
from fapws.lean import Any, NamedTuple, Sequence, deque, signal
from fapws.settings.model import WORKERS_MAX

from ..core import actions, events, texts
from ..logs.worker_output import Output
from . import worker_process
from .fresh_start import write_needs
from .saved_worker import SavedWorker
from .scoreboard import Row
from .usage import private_of
from .worker_process import (
    PRELOAD,
    Inheritance,
    Process,
    connect,
    fork_child,
    read_output,
    role_of,
    specify,
)
from .workers import Post, Workers

WINDOW = 4
"""Births at a time: descriptors on their way are limited by the system, and each order brings some."""
GRACE = 1.0
"""Seconds from the end of a worker until its zygote has told how it ended."""
INT_MAX = 2**31 - 1
"""Of C, which the system's calls take."""
_ROWS = 2 * WORKERS_MAX
"""For all workers that a pool may have, twice over in a reload."""


class Order(NamedTuple):
    """A worker that is to be forked."""

    action: actions.Start
    listeners: tuple[int, ...]
    given: Inheritance
    counts: bool


class Zygote(Process):
    """A process that forks workers."""

    serves = False
    place = PRELOAD

    def __init__(self, pool: str, pid: int, channel: int, row: Row, output: Output | None) -> None:
        super().__init__(pool, pid, channel, row, output, "", False)
        self._decoder = messages.Decoder(messages.FROM_ZYGOTE)
        self._judge: _Judge = _Judge()
        self.waiting: deque[Order] = deque()
        self.in_flight: set[int] = set()
        """Numbers of the workers that were ordered of it and are not born."""

    def has_booted(self) -> None:
        """An earlier master has heard that."""
        self._judge.has_booted()


class _Judge(worker_process.Judge):
    """Births and ends are checked by Births, which knows what was ordered."""

    def __init__(self) -> None:
        super().__init__(autoreload=False)

    def has_booted(self) -> None:
        """It may not say so again."""
        self._booted = True

    def hear(self, message: messages.Message, now: float) -> None:
        """See Judge."""
        if not isinstance(message, (messages.Born, messages.Unborn, messages.Waited)):
            super().hear(message, now)


class Newborn(Process):
    """A worker that a zygote forks, or has forked."""

    zygote: Zygote | None = None
    """None: it is dead."""
    number = 0
    pidfd = -1
    """-1: the system has none, or the process was no child of the zygote any more when it was looked for."""
    ended_at = inf
    """When its end was seen."""
    is_stopped = False
    """An orphan, when it was last looked at."""
    weighs_own = False
    """Its pool has max_rss."""
    buried = False
    _wished = 0
    """A signal that has come before its birth."""

    def signal(self, number: int) -> None:
        """By the descriptor, or through the zygote; never by a PID that may be another's."""
        if not self.pid:
            if number != signal.SIGUSR2 and self._wished != signal.SIGKILL:
                self._wished = number
        elif self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass  # it has ended, and its zygote tells soon
        elif self.zygote is not None:
            self.zygote.send(messages.Strike(f"{self.number} {number}"))

    def born(self, pid: int) -> None:
        """Its zygote says so."""
        self.pid = pid
        assert self.zygote is not None
        self.pidfd = open_child(pid, self.zygote.pid)
        if self._wished:
            self.signal(self._wished)

    def was(self, pid: int) -> bool:
        """Only an orphan can be ours to reap, where the master is the first process of a container."""
        return self.zygote is None and self.pid == pid and self.has_ended is not False

    @property
    def has_ended(self) -> bool | None:
        """None: there is no way to see it."""
        return has_ended(self.pidfd) if self.pidfd >= 0 else None

    def own_memory(self) -> int:
        """See Process. That costs more than to look at what is resident."""
        return (private_of(self.pid) or 0) if self.weighs_own and self.pid else 0

    def look_whether_stopped(self) -> bool:
        """Whether that has changed since the last look. Only an orphan: of others their zygote tells."""
        if self.zygote is not None or self.has_ended is not False:
            return False
        before, self.is_stopped = self.is_stopped, state_of(self.pid) == b"T"
        return self.is_stopped != before

    def let_go(self) -> None:
        """Closes the descriptor of the process."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
        self.pidfd = -1


def open_child(pid: int, parent: int) -> int:
    """A descriptor of a process that is a child of this parent now, which nobody can have reaped; else -1.

    First the descriptor, then the look at its parent, then whether it still lives: what was seen between
    was the process that the descriptor stands for.
    """
    opened = -1
    try:
        opened = os.pidfd_open(pid)
        if parent_of(pid) == parent and not has_ended(opened):
            return opened
    except (AttributeError, OSError, ValueError):
        pass  # another system, an old kernel, a sandbox; or it has been reaped
    if opened >= 0:
        os.close(opened)
    return -1


def parent_of(pid: int) -> int:
    """Raises OSError, ValueError where /proc does not tell."""
    return int(_stat(pid)[1])


def state_of(pid: int) -> bytes:
    """A letter of proc(5); empty where it does not tell."""
    try:
        return _stat(pid)[0]
    except (OSError, IndexError):
        return b""


def _stat(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
        return stat.read(1024).rpartition(b")")[2].split()  # the name before may hold anything


def has_ended(pidfd: int) -> bool:
    """Whether its process has ended, reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


class Births:
    """Owns nothing that Workers does not: zygotes and their workers are among its processes."""

    def __init__(self, workers: Workers, post: Post) -> None:
        self._workers = workers
        self._post = post
        self._ended: dict[int, Newborn] = {}
        """By number: workers that have ended, and whose status is waited for."""

    # ---- Zygotes --------------------------------------------------------------------------------

    def start(
        self, action: actions.StartZygote, listeners: tuple[int, ...], given: Inheritance, apart: bool
    ) -> str:
        """Forks one; the reason if that fails, else empty."""
        board, pool = self._workers.board, action.pool
        row = None
        try:
            row = board.take(pool.name)
            board.reserve(pool.name, _ROWS)
            ends = connect(given)
            like = actions.Start(action.zygote, pool, 0, action.generation)
            spec = specify(like, listeners, ends, row, given)
            spec = spec._replace(is_zygote=True, access_log=-1)
            pid = fork_child(spec, ends, row, board.keep_only, board.fd_of(pool.name), apart)
        except OSError as error:
            if row:
                board.give_back(row)
            return f"cannot fork: {error.strerror}"
        output = read_output(ends.reader, given.logs.error, role_of(pool.name, PRELOAD, pid))
        zygote = Zygote(pool.name, pid, ends.channel, row, output)
        self._workers.register(action.zygote, zygote)
        return ""

    def saved(self, process: Process) -> dict[str, Any]:
        """What an upgrade in place hands over of a process, besides what it does of any."""
        if isinstance(process, Zygote):
            return {"is_zygote": True}
        if not isinstance(process, Newborn):
            return {}
        numbers = (number for number, other in self._workers.processes() if other is process.zygote)
        return {"zygote": next(numbers, 0), "pidfd": process.pidfd, "weighs_own": process.weighs_own}

    def adopt(self, worker: SavedWorker, row: Row, output: Output | None) -> Process:
        """The opposite. A zygote comes before those that it has forked."""
        if worker.is_zygote:
            zygote = Zygote(worker.pool, worker.pid, worker.channel, row, output)
            zygote.has_booted()
            return zygote
        process = Newborn(*worker.made_of(row, output))
        process.number, process.pidfd = worker.number, worker.pidfd
        process.weighs_own = worker.weighs_own
        parent = self._workers.process(worker.zygote)
        process.zygote = parent if isinstance(parent, Zygote) else None
        if process.pidfd >= 0:
            self._workers.waiter.watch(process.pidfd)
        return process

    def changed(self, number: int, status: int) -> None:
        """waitpid() has told of a zygote."""
        zygote = self._workers.process(number)
        assert isinstance(zygote, Zygote)
        if os.WIFSTOPPED(status):
            self._post(events.ZygotePaused(number, texts.signal_name(os.WSTOPSIG(status))))
        elif os.WIFCONTINUED(status):
            self._post(events.ZygoteContinued(number))
        else:
            self._bury(number, zygote, os.waitstatus_to_exitcode(status))

    def _bury(self, number: int, zygote: Zygote, code: int) -> None:
        self.hear(number, worker_process.LAST_HELPINGS)
        for message in zygote.last_words():
            self._on_message(number, zygote, message)
        self._workers.take_last_words(zygote)
        lost = [(n, p) for n, p in self._workers.processes() if getattr(p, "zygote", None) is zygote]
        waiting = [order.action.worker for order in zygote.waiting]
        zygote.waiting.clear()
        self._post(events.ZygoteExited(number, code))
        self._workers.forget(number)
        for n, process in lost:
            assert isinstance(process, Newborn)
            process.zygote = None
            if not process.pid or process.ended_at < inf or (process.pidfd < 0 and process.channel < 0):
                self._end(n, process, code if not process.pid else texts.UNKNOWN)
        for n in waiting:
            self._post(events.WorkerExited(n, code))

    # ---- Orders ---------------------------------------------------------------------------------

    def order(
        self, action: actions.Start, listeners: tuple[int, ...], given: Inheritance, counts: bool
    ) -> str:
        """Has a zygote fork a worker; the reason if that cannot be, else empty."""
        zygote = self._workers.process(action.zygote)
        if not isinstance(zygote, Zygote):
            return "the process that was to fork it is no more"
        zygote.waiting.append(Order(action, listeners, given, counts))
        self._dispatch(zygote)
        return ""

    def forget(self, number: int) -> None:
        """A worker that was to be forked is not wanted any more."""
        for _, zygote in self._workers.processes():
            if isinstance(zygote, Zygote):
                kept = [order for order in zygote.waiting if order.action.worker != number]
                if len(kept) < len(zygote.waiting):
                    zygote.waiting = deque(kept)
                    self._post(events.WorkerExited(number, 0))

    def _dispatch(self, zygote: Zygote) -> None:
        while zygote.waiting and len(zygote.in_flight) < WINDOW:
            order = zygote.waiting.popleft()
            number = order.action.worker
            reason = self._send(zygote, order)
            if reason:
                self._post(events.WorkerFailed(number, reason))
                self._post(events.WorkerExited(number, 1))

    def _send(self, zygote: Zygote, order: Order) -> str:
        action, board = order.action, self._workers.board
        pool, row, ends, needs = action.pool, None, None, -1
        try:
            row = board.take(pool.name)
            board.remember(row)
            if order.counts:
                board.count(row)
            ends = connect(order.given)
            spec = specify(action, order.listeners, ends, row, order.given)
            along = {"channel": ends.theirs, "output": ends.writer, "access": spec.access_log}
            along = {what: fd for what, fd in along.items() if fd >= 0}
            needs = write_needs(spec, row, (*along, *("listener" for _ in spec.listeners)))
            message = messages.encode(messages.Beget(str(action.worker)))
            if not descriptors.send(zygote.channel, message, [needs, *along.values(), *spec.listeners]):
                raise OSError(0, "the order cannot be sent")
        except OSError as error:
            if row:
                board.give_back(row)
            if ends:
                ends.close()
            return f"cannot fork: {error.strerror}"
        finally:
            if needs >= 0:
                os.close(needs)
        for fd in (ends.theirs, ends.writer):
            if fd >= 0:
                os.close(fd)
        self._enrol(zygote, order, ends.channel, ends.reader, row)
        return ""

    def _enrol(self, zygote: Zygote, order: Order, channel: int, reader: int, row: Row) -> None:
        action = order.action
        pool, number = action.pool, action.worker
        log = order.given.logs.error

        def write(lines: Sequence[bytes]) -> None:
            log.write_lines(lines, process.role)

        output = Output(reader, write) if reader >= 0 else None
        process = Newborn(pool.name, 0, channel, row, output, pool.access_log, pool.autoreload, action.slot)
        process.zygote, process.number = zygote, number
        process.adopted = zygote.adopted
        process.weighs_own = pool.max_rss > 0
        zygote.in_flight.add(number)
        self._workers.register(number, process)

    # ---- What zygotes say -----------------------------------------------------------------------

    def hear(self, number: int, helpings: int = 1) -> None:
        """Reads a helping of what a zygote says."""
        zygote = self._workers.process(number)
        assert isinstance(zygote, Zygote)
        channel = zygote.channel
        try:
            for message in zygote.receive(helpings):
                self._on_message(number, zygote, message)
        except ValueError as error:
            self._workers.say(f"preload {zygote.pool} (pid {zygote.pid}) talks nonsense ({error}), killed")
            zygote.signal(signal.SIGKILL)
            zygote.close()
        if zygote.channel < 0 <= channel:
            self._workers.waiter.forget(channel)

    def _on_message(self, number: int, zygote: Zygote, message: messages.Message) -> None:
        """Raises ValueError on what it has no reason to say."""
        if isinstance(message, messages.Ready):
            self._workers.hear_doubts(zygote.pool, message)
            self._post(events.ZygoteReady(number))
        elif isinstance(message, messages.Failed):
            self._post(events.ZygoteFailed(number, message.reason))
        elif isinstance(message, messages.Stacks):
            self._workers.on_stacks(number, zygote, message.text)
        elif isinstance(message, messages.Born):
            self._on_born(zygote, *_two(message.told))
        elif isinstance(message, messages.Unborn):
            self._on_unborn(zygote, message.told)
        elif isinstance(message, messages.Waited):
            self._on_waited(zygote, *_two(message.told))

    def _on_born(self, zygote: Zygote, number: int, pid: int) -> None:
        process = self._ordered(zygote, number)
        if pid <= 1:
            raise ValueError(f"no PID: {pid}")
        process.born(pid)
        if process.pidfd >= 0:
            self._workers.waiter.watch(process.pidfd)
        self._post(events.WorkerBorn(number))
        self._dispatch(zygote)

    def _on_unborn(self, zygote: Zygote, told: str) -> None:
        number, _, reason = told.partition(" ")
        process = self._ordered(zygote, int(number))
        self._post(events.WorkerFailed(int(number), reason))
        self._end(int(number), process, 1)
        self._dispatch(zygote)

    def _ordered(self, zygote: Zygote, number: int) -> Newborn:
        process = self._workers.process(number)
        if number not in zygote.in_flight or not isinstance(process, Newborn):
            raise ValueError(f"it tells of a birth that nobody has ordered: {number}")
        zygote.in_flight.discard(number)
        return process

    def _on_waited(self, zygote: Zygote, number: int, status: int) -> None:
        process = self._workers.process(number)
        if not isinstance(process, Newborn) or process.zygote is not zygote or not process.pid:
            raise ValueError(f"it tells of a worker that it has not: {number}")
        if os.WIFSTOPPED(status):
            self._post(events.WorkerPaused(number, texts.signal_name(os.WSTOPSIG(status))))
        elif os.WIFCONTINUED(status):
            self._post(events.WorkerContinued(number))
        elif process.has_ended is False:
            raise ValueError(f"it tells of the end of a worker that lives: {number}")
        else:
            self._end(number, process, os.waitstatus_to_exitcode(status))

    # ---- Ends of workers ------------------------------------------------------------------------

    def on_ready(self, fd: int) -> bool:
        """A worker has ended whose descriptor this is; False: it is none."""
        for number, process in self._workers.processes():
            if isinstance(process, Newborn) and process.pidfd == fd:
                self._workers.waiter.forget(fd)
                process.ended_at = time.monotonic()
                self._ended[number] = process
                if process.zygote is None:
                    self._end(number, process, texts.UNKNOWN)
                return True
        return False

    def on_silent(self, number: int) -> None:
        """A worker's channel has come to its end. So has an orphan, if nothing else can tell."""
        process = self._workers.process(number)
        if not isinstance(process, Newborn) or process.buried or process.zygote is not None:
            return
        if process.pidfd < 0 and process.pid:
            self._end(number, process, texts.UNKNOWN)

    def look(self) -> None:
        """Orphans that a signal has stopped, or let go on: nobody tells of them."""
        for number, process in self._workers.processes():
            if isinstance(process, Newborn) and process.look_whether_stopped():
                stopped = events.WorkerPaused(number, "a signal")
                self._post(stopped if process.is_stopped else events.WorkerContinued(number))

    @property
    def due(self) -> float:
        """When bury_overdue() has something to do, in monotonic seconds."""
        return min((process.ended_at + GRACE for process in self._ended.values()), default=inf)

    def bury_overdue(self, now: float) -> None:
        """Its zygote hangs, and does not tell."""
        for number, process in list(self._ended.items()):
            if process.ended_at + GRACE <= now:
                self._end(number, process, texts.UNKNOWN)

    def _end(self, number: int, process: Newborn, code: int) -> None:
        process.buried = True
        self._ended.pop(number, None)
        if process.pidfd >= 0 and process.ended_at == inf:
            self._workers.waiter.forget(process.pidfd)
        process.let_go()
        if process.zygote is not None:
            process.zygote.in_flight.discard(number)
        self._workers.bury(number, process, code)


def _two(told: str) -> tuple[int, int]:
    """Raises ValueError, also on what the system has no PID, number or status for."""
    first, second = map(int, told.split())
    if max(abs(first), abs(second)) > INT_MAX:
        raise ValueError(f"no number of a process: {told[:60]}")
    return first, second
