"""Files that a configuration writes: no two things at one place, and none of them a file that is read."""

from __future__ import annotations

import os

from fapws.lean import Iterator, NamedTuple
from fapws.settings.log_targets import OFF, STDERR, facility_of
from fapws.settings.model import Address, Config, Pool, split_callable


class Clash(NamedTuple):
    """A setting that would write where it must not."""

    pool: str
    """Empty: it is one of the master's."""
    key: str
    message: str


class _Written(NamedTuple):
    """A file that the server makes or adds to."""

    pool: str
    key: str
    path: str
    log: bool
    """Others may add to it as well."""


def clashes(config: Config) -> list[Clash]:
    """Every setting of a file to be written that is read by the server, or is another setting's as well.

    Several logs may go to one file. Files are compared by what they are, not by their names: a symbolic or
    hard link is the file it leads to.
    """
    read = {_identity(path): what for path, what in _read_files(config)}
    taken: dict[object, _Written] = {}
    found: list[Clash] = []
    for written in _written_files(config):
        identity = _identity(written.path)
        other = taken.setdefault(identity, written)
        if identity in read:
            message = f"{written.path} is {read[identity]}, which is only read"
            found.append(Clash(written.pool, written.key, message))
        elif other is not written and not (written.log and other.log):
            owner = f" of [app:{other.pool}]" if other.pool else ""
            found.append(Clash(written.pool, written.key, f"{written.path} is {other.key}{owner} already"))
    return found


def _written_files(config: Config) -> Iterator[_Written]:
    for key, path in (("pidfile", config.pidfile), ("control", config.control)):
        if path:
            yield _Written("", key, path, log=False)
    for key, address in own_addresses(config):
        if address.kind == "unix":
            yield _Written("", key, address.path, log=False)
    if _is_file(config.error_log):
        yield _Written("", "error_log", config.error_log, log=True)
    for pool in config.pools:
        if _is_file(pool.access_log):
            yield _Written(pool.name, "access_log", pool.access_log, log=True)
        for address in pool.listen:
            if address.kind == "unix":
                yield _Written(pool.name, "listen", address.path, log=False)


def own_addresses(config: Config) -> list[tuple[str, Address]]:
    """Options and their values: where the master itself answers."""
    options = (("status", config.status), ("agent", config.agent))
    return [(key, address) for key, address in options if address]


def _is_file(target: str) -> bool:
    return target not in (OFF, STDERR) and facility_of(target) < 0


def _read_files(config: Config) -> Iterator[tuple[str, str]]:
    """Paths, and what they are in a sentence."""
    if config.path:
        yield config.path, "this configuration file"
    for pool in config.pools:
        for path in _application_files(pool):
            yield path, f"the application's file of [app:{pool.name}]"


def _application_files(pool: Pool) -> Iterator[str]:
    """The script, or what the module's name may mean where it is looked for first."""
    if pool.script:
        yield split_callable(pool.script)[0]
        return
    if not pool.app:
        return
    module = split_callable(pool.app)[0].replace(".", "/")
    for directory in (pool.directory, *pool.pythonpath):
        if directory:
            yield os.path.join(directory, f"{module}.py")
            yield os.path.join(directory, module, "__init__.py")


def _identity(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
