"""A worker's process as the master holds it: forking it, its channel, its row of the scoreboard.

The decision core knows workers by number; the PID, the descriptors and the bytes are here.
"""

from __future__ import annotations

import _socket
import gc
import os
import time

from fapws._core import lib

from fapws import descriptors, messages
from fapws.lean import Callable, NamedTuple, NoReturn, Sequence
from fapws.settings.environment import forget_all_but
from fapws.worker.spec import WorkerSpec

from ..core.actions import Start
from ..logs.all_logs import Logs, line_prefix
from ..logs.error_log import Log
from ..logs.worker_output import Output
from . import signals
from .become_worker import become_worker
from .scoreboard import Row

CHANGES_MAX = 40
"""Messages on changed files in CHANGES_SECONDS; an honest worker looks twice a second."""
CHANGES_SECONDS = 10.0
STACKS_MAX = 10
"""Stacks in STACKS_SECONDS that a worker may tell without being asked; more are dropped."""
STACKS_SECONDS = 10.0
LAST_HELPINGS = 16
"""Reads after a worker's death: a socket holds less."""
PRELOAD = "preload"
"""Where a zygote is, instead of in a slot."""
_READ_SIZE = 65536
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class Pace:
    """Counts what may come so often in so much time."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._count = 0
        self._since = 0.0

    def allows(self, now: float) -> bool:
        """Whether one more may come; counts it."""
        if now - self._since > self._seconds:
            self._count, self._since = 0, now
        self._count += 1
        return self._count <= self._most


class Judge:
    """Whether a worker may say what it says, now. One that talks without need is not to be trusted."""

    def __init__(self, autoreload: bool) -> None:
        self._autoreload = autoreload
        self._booted = False
        """It has said how its start went, or an earlier master has heard it."""
        self._changes = Pace(CHANGES_MAX, CHANGES_SECONDS)
        self.profiles_due = 1
        """How many profiles were asked for and have not come; one by an earlier master, perhaps."""

    def hear(self, message: messages.Message, now: float) -> None:
        """Raises ValueError."""
        if isinstance(message, messages.Stacks):
            return  # their length is bounded, and what nobody asked for is dropped
        if isinstance(message, messages.Profiled):
            self.profiles_due -= 1
            if self.profiles_due < 0:
                raise ValueError("it tells of itself without being asked")
            return
        if isinstance(message, messages.Changed):
            if not self._autoreload:
                raise ValueError("it tells of changed files though autoreload is off")
            if not self._changes.allows(now):
                raise ValueError("it tells of changed files again and again")
        elif self._booted:
            raise ValueError("it tells of its start more than once")
        else:
            self._booted = True


class Process:
    """A forked worker."""

    serves = True
    """False: it is a zygote."""
    adopted = False
    """Whether its code is that of an earlier master, before an upgrade in place."""
    place = ""
    """What it is besides a worker in a slot."""

    def __init__(
        self,
        pool: str,
        pid: int,
        channel: int,
        row: Row,
        output: Output | None,
        access_log: str,
        autoreload: bool,
        slot: int = 0,
    ) -> None:
        self.pool = pool
        self.slot = slot
        self.pid = pid
        self.channel = channel
        """Our end of the socketpair; -1 once it is closed."""
        self.row = row
        self.output = output
        """What it prints; None: it writes to our own standard error."""
        self.access_log = access_log
        """Target of the pool's access log, as it was when the worker started."""
        self._decoder = messages.Decoder(messages.FROM_WORKER)
        self.autoreload = autoreload
        """Of its pool, when the worker started."""
        self._judge = Judge(autoreload)
        self.unasked = Pace(STACKS_MAX, STACKS_SECONDS)
        """Of stacks that nobody has asked for."""
        self.logs_stacks = False
        """Whether the next stacks are to be written to the log."""

    def receive(self, helpings: int = 1) -> list[messages.Message]:
        """What the worker has said, so many helpings of it; closes the channel at its end.

        Raises ValueError on bytes that are no message, and on what this worker has no reason to say.
        """
        received: list[messages.Message] = []
        for _ in range(helpings):
            if self.channel < 0:
                break
            try:
                data = os.read(self.channel, _READ_SIZE)
            except BlockingIOError:
                break
            except OSError:  # ECONNRESET: it died with our bytes unread
                data = b""
            if not data:
                self.close()
                break
            for message in self._decoder.feed(data):
                self._judge.hear(message, time.monotonic())
                received.append(message)
        return received

    @property
    def is_heard_in_part(self) -> bool:
        """Whether the rest of a message is on its way."""
        return self.channel >= 0 and self._decoder.unfinished

    def last_words(self) -> list[messages.Message]:
        """After its death: what it was about to say."""
        return self._decoder.last_words()

    def send(self, message: messages.Message, fds: Sequence[int] = ()) -> bool:
        """Whether the worker can be told; False: its channel is closed or full."""
        if self.channel < 0:
            return False
        data = messages.encode(message)
        self._judge.profiles_due += isinstance(message, messages.Profile)
        if fds:
            return descriptors.send(self.channel, data, fds)
        try:
            return os.write(self.channel, data) == len(data)
        except OSError:
            return False

    def renew_logs(self, logs: Logs) -> None:
        """Gives the worker what was opened anew."""
        access = logs.access(self.access_log)
        if access >= 0:
            self.send(messages.Reopened("access"), [access])

    def signal(self, number: int) -> None:
        """Sends a signal; the PID is ours until it has been reaped, so it cannot be another's."""
        os.kill(self.pid, number)

    @property
    def role(self) -> str:
        """Who says a line of the log."""
        return role_of(self.pool, self.place or self.slot, self.pid)

    def own_memory(self) -> int:
        """Bytes that it shares with nobody; 0: what is resident counts, or nothing else is told."""
        return 0

    def was(self, pid: int) -> bool:
        """Whether a child of ours with this PID, which was reaped just now, was this one."""
        return self.pid == pid

    def close(self) -> None:
        """Closes the channel."""
        if self.channel >= 0:
            os.close(self.channel)
            self.channel = -1


class Inheritance:
    """What every worker gets from the master besides its own things."""

    def __init__(self, lifeline: int, logs: Logs) -> None:
        self.lifeline = lifeline
        self.logs = logs


def now_ms() -> int:
    """Milliseconds of the clock by which workers stamp the scoreboard."""
    return int(lib.fw_now())


def memory_of(pid: int) -> int:
    """Bytes of resident memory; 0: this system has no /proc, and the worker's own figure is all."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as statm:
            return int(statm.read(256).split()[1]) * _PAGE_SIZE
    except (OSError, ValueError, IndexError):
        return 0


def prepare_memory() -> None:
    """Before the first fork: what lives now is shared, and no worker's collector touches it. What was freed
    goes back: the start leaves hundreds of KB of holes, which every process would have."""
    gc.collect()
    lib.fw_memory_give_back()
    if hasattr(gc, "freeze"):  # PyPy has none: its collector moves objects anyway
        gc.freeze()


class Ends(NamedTuple):
    """Of what connects the master with a worker: ours, then the worker's."""

    channel: int
    reader: int
    """-1: it writes to the log itself."""
    theirs: int
    writer: int

    def close(self) -> None:
        """Closes all."""
        for fd in self:
            if fd >= 0:
                os.close(fd)


def connect(given: Inheritance) -> Ends:
    """A channel and a pipe. Raises OSError."""
    ours, theirs = (sock.detach() for sock in _socket.socketpair())
    os.set_blocking(ours, False)
    try:
        reader, writer = (-1, -1) if given.logs.coming.plain else os.pipe()
    except OSError:
        os.close(ours)
        os.close(theirs)
        raise
    return Ends(ours, reader, theirs, writer)


def specify(action: Start, fds: tuple[int, ...], ends: Ends, row: Row, given: Inheritance) -> WorkerSpec:
    """What a worker has to know."""
    pool, log = action.pool, given.logs.coming
    return WorkerSpec(
        pool=pool,
        slot=action.slot,
        generation=action.generation,
        ready=action.ready,
        listeners=fds,
        channel=ends.theirs,
        lifeline=given.lifeline,
        log=None if log.plain else log.path,
        access_log=given.logs.access(pool.access_log),
        access_prefix=line_prefix(pool),
        row=row.buffer(),
        tally=row.tally.buffer() if row.tally else None,
        last=row.last.buffer() if row.last else None,
        neighbours=row.neighbours(),
        multiprocess=pool.workers > 1 or pool.reload_watch > 0,  # then two serve for a while
    )


def fork(
    action: Start,
    fds: tuple[int, ...],
    row: Row,
    given: Inheritance,
    keep_only: Callable[[str], None],
    board: int = -1,
) -> Process:
    """A new worker. Raises OSError when there are no descriptors or processes left.

    keep_only: called in the child; lets go of what belongs to other pools than the named one. board: the
    file of the pool's rows, for a worker in a Python of its own; -1: it shares the master's memory.
    """
    pool, slot = action.pool, action.slot
    ends = connect(given)
    spec = specify(action, fds, ends, row, given)
    pid = fork_child(spec, ends, row, keep_only, board, board >= 0)
    output = read_output(ends.reader, given.logs.error, role_of(pool.name, slot, pid))
    return Process(pool.name, pid, ends.channel, row, output, pool.access_log, pool.autoreload, slot)


def fork_child(
    spec: WorkerSpec, ends: Ends, row: Row, keep_only: Callable[[str], None], board: int, apart: bool
) -> int:
    """The PID of the child, which serves. The child's ends are closed here. Raises OSError.

    apart: in a Python of its own.
    """
    mask = signals.block()
    needs = -1
    try:
        needs = _write_needs(spec, row) if apart else -1
        pid = os.fork()
        if pid == 0:
            _in_child(spec, ends.writer, keep_only, needs, board)
    except OSError:
        os.close(ends.channel)
        if ends.reader >= 0:
            os.close(ends.reader)
        raise
    finally:
        signals.unblock(mask)
        for fd in (ends.theirs, ends.writer, needs):
            if fd >= 0:
                os.close(fd)
    return pid


def role_of(pool: str, place: str | int, pid: int) -> str:
    """Who says a line of the log; place: a slot, or what it is instead. pid: 0 before it is known."""
    return f"{pool}/{place}[{pid or '-'}]"


def read_output(reader: int, log: Log, role: str) -> Output | None:
    """What a worker prints goes to the log, under its name."""
    return Output(reader, lambda lines: log.write_lines(lines, role)) if reader >= 0 else None


def _write_needs(spec: WorkerSpec, row: Row) -> int:
    from .fresh_start import write_needs  # for a single pool it would stay in the master's memory

    return write_needs(spec, row)


def _in_child(
    spec: WorkerSpec, writer: int, keep_only: Callable[[str], None], needs: int, board: int
) -> NoReturn:
    """The child's side of the fork: lets go of everything that is the master's, then serves."""
    try:
        if writer >= 0:
            os.dup2(writer, 1)
            os.dup2(writer, 2)
        if needs >= 0:
            from .fresh_start import execute

            execute(spec, needs, board)
        if spec.is_zygote:
            from mmap import mmap

            spec = spec._replace(board=mmap(board, 0))
        keep_only(spec.pool.name)
        forget_all_but(spec.pool.env)
        become_worker(spec)
    finally:
        os._exit(1)
