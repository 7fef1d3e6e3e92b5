"""Which descriptors this process has open, and closing those that are not its own."""

from __future__ import annotations

import os
import resource

from fapws.lean import Iterable

_DIRECTORIES = ("/proc/self/fd", "/dev/fd")
_BLIND_LIMIT = 65536
"""Without a directory that lists them, numbers up to here (or the soft limit) are tried."""


def close_all_but(keep: Iterable[int], directories: tuple[str, ...] = _DIRECTORIES) -> None:
    """Closes every descriptor that is not in ``keep``."""
    kept = frozenset(keep)
    for fd in _candidates(directories):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the one that listed the directory, or a number that is not open


def _candidates(directories: tuple[str, ...]) -> Iterable[int]:
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        # FreeBSD without fdescfs lists only 0, 1 and 2 in /dev/fd, whatever is open.
        if any(int(name) > 2 for name in names):
            return [int(name) for name in names]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = soft == resource.RLIM_INFINITY
    return range(_BLIND_LIMIT if unlimited else min(soft, _BLIND_LIMIT))
