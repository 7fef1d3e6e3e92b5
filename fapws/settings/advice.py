"""What is no mistake in a configuration, but what its operator may want to know before the start."""

from __future__ import annotations

import os

from fapws.settings.files import own_addresses
from fapws.settings.log_targets import OFF
from fapws.settings.model import Config


def missing_directories(config: Config) -> list[str]:
    """Sentences on the directories of pidfile and sockets that are not there now.

    No mistakes of the file: the system empties /run and /var/run at boot, systemd removes a
    RuntimeDirectory at the stop, and both are there again when it matters, which is at the start.
    """
    sockets = [address.path for pool in config.pools for address in pool.listen if address.path]
    sockets += [address.path for _, address in own_addresses(config) if address.path]
    places = dict.fromkeys(
        os.path.dirname(path) for path in (config.pidfile, config.control, *sockets) if path
    )
    return [
        f"there is no directory {place}; it must exist before the start"
        for place in places
        if not os.path.isdir(place)
    ]


def dangers(config: Config) -> list[str]:
    """Sentences on what others on this machine may do with what is configured."""
    return [*_believed_clients(config), *_shared_logs(config)]


def _believed_clients(config: Config) -> list[str]:
    """A unix socket of mode 666, the default, whose clients are taken for the proxy."""
    return [
        f"[app:{pool.name}] every user of this machine may connect to {address.text} and speak as the proxy "
        "(trusted_proxies = unix); a mode and a group behind it keep others out: ?mode=660&group=www"
        for pool in config.pools
        if any(network.version == 0 for network in pool.trusted_proxies)
        for address in pool.listen
        if address.kind == "unix" and address.mode & 0o006
    ]


def _shared_logs(config: Config) -> list[str]:
    """Workers hold their access log; those of another user could empty it."""
    users: dict[str, set[str]] = {}
    for pool in config.pools:
        if pool.access_log != OFF:
            users.setdefault(pool.access_log, set()).add(pool.user)
    return [
        f"{target} is the access log of pools of several users, each of which may empty it"
        for target, names in users.items()
        if len(names) > 1 and target.startswith("/")
    ]
