"""Pools that sleep (min_workers = 0): the master watches their listeners until a client comes."""

from __future__ import annotations

from fapws.settings.model import Pool

from ..waiting import Waiter
from .listeners import Listeners


class SleepingPools:
    """Which listeners are watched, and for which pool. Accepts nothing: a worker will."""

    def __init__(self, listeners: Listeners, waiter: Waiter) -> None:
        self._listeners = listeners
        self._waiter = waiter
        self._pools: dict[int, str] = {}
        """By descriptor."""

    def watch(self, pool: Pool) -> None:
        """The pool has fallen asleep."""
        for listener in self._listeners.queues_of_pool(pool):
            self._pools[listener.fd] = pool.name
            self._waiter.watch(listener.fd)

    def unwatch(self, name: str) -> None:
        """Its workers accept again."""
        for fd in [fd for fd, pool in self._pools.items() if pool == name]:
            self._waiter.forget(fd)
            del self._pools[fd]

    def unwatch_all(self) -> None:
        """Before the listeners are closed."""
        for name in set(self._pools.values()):
            self.unwatch(name)

    def at(self, fd: int) -> str | None:
        """The pool for which a client waits at this descriptor, if it is one that is watched."""
        return self._pools.get(fd)
