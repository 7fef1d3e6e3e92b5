"""How settings of another server are taken over one by one, by a table with a row for each that it knows.

A setting is never passed over: it becomes an option, or it is said why it does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Callable, NamedTuple

from fapws.cli.translate.draft import Draft
from fapws.settings import values
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS


class Given(NamedTuple):
    """A setting as the old file has it."""

    name: str
    value: Any
    text: str
    """As people read it, with its name."""
    notes: tuple[str, ...] = ()
    """What its value depends on, such as a variable of the environment."""
    unknown: str = ""
    """Why its value cannot be told; empty: it is known."""


class CannotTake(Exception):
    """A value that cannot be taken over; str() is the reason."""


class Job:
    """One translation: the draft, where relative paths start, and all that was given."""

    def __init__(self, draft: Draft, directory: str) -> None:
        self.draft = draft
        self.directory = directory
        """Absolute: where relative paths of the old server start."""
        self.given: dict[str, list[Given]] = {}

    def first(self, *names: str) -> Any:
        """The last value of the first of these settings that is known; None: there is none."""
        for name in names:
            for given in reversed(self.given.get(name, [])):
                if not given.unknown:
                    return given.value
        return None

    def path(self, value: Any) -> str:
        """A path from the root, of one that may be relative."""
        return os.path.normpath(os.path.join(self.directory, os.path.expanduser(str(value))))

    def put(self, given: Given, key: str, value: str, told: str = "") -> None:
        """An option that comes of a setting. Raises CannotTake."""
        why = self.draft.unfit(key, value)
        if why:
            raise CannotTake(why)
        self.draft.put(key, value, f"{self.draft.server}: {given.text}", *given.notes, told)

    def refuse(self, given: Given, why: str) -> None:
        """A setting without an equal."""
        self.draft.refuse(given.text, why)


Take = Callable[[Job, Given, "Row"], None]


class Row(NamedTuple):
    """What becomes of a setting. ``option`` empty: it has no equal, and ``told`` is why; ``ALWAYS``: Fapws
    does so anyway."""

    names: str
    """What it is called; further words are other names of the same."""
    option: str
    told: str = ""
    take: Take | None = None
    """How; None: the value is that of the option, in its own words."""


ALWAYS = "always"
_ESSENTIAL = ("app", "script", "listen", "workers", "user", "group", "chroot", "directory")
"""Options whose default would be something else than what the old file says: another address, root, ..."""
OFF_VALUES: tuple[Any, ...] = (None, False, 0, "", [], {})


def by_name(rows: Iterable[Row]) -> dict[str, Row]:
    """A table by all names."""
    return {name: row for row in rows for name in row.names.split()}


def find(table: dict[str, Row], name: str) -> Row | None:
    """The row of a setting; a name in the table that ends in ``*`` stands for all that begin so."""
    if name in table:
        return table[name]
    begins = [key for key in table if key.endswith("*") and name.startswith(key[:-1])]
    return table[max(begins, key=len)] if begins else None


def apply(job: Job, table: dict[str, Row], given: list[Given], unknown: str) -> None:
    """Takes everything over. ``unknown``: what is said of settings that are in no table."""
    for one in given:
        job.given.setdefault(one.name, []).append(one)
    for one in given:
        row = find(table, one.name)
        if row is None:
            job.refuse(one, unknown)
        elif one.unknown and row.option == ALWAYS:
            job.draft.always_so(one.text, row.told)
        elif one.unknown:
            job.refuse(one, one.unknown if row.option else row.told)
            if row.option in _ESSENTIAL:
                job.draft.lacks.append(f"set {row.option}: of {one.text} the value is not known here")
        else:
            _take(job, one, row)


def _take(job: Job, given: Given, row: Row) -> None:
    try:
        if given.value is None or given.value in ([], (), {}):
            job.draft.always_so(given.text, "is off, as it is here")
        elif row.take is not None:
            row.take(job, given, row)
        elif row.option == ALWAYS:
            job.draft.always_so(given.text, row.told)
        elif row.option:
            job.put(given, row.option, as_option(job, row.option, given.value), row.told)
        elif is_off(given.value):
            job.draft.always_so(given.text, "is off, as it is here")
        else:
            job.refuse(given, row.told)
    except CannotTake as error:
        job.refuse(given, str(error))
        if row.option in _ESSENTIAL and row.option not in ("app", "script"):
            job.draft.lacks.append(f"set {row.option}: {given.text}: {error}")


def is_off(value: Any) -> bool:
    """Whether a value means that something is not wanted."""
    return value in OFF_VALUES or str(value).lower() in ("false", "no", "off", "0")


def is_on(value: Any) -> bool:
    """The other way round: also ``true``, ``1`` and the like, as text."""
    return not is_off(value)


def as_option(job: Job, option: str, value: Any) -> str:
    """A value in the words of an option. Raises CannotTake."""
    kind = (MASTER_OPTIONS.get(option) or POOL_OPTIONS[option]).kind
    if kind == "time":
        return seconds(value)
    if kind == "size":
        return values.format_size(number(value))
    if kind in ("integer", "workers"):
        return str(number(value))
    if kind == "boolean" or kind == "reuseport":
        return values.format_boolean(is_on(value))
    if kind in ("file", "socket", "log", "access_log", "directory", "virtualenv", "spool", "directories"):
        return job.path(plain(value))
    return plain(value)


def plain(value: Any) -> str:
    """A text that can stand on a line of an INI file. Raises CannotTake."""
    text = str(value).strip()
    if not text.isprintable():
        raise CannotTake("it holds characters that an INI file cannot hold")
    return text


def number(value: Any) -> int:
    """A whole number from 0 on. Raises CannotTake."""
    try:
        found = int(str(value).strip())
    except ValueError:
        raise CannotTake("it is not a whole number") from None
    if found < 0:
        raise CannotTake("it is less than 0")
    return found


def seconds(value: Any) -> str:
    """A time. Raises CannotTake."""
    try:
        found = float(str(value).strip())
    except ValueError:
        raise CannotTake("it is not a number of seconds") from None
    if not 0 <= found < 10**9:
        raise CannotTake("it is not a time that can be waited for")
    return values.format_time(found)


def megabytes(job: Job, given: Given, row: Row) -> None:
    """A size that the old server counts in megabytes."""
    job.put(given, row.option, values.format_size(number(given.value) * 2**20), row.told)


def below(job: Job, given: Given, row: Row) -> None:
    """The path below which the application stands. Raises CannotTake."""
    if str(given.value).strip("/"):
        job.put(given, row.option, "/" + plain(given.value).strip("/"), row.told)
    else:
        job.draft.always_so(given.text, "is off, as it is here")


def tell_application(job: Job, given: Given, text: str, told: str = "") -> None:
    """``package.module:callable`` or ``module:factory()`` as app, a file as script. Raises CannotTake."""
    from fapws.settings.kinds import KINDS

    text = text.strip()
    module, colon, name = text.partition(":")
    wanted = f"{module}:{name if colon else 'application'}"
    if module.rpartition(".")[2] == "asgi":
        job.draft.lacks.append(f"name the WSGI application: {text!r} looks like an ASGI one")
    try:
        KINDS["app"].parse(wanted, job.directory)
    except ValueError:
        job.draft.lacks.append(f"an application: {text!r} is more than a name; write a module that makes it")
        raise CannotTake(
            "Fapws takes package.module:callable or module:factory(), without arguments: write a module of "
            "your own that makes the application, and name that"
        ) from None
    job.put(given, "app", wanted, told)


def address(host: str, port: str) -> str:
    """A TCP address in the words of ``listen``."""
    host = host.strip("[]")
    if host in ("", "*", "0"):
        return f"0.0.0.0:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
