"""The register of workers: which worker is in which slot, in which state. Pure, knows no process.

A *slot* is a worker's place in its pool, numbered from 0. During a reload a slot holds two
children, the old one and its replacement.
"""

from __future__ import annotations

from math import inf

from fapws.lean import Iterator, NamedTuple

from . import worker_states as states


class Child(NamedTuple):
    """One worker, or the empty slot it left (backing off)."""

    number: int
    pool: str
    slot: int
    generation: int
    state: str
    born: float
    """Seconds of the monotonic clock at which it was ordered."""
    since: float
    """Seconds of the monotonic clock at which it entered its state."""
    deadline: float
    """When OVERDUE happens to it; ``inf``: never."""
    drain_timeout: float
    """Seconds; its own pool's, which a reload may have changed or removed."""
    failures: int = 0
    """How often in a row the slot's workers failed before this one."""
    reason: str = ""
    """What it said when it could not boot; where it stood, if that takes too long."""
    hung: str = ""
    """What it hung in, or what has stopped it; empty: it does not hang."""
    replaces: int = 0
    """The number of the worker of its own generation that it is to replace; 0: none."""
    worn_out: str = ""
    """Why it is to be replaced (max_requests and the like); empty: it is not."""
    pinged: float = 0.0
    """When it was asked for a sign of life; 0: it was not."""
    beat: int = 0
    """Its stamp when it was asked, or was found hanging; -1: only SIGCONT can revive it, -2: only
    that it takes clients again."""
    active_at: float = 0.0
    """When it was last seen with a client."""
    requests: int = 0
    """How many it had served then."""
    taken: int = 0
    """What it had done at its listeners when it was last seen."""
    deaf_since: float = 0.0
    """Since when a client waits there and it does nothing; 0: it does."""
    slow: int = 0
    """Its stamp when its request in hand was found slow; 0: none is."""
    zygote: int = 0
    """The number of the zygote that forks it; 0: the master does."""
    unborn: bool = False
    """Whether that was ordered and is not done yet."""
    stack_due: float = inf
    """When it is asked for its stack, because boot_timeout will soon be over; ``inf``: never."""
    alone: bool = False
    """Whether it tells applications that there is no other worker (wsgi.multiprocess)."""

    @property
    def name(self) -> str:
        """``pool/slot``, as people see it."""
        return f"{self.pool}/{self.slot}"

    @property
    def active(self) -> bool:
        """Whether it occupies its slot: it serves, or is meant to."""
        return self.state != states.DRAINING

    @property
    def deadline_missed(self) -> bool:
        """Whether it was killed because it took too long to boot, or hung (then reason says so)."""
        return self.state == states.KILLED

    @property
    def has_process(self) -> bool:
        """Whether there is a process that has to be reaped some day."""
        return self.state in states.WITH_PROCESS


class Children:
    """Children by number, in the order of their start."""

    def __init__(self, children: tuple[Child, ...] = ()) -> None:
        self._by_number: dict[int, Child] = {child.number: child for child in children}

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._by_number.values()))

    def __len__(self) -> int:
        return len(self._by_number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Children) and self._by_number == other._by_number

    def __hash__(self) -> int:
        return hash(tuple(self))

    def get(self, number: int) -> Child | None:
        """The child with this number, if it is still known."""
        return self._by_number.get(number)

    def put(self, child: Child) -> None:
        """Adds a child, or replaces what is known of it. A child that is GONE is forgotten."""
        if child.state == states.GONE:
            self._by_number.pop(child.number, None)
        else:
            self._by_number[child.number] = child

    def copy(self) -> Children:
        """An independent copy."""
        return Children(tuple(self))

    def any_state(self, *wanted: str) -> bool:
        """Whether a worker is in one of these states."""
        return any(child.state in wanted for child in self)

    def of_pool(self, pool: str) -> list[Child]:
        """Everything in a pool."""
        return [child for child in self if child.pool == pool]

    def in_slot(self, pool: str, slot: int) -> list[Child]:
        """Everything in a slot."""
        return [child for child in self if child.pool == pool and child.slot == slot]

    def processes(self, pool: str | None = None) -> int:
        """How many processes there are, in one pool or in all."""
        return sum(child.has_process and pool in (None, child.pool) for child in self)

    def places(self, pool: str) -> int:
        """How many processes there are in a pool, or are to come."""
        return sum(c.pool == pool and (c.has_process or c.state == states.WAITING) for c in self)

    def next_deadline(self, now: float) -> float:
        """The next moment at which OVERDUE happens to a worker; ``inf``: never.

        Deadlines that have passed do not count: those wait for something else (a free place).
        """
        moments = (moment for child in self for moment in (child.deadline, child.stack_due))
        return min((moment for moment in moments if moment > now), default=inf)
