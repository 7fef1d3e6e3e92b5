"""The register of listening sockets: which the configuration wants, which are open.

A socket is kept as long as a configuration in force names its address, whatever pool it moves to,
so a reload never closes a queue that goes on being served.
"""

from __future__ import annotations

import errno
import os

from fapws.lean import NamedTuple
from fapws.settings.model import Address, Config, Pool
from fapws.supervisor import sockets
from fapws.supervisor.errors import CannotStart
from fapws.supervisor.sockets import Listener


class Key(NamedTuple):
    """What makes two addresses the same socket."""

    kind: str
    where: str
    port: int
    owner: str
    """Port 0 is another one each time, so there the pool and the position belong to it."""


class Listeners:
    """All listening sockets of the master."""

    def __init__(self) -> None:
        self._open: dict[Key, Listener] = {}
        self._former: dict[Key, Listener] = {}
        """Sockets that nobody can reach any more, until the reload that replaces them has ended."""
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

        A unix socket whose file is gone (who cleans /tmp takes it along) counts as not open. Raises
        CannotStart.
        """
        fresh: list[Key] = []
        try:
            for pool in config.pools:
                for key, address in _keys(pool):
                    former = self._open.get(key)
                    if former and not sockets.is_lost(former.address.path, former.inode):
                        continue
                    self._open[key] = self._listen(address, pool.backlog)
                    fresh.append(key)
                    if former:
                        self._former[key] = former
        except BaseException:
            for key in fresh:
                self._discard(key)
            self._open.update(self._former)
            self._former = {}
            raise
        self._started = True

    def settle(self, config: Config, committed: bool = True) -> None:
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
            for key, address in _keys(pool):
                wanted.add(key)
                if key in self._open:
                    self._adapt(key, address, pool.backlog)
        for key in [key for key in self._open if key not in wanted]:
            self._discard(key)

    def of_pool(self, pool: Pool) -> list[Listener]:
        """The pool's sockets, in the order of its addresses."""
        return [self._open[key] for key, _ in _keys(pool)]

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
            sockets.remove_file(listener)

    def _listen(self, address: Address, backlog: int) -> Listener:
        if address.kind == "fd" and self._started:
            # After the start that number may be any descriptor of ours.
            raise CannotStart(f"cannot listen on {address.text}: a socket can be inherited only at the start")
        try:
            return sockets.listen(address, backlog)
        except CannotStart as error:
            mine = self._in_the_way(address, error.__cause__)
            if not mine:
                raise
            text = f"{error} by {mine} of this very server; to replace one by the other takes a restart"
            raise CannotStart(text) from error

    def _in_the_way(self, address: Address, error: BaseException | None) -> str:
        """The address of ours that takes this one in, or the other way round; empty: there is none.

        Linux does not let 0.0.0.0 and 127.0.0.1 listen side by side on one port, and to close the old
        one first would be no transaction.
        """
        if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE or address.kind != "tcp":
            return ""
        ours = (listener.address for listener in self._open.values() if listener.fd >= 0)
        return next((a.text for a in ours if a.kind == "tcp" and a.port == address.port), "")

    def _adapt(self, key: Key, address: Address, backlog: int) -> None:
        listener = self._open[key]
        if address.kind == "unix" and address != listener.address:
            sockets.set_owner(address)
        if backlog != listener.backlog:
            sockets.set_backlog(listener, backlog)
        self._open[key] = listener._replace(address=address, backlog=backlog)

    def _discard(self, key: Key) -> None:
        listener = self._open.pop(key)
        os.close(listener.fd)
        sockets.remove_file(listener)


def _keys(pool: Pool) -> list[tuple[Key, Address]]:
    return [(_key(pool.name, number, address), address) for number, address in enumerate(pool.listen)]


def _key(pool: str, number: int, address: Address) -> Key:
    anonymous = address.kind == "tcp" and address.port == 0
    owner = f"{pool}/{number}" if anonymous else ""
    return Key(address.kind, address.path or address.host, address.port, owner)
