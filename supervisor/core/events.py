"""Events: what the decision core is told that has happened. Plain data, nothing else.

``worker`` is always a number that the core gave when it ordered the start; it is never used again
in a master's life, unlike a PID. What the core orders is in actions.py.
"""

from __future__ import annotations

from fapws.lean import NamedTuple, Union
from fapws.settings.model import Config


class Boot(NamedTuple):
    """The sockets are bound: start the first worker of every pool."""


class ZygoteReady(NamedTuple):
    """It has imported the application, and can fork."""

    zygote: int


class ZygoteFailed(NamedTuple):
    """It cannot boot, and will exit by itself."""

    zygote: int
    reason: str


class ZygoteExited(NamedTuple):
    """It has been reaped. WorkerExited follows for what it was to fork and has not."""

    zygote: int
    status: int


class ZygotePaused(NamedTuple):
    """A signal has stopped it ..."""

    zygote: int
    signal: str


class ZygoteContinued(NamedTuple):
    """... and let it go on."""

    zygote: int


class WorkerBorn(NamedTuple):
    """Its zygote has forked it."""

    worker: int


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
    """A signal has stopped its process (SIGSTOP and its kin)."""

    worker: int
    signal: str


class WorkerContinued(NamedTuple):
    """... and let it go on."""

    worker: int


class Vital(NamedTuple):
    """What the scoreboard says of a worker."""

    worker: int
    beat: int
    """The stamp of its last poll or response: another one is a sign of life."""
    silent: float
    """Seconds since then."""
    busy: bool
    """Whether requests are in its hands."""
    requests: int
    connections: int
    rss: int
    """Bytes of resident memory; 0: unknown."""
    taken: int = 0
    """How often it did something with clients at its listeners: took one, or left it to others."""
    waits: bool = False
    """Whether a client waits there, and it has not said that it takes none now."""
    in_flight: int = 0
    """Requests with the application, and responses that it has not ended."""
    responses: int = -1
    """Complete ones of the application; -1: it does not count them."""
    errors: int = 0
    """Those of them with a status of 5xx."""


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


class DrainAsked(NamedTuple):
    """``fapwsctl drain``: a pool is to be sent no clients; empty: all pools."""

    pool: str


class UndrainAsked(NamedTuple):
    """``fapwsctl undrain``: the opposite."""

    pool: str


class ReloadAsked(NamedTuple):
    """HUP, ``fapwsctl reload``, or a changed source file."""

    in_storm: bool = False
    """By HUP, which may come a thousand times a second: no client waits for the end of this very reload."""
    pool: str = ""
    """The only one that it concerns: a worker of it has seen a change. Empty: all."""


class RollbackAsked(NamedTuple):
    """``fapwsctl rollback``: a pool gets back what the last reload has replaced; empty: all that can."""

    pool: str = ""


class Prepared(NamedTuple):
    """The answer to Prepare: the new configuration is valid and its sockets are bound."""

    config: Config


class Refused(NamedTuple):
    """The other answer to Prepare: nothing has changed, this is why."""

    reason: str


class StopAsked(NamedTuple):
    """TERM (graceful), or INT and QUIT (fast)."""

    fast: bool
    interrupted: bool = False
    """INT: before it serves, that is a failed start."""


class UpgradeAsked(NamedTuple):
    """USR2, or ``fapwsctl upgrade``."""


class TrialEnded(NamedTuple):
    """The child that tried the new code has ended, or could not be started."""

    reason: str
    """Why the new code cannot take over; empty: it can."""


class LeapHeldBack(NamedTuple):
    """Signals had come, which the exec would have lost: nothing was done."""


class LeapFailed(NamedTuple):
    """The exec could not be done: this program goes on."""

    reason: str


class Tick(NamedTuple):
    """Time has passed, and everything that was to be seen by now was told."""


Event = Union[
    Boot,
    ZygoteReady,
    ZygoteFailed,
    ZygoteExited,
    ZygotePaused,
    ZygoteContinued,
    WorkerBorn,
    WorkerReady,
    WorkerFailed,
    WorkerExited,
    WorkerPaused,
    WorkerContinued,
    Seen,
    Knocked,
    ScaleAsked,
    DrainAsked,
    UndrainAsked,
    ReloadAsked,
    RollbackAsked,
    Prepared,
    Refused,
    StopAsked,
    UpgradeAsked,
    TrialEnded,
    LeapHeldBack,
    LeapFailed,
    Tick,
]
