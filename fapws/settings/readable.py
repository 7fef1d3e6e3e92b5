"""What a worker's user cannot read: told before it is missed.

A folder that only root may enter (a clone below /root, a Python of root's own) shows itself much later,
and then as a module that does not exist. Only workers that take on a user import it, and configtest.
"""

from __future__ import annotations

import os
import sys

from fapws.lean import Iterable
from fapws.settings.identity import Identity, identity
from fapws.settings.model import Config, Pool, split_callable
from fapws.settings.virtualenv import site_packages

MODULES_MAX = 1000
"""Entries of the application's folder that are looked at."""


def own_places() -> list[str]:
    """Where Fapws and Python find what they import: interpreter, standard library, package."""
    library = os.path.dirname(os.__file__)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, library, os.path.join(library, "lib-dynload"), package]


def complaints(user: str, paths: Iterable[str]) -> list[str]:
    """A sentence for each reason why this process, which is the user, cannot read some of the paths.

    What does not exist is no complaint.
    """
    by_reason: dict[str, list[str]] = {}
    for path in dict.fromkeys(os.path.abspath(path) for path in paths if path):
        if _is_denied(path):
            by_reason.setdefault(_reason(path), []).append(path)
    return [f"{user} cannot read {', '.join(paths)}: {reason}" for reason, paths in by_reason.items()]


def unreadable(config: Config) -> list[str]:
    """Sentences on what the users of the pools cannot read, as far as this process may find it out."""
    told: list[str] = []
    for pool in config.pools:
        wanted = identity(pool.user, pool.group)
        if wanted is None or wanted.uid == 0:
            continue
        try:
            told += [f"[app:{pool.name}] {line}" for line in _tried_as(wanted, pool)]
        except OSError as error:
            told.append(f"[app:{pool.name}] cannot become {wanted.text}: {error.strerror}")
    return told


def _tried_as(wanted: Identity, pool: Pool) -> list[str]:
    """As complaints(), by a process that stays what it is. Raises OSError."""
    paths = [*places_of(pool), *own_places()]
    if os.geteuid() == wanted.uid:
        return complaints(wanted.user, paths)
    if os.geteuid() != 0:
        return [f"only root can try whether {wanted.user} can read the application: configtest as root does"]
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(wanted.groups)
        os.setegid(wanted.gid)
        os.seteuid(wanted.uid)
        return complaints(wanted.user, paths)
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def places_of(pool: Pool) -> list[str]:
    """What a pool's options name: folders, the files of the application as far as they have a name, and the
    modules that lie beside it."""
    folders = [folder for folder in (pool.directory, *pool.pythonpath) if folder]
    if pool.virtualenv:
        folders.append(site_packages(pool.virtualenv))
    parts = split_callable(pool.app)[0].split(".") if pool.app else []
    names = [os.path.join(*parts[: length + 1]) for length in range(len(parts))]
    modules = [os.path.join(folder, name) for folder in folders for name in names]
    files = [path for module in modules for path in (f"{module}.py", os.path.join(module, "__init__.py"))]
    script = split_callable(pool.script)[0]
    there = [path for path in files if os.path.exists(path)]
    beside = _modules_in(pool.directory) if pool.directory else []
    return [script, *folders, *there, *beside, *(folder for _, folder in pool.static)]


def _modules_in(folder: str) -> list[str]:
    """What can be imported from there, packages as their folders; nothing where they cannot be listed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)[:MODULES_MAX]
    except OSError:
        return []
    return [
        entry.path
        for entry in entries
        if entry.name.endswith(".py") or os.path.exists(os.path.join(entry.path, "__init__.py"))
    ]


def _is_denied(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        os.stat(os.path.join(path, ".") if os.path.isdir(path) else path)  # a folder is entered too
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _reason(path: str) -> str:
    """The uppermost folder above it that stays closed, links followed."""
    place = "/"
    for part in os.path.realpath(path).split("/")[1:]:
        try:
            os.stat(os.path.join(place, "."))
        except OSError:
            return f"it may not enter {place}"
        place = os.path.join(place, part)
    return "Permission denied"
