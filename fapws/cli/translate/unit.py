"""unit.json, NGINX Unit's configuration: listeners, applications, settings. unit_routes.py has its routes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from fapws.cli.translate import unit_routes
from fapws.cli.translate.draft import Draft, Said, valid_name
from fapws.cli.translate.rows import CannotTake, Given, Job, address, apply, plain
from fapws.cli.translate.unit_rows import TABLE

_UNKNOWN = "no member of Unit's configuration that is known here"


class NotUnit(Exception):
    """The file is none of Unit; str() is why."""


def translate(path: str, text: str, application: str, _run: bool) -> Draft:
    """The draft of a file with this text. Raises NotUnit."""
    draft = Draft("Unit", path)
    found = read(text)
    draft.pools.clear()
    work = _Work(draft, found, os.path.dirname(os.path.abspath(path)))
    work.listeners()
    work.applications(application)
    work.rest()
    if not draft.pools:
        draft.begin_pool("app")
        draft.lacks.append("no listener leads to an application of Python: there is nothing to serve")
    return draft


def read(text: str) -> dict[str, Any]:
    """The object, with the comments that Unit allows taken out. Raises NotUnit."""
    bare = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.S)
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError) as error:
        raise NotUnit(f"it is no JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("config"), dict):
        found = found["config"]  # all that the control API gives
    if not isinstance(found, dict) or not {"listeners", "applications"} & set(found):
        raise NotUnit('there is neither "listeners" nor "applications"')
    return found


class _Work:
    def __init__(self, draft: Draft, found: dict[str, Any], directory: str) -> None:
        self._draft = draft
        self._found = found
        self._directory = directory
        self._job = Job(draft, directory)
        self._static: dict[str, tuple[tuple[str, str, str], ...]] = {}
        """What the first listener of a pool has the files of."""

    # ---- Listeners -------------------------------------------------------------------------------

    def listeners(self) -> None:
        """Each becomes an address of the pool that its pass leads to."""
        for name, listener in _members(self._found.get("listeners")):
            if not isinstance(listener, dict):
                self._draft.refuse(f'listener "{name}"', "it is no object")
                continue
            if "tls" in listener:
                why = "TLS is the proxy's in front (Caddy, nginx, HAProxy, relayd); nothing listens here"
                self._draft.refuse(f'listener "{name}" with tls', why)
                continue
            target = str(listener.get("pass", listener.get("application", "")))
            if "application" in listener and "pass" not in listener:
                target = f"applications/{target}"
            self._listener(name, listener, target)

    def _listener(self, name: str, listener: dict[str, Any], target: str) -> None:
        given = Given("listener", name, f'listener "{name}" with pass {target}')
        way = unit_routes.follow(self._found, target)
        if way.partly and not way.application:
            way = way._replace(application=way.partly, falls_through=bool(way.static))
        for said in way.unequal:
            self._draft.refuse(*said)
        if not way.application and not way.static:
            self._draft.refuse(given.text, way.why or "it leads to no application of Python")
            return
        pool = valid_name(way.application or "static")
        self._draft.begin_pool(pool)
        if self._static.setdefault(pool, way.static) != way.static:
            self._draft.refuse(given.text, "static holds for all addresses of its pool")
        try:
            self._job.put(given, "listen", _address(name, self._directory))
        except CannotTake as error:
            self._draft.refuse(given.text, str(error))
        for prefix, folder, told in way.static:
            value = f"{prefix}:{self._job.path(folder)}"
            why = self._draft.unfit("static", value)
            if why:
                self._draft.refuse(told, f"{why}; the proxy in front can serve it")
            else:
                self._draft.put("static", value, f"Unit: {told}")
        if self._draft.value("static") and way.falls_through:
            self._draft.put(
                "static_fallthrough", "yes", "Unit: fallback, or a step behind it, takes what is not there"
            )
        members = {key: value for key, value in listener.items() if key not in ("pass", "application")}
        self._apply(members, "listeners.*", f'listener "{name}": ')

    # ---- Applications ----------------------------------------------------------------------------

    def applications(self, other: str) -> None:
        """Each that a listener leads to; the others get a unix socket, so that a proxy can lead there."""
        wanted = {pool.name for pool in self._draft.pools}
        for name, members in _members(self._found.get("applications")):
            kind = str(members.get("type", "")) if isinstance(members, dict) else ""
            if not isinstance(members, dict) or not kind.startswith("python"):
                self._draft.refuse(
                    f'application "{name}" of type {kind}', "Fapws serves applications of Python"
                )
                continue
            for part, whole in _parts(name, members):
                pool = valid_name(part)
                self._draft.begin_pool(pool)
                if pool not in wanted:
                    told = (
                        f'Unit: no listener leads to application "{part}" alone; a proxy can, by this socket'
                    )
                    self._draft.put("listen", f"unix:{os.path.join(self._directory, pool)}.sock", told)
                self._application(part, whole, other)

    def _application(self, name: str, members: dict[str, Any], other: str) -> None:
        directory = members.get("working_directory") or self._directory
        self._job = Job(self._draft, self._job.path(directory))
        if "working_directory" not in members:
            told = "the folder of this file; Unit leaves it as it is"
            self._draft.put("directory", self._job.directory, told)
        if other:
            members = {**members, "module": other}
        if "module" not in members:
            self._draft.lacks.append(f'application "{name}" has no module: app = package.module:callable')
        self._apply(members, "applications.*", f'application "{name}": ')
        self._job = Job(self._draft, self._directory)

    # ---- The rest --------------------------------------------------------------------------------

    def rest(self) -> None:
        """Settings hold for all pools; each pool is given them."""
        others = {
            key: value for key, value in self._found.items() if key not in ("listeners", "applications")
        }
        routes = others.pop("routes", None)
        for said in unit_routes.unused(self._found, routes):
            self._draft.unequal.append(said)
        for pool in list(self._draft.pools):
            self._draft.begin_pool(pool.name)
            before = len(self._draft.unequal), len(self._draft.always)
            self._apply(others, "", "")
            if pool is not self._draft.pools[0]:
                del self._draft.unequal[before[0] :]
                del self._draft.always[before[1] :]
            if not self._draft.value("max_body_size"):
                self._draft.put("max_body_size", "8m", "Unit: max_body_size is 8m by default")
        self._draft.find_by(self._draft.pools[0].name if self._draft.pools else "app")
        self._draft.own_limits.append(
            Said("request_timeout = 5m", "a request may take so long; Unit ends none without limits.timeout")
        )

    def _apply(self, members: dict[str, Any], place: str, shown: str) -> None:
        self._job.given.clear()
        apply(self._job, TABLE, list(_flat(members, place, shown)), _UNKNOWN)


def _parts(name: str, members: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """An application, or each of its targets as one of its own."""
    targets = members.get("targets")
    if not isinstance(targets, dict):
        yield name, members
        return
    shared = {key: value for key, value in members.items() if key != "targets"}
    for target, own in targets.items():
        yield f"{name}/{target}", {**shared, **(own if isinstance(own, dict) else {})}


def _flat(members: dict[str, Any], place: str, shown: str) -> Iterator[Given]:
    """Members by their whole names, such as ``applications.*.limits.timeout``; one of the table is whole."""
    for key, value in members.items():
        name = f"{place}.{key}".lstrip(".")
        inner = isinstance(value, dict) and value and any(known.startswith(f"{name}.") for known in TABLE)
        if inner and name not in TABLE:
            yield from _flat(value, name, f"{shown}{key}." if place else f"{name}.")
        else:
            yield Given(name, value, f"{shown}{key} = {_shown(value)}")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _members(found: Any) -> Iterator[tuple[str, Any]]:
    return iter(found.items() if isinstance(found, dict) else ())


def _address(name: str, directory: str) -> str:
    if name.startswith("unix:"):
        path = name[len("unix:") :]
        if path.startswith("@"):
            raise CannotTake(
                "an abstract socket has no file, and no permissions; use a unix socket with a path"
            )
        return f"unix:{os.path.join(directory, plain(path))}"
    host, _, port = plain(name).rpartition(":")
    if not port.isdigit():
        raise CannotTake("it is no address")
    return address(host, port)
