"""What fapwsctl takes from the configuration file: all of it, or how long something may take."""

from __future__ import annotations

from fapws.cli.find_server import MARGIN, Ended
from fapws.lean import Callable
from fapws.settings import apart
from fapws.settings.model import Config, Pool
from fapws.settings.problems import ConfigError
from fapws.settings.source import Source
from fapws.supervisor.errors import FAILED, NOT_CONFIGURED

_LONGEST_STOP = 60.0
"""Seconds; for a running server whose configuration file cannot be read any more."""


def read(path: str) -> Config:
    """What a file says. Raises Ended."""
    from fapws.settings import ini

    try:
        return ini.read(path)
    except ConfigError as error:
        raise Ended(NOT_CONFIGURED, str(error)) from None


def read_apart(path: str, meanwhile: Callable[[], None] | None = None) -> Config:
    """The same for a process that becomes the master: another one reads it. meanwhile: what this one does
    until then. Raises Ended."""
    try:
        return apart.read_apart(Source(path), meanwhile)
    except ConfigError as error:
        raise Ended(NOT_CONFIGURED, str(error)) from None
    except OSError as error:
        raise Ended(FAILED, f"fapws: cannot start: {error.strerror}") from None


def _pools(path: str) -> tuple[Pool, ...]:
    """Raises ConfigError."""
    from fapws.settings import ini

    return ini.read(path, look=False).pools


def longest_start(config: Config) -> float:
    """Seconds: a canary in each pool, then the rest; each may be tried twice."""
    return 2 * sum(pool.boot_timeout for pool in config.pools) + MARGIN


def longest_stop(path: str) -> float:
    """Seconds."""
    try:
        pools = _pools(path)
        delay = max(pool.stop_delay for pool in pools)
        return delay + max(pool.drain_timeout for pool in pools) + MARGIN
    except ConfigError:
        return _LONGEST_STOP


def longest_drain(path: str) -> float:
    """Seconds."""
    try:
        return max(pool.drain_timeout for pool in _pools(path)) + MARGIN
    except ConfigError:
        return _LONGEST_STOP


def longest_reload(path: str) -> float:
    """Seconds, were every worker to take all the time it may; another reload may be under way."""
    try:
        pools = _pools(path)
    except ConfigError:
        return _LONGEST_STOP
    watched = max(p.reload_watch for p in pools)
    return 2 * (sum((p.workers + 1) * (p.boot_timeout + p.drain_timeout) for p in pools) + watched) + MARGIN
