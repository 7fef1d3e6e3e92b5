"""What is no mistake in a configuration, but what its operator may want to know before the start."""

from __future__ import annotations

import os

from fapws.settings.model import Config


def missing_directories(config: Config) -> list[str]:
    """Sentences on the directories of pidfile and sockets that are not there now.

    No mistakes of the file: the system empties /run and /var/run at boot, systemd removes a
    RuntimeDirectory at the stop, and both are there again when it matters, which is at the start.
    """
    sockets = [address.path for pool in config.pools for address in pool.listen if address.path]
    places = dict.fromkeys(
        os.path.dirname(path) for path in (config.pidfile, config.control, *sockets) if path
    )
    return [
        f"there is no directory {place}; it must exist before the start"
        for place in places
        if not os.path.isdir(place)
    ]
