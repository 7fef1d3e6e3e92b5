"""Actions: what the decision core orders the master to do. Plain data, nothing else.

``worker`` is the number that the core gave it with Start.
"""

from __future__ import annotations

from fapws.lean import TYPE_CHECKING, NamedTuple, Union
from fapws.settings.model import Config, Pool

from .children import Child

if TYPE_CHECKING:
    from .turn import Zygote


class Start(NamedTuple):
    """Fork a worker."""

    worker: int
    pool: Pool
    slot: int
    generation: int
    ready: bool = True
    """Whether its pool is to be sent clients."""
    zygote: int = 0
    """The zygote that forks it; 0: the master does."""


class StartZygote(NamedTuple):
    """Start a process that imports the pool's application. Kill and Terminate take its number too."""

    zygote: int
    pool: Pool
    generation: int


class ZygoteHung(NamedTuple):
    """It is of no use: log it. Unless ``stopped``, ask for its stack as well."""

    zygote: Zygote
    stopped: bool


class ZygoteDied(NamedTuple):
    """It has ended without being told to: log it."""

    zygote: Zygote
    status: int
    age: float


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


class Renew(NamedTuple):
    """Send it the Renew message: its clients are to open their connections anew, so that some come to the
    canary."""

    worker: int


class Late(NamedTuple):
    """It still starts, and will soon be killed for that: ask for its stack, and answer with WorkerFailed.
    That does not count if it becomes ready after all."""

    child: Child


class Hung(NamedTuple):
    """It gives no sign of life: log it. Unless ``stopped``, ask for its stack (SIGUSR2) as well."""

    child: Child
    """Its ``hung`` says what is wrong."""
    stopped: bool


class Slow(NamedTuple):
    """Its request in hand takes longer than slow_request: log it, with its stack."""

    child: Child
    seconds: float


class SlowOver(NamedTuple):
    """That request has its response, or a piece of it: log it."""

    child: Child
    seconds: float
    """At least so long it took, up to the worker's latest sign of life."""


class Spared(NamedTuple):
    """It was taken for hung, and has gone on."""

    child: Child


class Recycling(NamedTuple):
    """A worker's replacement starts; its ``worn_out`` says why: log it."""

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


class TurnAway(NamedTuple):
    """Tell the pool's workers that no client is to be sent to them."""

    pool: str


class Welcome(NamedTuple):
    """The opposite; tell clients that wait for the drain that it was taken back."""

    pool: str


class Drained(NamedTuple):
    """Tell clients that wait for the drain of the pool that nothing is in its hands."""

    pool: str


class Leaving(NamedTuple):
    """The service stops after this delay: tell."""

    seconds: float


class Prepare(NamedTuple):
    """Read the configuration and bind what is new in it; answer with Prepared or Refused."""

    config: Config | None = None
    """Of a rollback: what it is, so that nothing is read."""


class Serving(NamedTuple):
    """The first start is complete."""


class Died(NamedTuple):
    """A worker has ended without being told to: log it."""

    child: Child
    """As it was before."""
    status: int
    age: float
    """Seconds from its fork."""
    requests: int
    delay: float
    """Seconds until the slot is filled again; ``inf``: it was a canary, and nobody follows."""


class DiedDraining(NamedTuple):
    """A worker that had been told to finish has ended before it had: log it."""

    child: Child
    status: int


class CloseListeners(NamedTuple):
    """Close the master's copies: the service stops."""


class ReloadDone(NamedTuple):
    """A reload has ended."""

    ok: bool
    text: str
    """For people: what was replaced, or why nothing was."""
    config: Config
    """What is in force now; sockets that it does not name are to be closed."""
    pools: frozenset[str] = frozenset()
    """Whom it concerned, or, if a canary failed, the canary's; empty: all."""
    back: bool = False
    """Whether it was a rollback."""


class TryNewCode(NamedTuple):
    """Start a child that tries the new code; answer with TrialEnded once it was reaped."""


class KillTrial(NamedTuple):
    """Kill that child. TrialEnded comes as it would have come."""


class Leap(NamedTuple):
    """Execute the new code in this process; answer with LeapHeldBack or LeapFailed if that is not done."""


class UpgradeFailed(NamedTuple):
    """Everything goes on as before: log it, tell the clients that wait for the upgrade."""

    reason: str


class Exit(NamedTuple):
    """No child is left: end."""

    status: int
    reason: str
    """Why the start failed; empty after a normal life."""


Action = Union[
    Start,
    StartZygote,
    ZygoteHung,
    ZygoteDied,
    SendDrain,
    Terminate,
    Kill,
    Look,
    SendPing,
    Renew,
    Late,
    Hung,
    Slow,
    SlowOver,
    Spared,
    Recycling,
    WatchPool,
    UnwatchPool,
    Scaled,
    TurnAway,
    Welcome,
    Drained,
    Leaving,
    Prepare,
    Serving,
    Died,
    DiedDraining,
    CloseListeners,
    ReloadDone,
    TryNewCode,
    KillTrial,
    Leap,
    UpgradeFailed,
    Exit,
]
