"""The register of listening sockets: which the configuration wants, which are open.

A socket is kept as long as a configuration in force names its address, whatever pool it moves to,
so a reload never closes a queue that goes on being served.
"""

from __future__ import annotations

import errno
import os
import select

from fapws import reuse_port
from fapws.lean import NamedTuple
from fapws.settings.model import Address, Config, Pool

from ..errors import CannotStart, PlaceTaken, refused
from . import bind
from .bind import Listener


class Key(NamedTuple):
    """What makes two addresses the same socket."""

    kind: str
    where: str
    port: int
    owner: str
    """Port 0 is another one each time, so there the pool and the position belong to it; to the socket of
    a slot above 0 at least the pool."""
    slot: int = 0
    """reuseport: whose queue it is. What all workers share without it is the first worker's with it, so that
    a reload may change the option."""


class Listeners:
    """All listening sockets of the master."""

    def __init__(self) -> None:
        self._open: dict[Key, Listener] = {}
        self._former: dict[Key, Listener] = {}
        """Sockets that no client can reach any more, until the reload that replaces them has ended."""
        self._started = False

    @property
    def open(self) -> dict[Key, Listener]:
        """What is open now."""
        return dict(self._open)

    def adopt(self, found: dict[Key, Listener]) -> None:
        """After an upgrade: takes over what the old master had opened."""
        self._open = dict(found)
        self._started = True

    def prepare(self, config: Config) -> None:
        """Opens what the configuration names and is not open. On an error nothing has changed.

        A unix socket whose file is gone (a cleaner of /tmp may have removed it) counts as not open. Raises
        CannotStart.
        """
        fresh: list[Key] = []
        try:
            for pool in config.pools:
                for key, address in _keys(pool):
                    former = self._open.get(key)
                    if not former or bind.is_lost(former.address.path, former.inode):
                        self._open[key] = self._listen(address, pool.backlog)
                        fresh.append(key)
                        if former:
                            self._former[key] = former
                    if _is_split(pool, address):
                        self._share(self._open[key])
        except BaseException:
            for key in fresh:
                self._discard(key)
            self._open.update(self._former)
            self._former = {}
            raise
        self._started = True

    def put_in_force(self, config: Config, committed: bool = True) -> None:
        """Closes what the configuration in force does not name, and adapts the rest to it.

        committed: whether the last ``prepare`` was for this configuration; else it is taken back.
        """
        for key, former in self._former.items():
            if committed:
                os.close(former.fd)
            else:
                self._discard(key)
                self._open[key] = former
        self._former = {}
        wanted: set[Key] = set()
        for pool in config.pools:
            for key, address in _all_keys(pool):
                wanted.add(key)
                if key in self._open:
                    self._adapt(key, address, pool.backlog)
        for key in [key for key in self._open if key not in wanted]:
            self._discard(key)

    def of_pool(self, pool: Pool) -> list[Listener]:
        """A socket of each of the pool's addresses, in their order."""
        return [self._open[key] for key, _ in _keys(pool)]

    def queues_of_pool(self, pool: Pool) -> list[Listener]:
        """Every socket at which a client of the pool may wait."""
        return [self._open[key] for key, _ in _all_keys(pool) if key in self._open]

    def of_slot(self, pool: Pool, slot: int) -> list[Listener]:
        """What a worker serves, in the order of the pool's addresses; opened when it is the first there.

        Raises CannotStart.
        """
        found: list[Listener] = []
        for common, address in _keys(pool):
            key = _key_of_slot(common, pool, slot) if _is_split(pool, address) else common
            if key not in self._open:
                self._open[key] = bind.join(self._open[common], pool.backlog)
            found.append(self._open[key])
        return found

    def somebody_waits(self, pool: Pool, slot: int) -> bool:
        """Whether a client is at the door of a worker, and nobody has let it in yet."""
        doors = select.poll()
        for common, address in _keys(pool):
            key = _key_of_slot(common, pool, slot) if _is_split(pool, address) else common
            if key in self._open:
                doors.register(self._open[key].fd, select.POLLIN)
        return any(events & select.POLLIN for _, events in doors.poll(0))

    def let_go(self, pool: str, slot: int, config: Config) -> bool:
        """A worker is about to leave: whether its own queues end with it, and are closed here.

        The worker's descriptors are then the last, and what waits there is for it to take.
        """
        ending = [k for k in self._superfluous(config) if (k.owner.partition("/")[0], k.slot) == (pool, slot)]
        for key in ending:
            self._discard(key)
        return bool(ending)

    def trim(self, config: Config) -> None:
        """Closes the queues of slots that are no more, also of those whose worker was dead already."""
        for key in self._superfluous(config):
            self._discard(key)

    def _superfluous(self, config: Config) -> list[Key]:
        wanted = {key for pool in config.pools for key, _ in _all_keys(pool)}
        return [key for key in self._open if key.slot and key not in wanted]

    def close(self) -> None:
        """Closes all; the files of unix sockets stay, for the workers still serve what came in."""
        for listener in (*self._open.values(), *self._former.values()):
            if listener.fd >= 0:
                os.close(listener.fd)
        self._open = {key: listener._replace(fd=-1) for key, listener in self._open.items()}
        self._former = {}

    def remove_files(self) -> None:
        """At the very end: removes the files of unix sockets that are still ours."""
        for listener in self._open.values():
            bind.remove_file(listener)

    def _listen(self, address: Address, backlog: int) -> Listener:
        if address.kind == "fd" and self._started:
            # After the start that number may be any descriptor of ours.
            raise CannotStart(f"cannot listen on {address.text}: a socket can be inherited only at the start")
        try:
            return bind.listen(address, backlog)
        except CannotStart as error:
            mine = self._in_the_way(address, error.__cause__)
            if not mine:
                raise self._with_holder(address, error) from error.__cause__
            text = f"{error} by {mine} of this very server; to replace one by the other takes a restart"
            raise CannotStart(text) from error

    def _with_holder(self, address: Address, error: CannotStart) -> CannotStart:
        """The error, and which process has the port, if that is why and can be found out.

        Only at a start: among thousands of processes the search takes seconds, which a reload has not.
        """
        if self._started or not _is_port_taken(address, error.__cause__):
            return error
        from .port_holder import port_holder

        holder = port_holder(address.port)
        return PlaceTaken(f"{error} by {holder}", holder) if holder else error

    @staticmethod
    def _share(listener: Listener) -> None:
        try:
            reuse_port.allow_sharing(listener.fd)
        except OSError as error:
            raise refused(f"cannot share {listener.address.text} among the workers", error) from error

    def _in_the_way(self, address: Address, error: BaseException | None) -> str:
        """The address of ours that takes this one in, or the other way round; empty: there is none.

        Linux does not let 0.0.0.0 and 127.0.0.1 listen side by side on one port, and to close the old
        one first would be no transaction.
        """
        if not _is_port_taken(address, error):
            return ""
        ours = (listener.address for listener in self._open.values() if listener.fd >= 0)
        return next((a.text for a in ours if a.kind == "tcp" and a.port == address.port), "")

    def _adapt(self, key: Key, address: Address, backlog: int) -> None:
        listener = self._open[key]
        if address.kind == "unix" and address != listener.address:
            bind.set_owner(address)
        if backlog != listener.backlog:
            bind.set_backlog(listener, backlog)
        self._open[key] = listener._replace(address=address, backlog=backlog)

    def _discard(self, key: Key) -> None:
        listener = self._open.pop(key)
        os.close(listener.fd)
        bind.remove_file(listener)


def _is_port_taken(address: Address, error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE and address.kind == "tcp"


def _keys(pool: Pool) -> list[tuple[Key, Address]]:
    return [(_key(pool.name, number, address), address) for number, address in enumerate(pool.listen)]


def _is_split(pool: Pool, address: Address) -> bool:
    """Whether each worker has a queue of its own there."""
    return pool.reuseport and address.kind == "tcp"


def _all_keys(pool: Pool) -> list[tuple[Key, Address]]:
    """Of every slot."""
    return [
        (_key_of_slot(key, pool, slot), address)
        for key, address in _keys(pool)
        for slot in range(pool.workers if _is_split(pool, address) else 1)
    ]


def _key_of_slot(common: Key, pool: Pool, slot: int) -> Key:
    return common._replace(owner=common.owner or pool.name, slot=slot) if slot else common


def _key(pool: str, number: int, address: Address) -> Key:
    anonymous = address.kind == "tcp" and address.port == 0
    owner = f"{pool}/{number}" if anonymous else ""
    return Key(address.kind, address.path or address.host, address.port, owner)
