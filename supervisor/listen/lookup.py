"""Names of hosts, users and groups become numbers: by DNS and the user database, which may take long.

So whoever must not wait has it done before by a process that may: the child that reads the configuration for
a reload. What stands in the configuration as a number is never asked for.
"""

from __future__ import annotations

import _socket  # not socket: that brings selectors and its enums along, 0.3 MB

from fapws.settings.identity import UnknownIdentity, find_group, find_user
from fapws.settings.model import Address, Config

from ..errors import CannotStart

ANY = "0.0.0.0"
Opened = frozenset[tuple[str, int]]
"""Hosts and ports of sockets that are open already, whose names nobody needs any more."""
NOTHING: Opened = frozenset()


def look_up(config: Config, opened: Opened = NOTHING) -> Config:
    """The same configuration, with the numbers of what has to be opened or given away. Raises CannotStart."""

    def found(address: Address) -> Address:
        if address.kind == "tcp" and (address.host, address.port) not in opened:
            return address._replace(numeric=numeric(address))
        uid, gid = owner_ids(address)
        return address._replace(user=str(uid) if uid >= 0 else "", group=str(gid) if gid >= 0 else "")

    try:
        group = str(find_group(config.control_group)) if config.control_group else ""
    except UnknownIdentity as error:
        raise CannotStart(f"cannot give the control socket to a group: {error}") from None
    pools = tuple(pool._replace(listen=tuple(map(found, pool.listen))) for pool in config.pools)
    status = found(config.status) if config.status else None
    agent = found(config.agent) if config.agent else None
    return config._replace(pools=pools, control_group=group, status=status, agent=agent)


def numeric(address: Address) -> str:
    """The address of its host; of a name with both kinds IPv4: every client tries it. Raises CannotStart."""
    host = address.numeric or address.host or ANY
    try:
        # A str would go through the idna codec, which brings re, enum and tables of Unicode: 0.8 MB.
        name = host.encode("ascii") if host.isascii() else host
        found = _socket.getaddrinfo(name, address.port, 0, _socket.SOCK_STREAM, 0, _socket.AI_PASSIVE)
    except _socket.gaierror as error:
        raise CannotStart(f"cannot listen on {address.text}: {error.strerror}") from error
    best = min(found, key=lambda entry: entry[0] != _socket.AF_INET)
    return str(best[4][0])


def owner_ids(address: Address) -> tuple[int, int]:
    """uid and gid that a unix socket's file is given to; -1: unchanged. Raises CannotStart."""
    user = address.user
    try:
        uid = -1 if not user else int(user) if user.isdigit() else find_user(user)[0]
        return uid, find_group(address.group) if address.group else -1
    except UnknownIdentity as error:
        raise CannotStart(f"cannot listen on {address.text}: {error}") from None
