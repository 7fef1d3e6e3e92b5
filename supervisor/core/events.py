"""What the decision core is told (events) and what it orders (actions): plain data, nothing else.

``worker`` is always a number that the core gave when it ordered the start; it is never used again
in a master's life, unlike a PID.
"""

from __future__ import annotations

from fapws.lean import NamedTuple, Union
from fapws.settings.model import Config, Pool

from .children import Child

# ---- Events: the master saw something ------------------------------------------------------------


class Boot(NamedTuple):
    """The sockets are bound: start the first worker of every pool."""


class WorkerReady(NamedTuple):
    """It serves."""

    worker: int


class WorkerFailed(NamedTuple):
    """It cannot boot, and will exit by itself."""

    worker: int
    reason: str


class WorkerExited(NamedTuple):
    """Its process has been reaped."""

    worker: int
    status: int
    """As ``os.waitstatus_to_exitcode`` gives it: an exit status, or a signal's number, negative."""
    requests: int = 0
    """How many it had served."""


class WorkerPaused(NamedTuple):
    """Somebody has stopped its process (SIGSTOP and its kin)."""

    worker: int
    signal: str


class WorkerContinued(NamedTuple):
    """... and let it go on."""

    worker: int


class Vital(NamedTuple):
    """What the scoreboard says of a worker."""

    worker: int
    beat: int
    """The stamp of its last poll or answer: another one is a sign of life."""
    silent: float
    """Seconds since then."""
    busy: bool
    """Whether requests are in its hands."""
    requests: int
    connections: int
    rss: int
    """Bytes of resident memory; 0: unknown."""


class Seen(NamedTuple):
    """The answer to Look."""

    vitals: tuple[Vital, ...]


class Knocked(NamedTuple):
    """A client waits at the listener of a pool that sleeps."""

    pool: str


class ScaleAsked(NamedTuple):
    """TTIN, TTOU or ``fapwsctl scale``: a pool is to have so many workers until the next reload."""

    pool: str
    workers: int


class ReloadAsked(NamedTuple):
    """HUP, ``fapwsctl reload``, or a changed source file."""

    in_storm: bool = False
    """HUP, of which there may be a thousand a second: nobody waits for the end of this very reload."""


class Prepared(NamedTuple):
    """The answer to Prepare: the new configuration is valid and its sockets are bound."""

    config: Config


class Refused(NamedTuple):
    """The other answer to Prepare: nothing has changed, this is why."""

    reason: str


class StopAsked(NamedTuple):
    """TERM (graceful), or INT and QUIT (fast)."""

    fast: bool


class Tick(NamedTuple):
    """Time has passed."""


Event = Union[
    Boot,
    WorkerReady,
    WorkerFailed,
    WorkerExited,
    WorkerPaused,
    WorkerContinued,
    Seen,
    Knocked,
    ScaleAsked,
    ReloadAsked,
    Prepared,
    Refused,
    StopAsked,
    Tick,
]

# ---- Actions: the master is to do something ------------------------------------------------------


class Start(NamedTuple):
    """Fork a worker."""

    worker: int
    pool: Pool
    slot: int
    generation: int


class SendDrain(NamedTuple):
    """Send it the Drain message: others go on serving."""

    worker: int


class Terminate(NamedTuple):
    """Send it SIGTERM: the service stops."""

    worker: int


class Kill(NamedTuple):
    """Send it SIGKILL."""

    worker: int


class Look(NamedTuple):
    """Read the scoreboard; answer with Seen."""


class SendPing(NamedTuple):
    """Send it the Ping message, which makes it stamp its row of the scoreboard."""

    worker: int


class Hung(NamedTuple):
    """It gives no sign of life: log it. Unless ``stopped``, ask for its stack (SIGUSR2) as well."""

    child: Child
    """Its ``hung`` says what is wrong."""
    stopped: bool


class Spared(NamedTuple):
    """It was taken for hung, and has gone on."""

    child: Child


class Recycling(NamedTuple):
    """A worker's replacement starts; its ``spent`` says why: log it."""

    child: Child


class WatchPool(NamedTuple):
    """The pool sleeps: tell (Knocked) when a client waits at its listeners."""

    pool: Pool


class UnwatchPool(NamedTuple):
    """The pool's workers accept again."""

    pool: str


class Scaled(NamedTuple):
    """A pool has as many workers as asked for, or cannot."""

    pool: str
    ok: bool
    text: str


class Prepare(NamedTuple):
    """Read the configuration and bind what is new in it; answer with Prepared or Refused."""


class Serving(NamedTuple):
    """The first start is complete."""


class Died(NamedTuple):
    """A worker ended that was not told to: log it."""

    child: Child
    """As it was before."""
    status: int
    age: float
    """Seconds from its fork."""
    requests: int
    delay: float
    """Seconds until the slot is filled again."""


class CloseListeners(NamedTuple):
    """Close the master's copies: the service stops."""


class ReloadDone(NamedTuple):
    """A reload has ended."""

    ok: bool
    text: str
    """For people: what was replaced, or why nothing was."""
    config: Config
    """What is in force now; sockets that it does not name are to be closed."""


class Exit(NamedTuple):
    """No child is left: end."""

    status: int
    reason: str
    """Why the start failed; empty after a normal life."""


Action = Union[
    Start,
    SendDrain,
    Terminate,
    Kill,
    Look,
    SendPing,
    Hung,
    Spared,
    Recycling,
    WatchPool,
    UnwatchPool,
    Scaled,
    Prepare,
    Serving,
    Died,
    CloseListeners,
    ReloadDone,
    Exit,
]
