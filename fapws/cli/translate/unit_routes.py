"""Unit's routes, as far as a pool has something like them: files of folders, and one application behind them.

A route is a list of steps; the first whose match holds acts. What Fapws has of that: a share under a path is
``static``, and the application is the step that takes the rest.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from fapws.cli.translate.draft import Said

_RULES = "rules for requests are the application's, or the proxy's in front"
_DEPTH_MAX = 8


class Way(NamedTuple):
    """Where a listener leads."""

    application: str = ""
    static: tuple[tuple[str, str, str], ...] = ()
    """Path, folder and the step that says so."""
    falls_through: bool = False
    """Whether something else is asked for what no folder has."""
    unequal: tuple[Said, ...] = ()
    why: str = ""
    """Why it leads to nothing."""
    partly: str = ""
    """The application that only requests for some paths lead to."""
    kept: tuple[tuple[str, ...], ...] = ()
    """What steps have kept from the files behind them: paths, or nothing for what may be any."""


def follow(found: dict[str, Any], target: str, depth: int = 0) -> Way:
    """The way that begins at a ``pass``."""
    kind, _, rest = target.partition("/")
    if kind == "applications":
        members = _object(_object(found.get("applications")).get(rest.partition("/")[0]))
        if not str(members.get("type", "")).startswith("python"):
            return Way(why="Fapws serves applications of Python")
        return Way(rest)
    if kind == "routes" and depth < _DEPTH_MAX:
        routes = found.get("routes", [])
        steps = routes if isinstance(routes, list) else _object(routes).get(rest)
        steps = steps if isinstance(steps, list) else []
        return _steps(found, [step for step in steps if isinstance(step, dict)], depth)
    if "$" in target:
        return Way(why="which way it leads depends on the request; the proxy in front can do that")
    return Way(why=f"{target} is the proxy's in front")


def _steps(found: dict[str, Any], steps: list[dict[str, Any]], depth: int) -> Way:
    way = Way()
    for step in steps:
        way = _step(found, way, step, depth)
    return way


def _step(found: dict[str, Any], way: Way, step: dict[str, Any], depth: int) -> Way:
    match = step.get("match")
    if match in ({"uri": "/*"}, {"uri": "*"}, {"uri": ["/*"]}, {}):
        match = None  # whatever is asked for
    action = _object(step.get("action"))
    text = f"step {_shown(step)}"
    paths = _paths(match)
    extra = sorted(set(action) - {"pass", "share", "fallback", "index"})
    if extra and set(action) & {"pass", "share"}:
        why = f"{', '.join(extra)}: no such thing for files and applications of a pool; {_RULES}"
        way = way._replace(unequal=(*way.unequal, Said(text, why)))
    if "share" in action and paths is not None:
        return _share(found, way, action, paths, text, depth)
    if "pass" in action and match is None and not way.application:
        behind = follow(found, str(action["pass"]), depth + 1)
        through = bool(way.static) or behind.falls_through
        return way._replace(
            application=behind.application,
            static=(*way.static, *behind.static),
            falls_through=through,
            unequal=(*way.unequal, *behind.unequal),
            why=behind.why,
        )
    return _other_step(found, way, step, match, text, depth)


def _other_step(
    found: dict[str, Any], way: Way, step: dict[str, Any], match: Any, text: str, depth: int
) -> Way:
    """One that a pool has nothing like: it is told, and what it keeps from the files behind it is kept."""
    action = _object(step.get("action"))
    later = follow(found, str(action["pass"]), depth + 1) if "pass" in action else Way()
    why = f"it depends on the request: {_RULES}" if match is not None else _RULES
    paths_alone = isinstance(match, dict) and set(match) == {"uri"}
    if later.application and paths_alone and not way.application:
        # Somebody who may ask for some paths of an application may ask it for all: it says 404 itself.
        first = way.partly or later.application
        if first == later.application:
            why = f"{later.application} is asked for other paths too, where Unit would not have asked it"
        return way._replace(partly=first, unequal=(*way.unequal, Said(text, why)))
    way = way._replace(unequal=(*way.unequal, Said(text, why)))
    if not later.application and "share" not in action:
        way = way._replace(kept=(*way.kept, _beginnings(match)))
    if "pass" in action and not way.application and match is not None:
        return way._replace(
            why=way.why or f"only some requests lead to {later.application or action['pass']}"
        )
    return way


def _beginnings(match: Any) -> tuple[str, ...]:
    """What the paths that a match may hold for begin with; nothing: it may hold for any."""
    uris = _object(match).get("uri", [])
    found = []
    for uri in uris if isinstance(uris, list) else [uris]:
        begins = re.split(r"[*!~$]", str(uri))[0]
        if not begins.startswith("/"):
            return ()
        found.append(begins)
    return tuple(found)


def _keeps(way: Way, path: str) -> bool:
    """Whether a step that was not taken over may stand before files under a path."""
    folder = path.rstrip("/") + "/"
    return any(
        not begins or any(folder.startswith(one) or one.startswith(folder) for one in begins)
        for begins in way.kept
    )


def _share(
    found: dict[str, Any], way: Way, action: dict[str, Any], paths: list[str], text: str, depth: int
) -> Way:
    share = action["share"]
    shares = [str(one).replace("${uri}", "$uri") for one in (share if isinstance(share, list) else [share])]
    added: list[tuple[str, str, str]] = []
    said = list(way.unequal)
    for path in paths:
        folder = _folder(shares[0], path) if shares else ""
        if _keeps(way, path):
            why = "a step before it keeps requests from these files, and static would not; a proxy can"
            said.append(Said(text, f"{path}: {why}"))
        elif not folder:
            said.append(
                Said(text, "the folder of static is a fixed one, and its files are called as the path says")
            )
        elif path not in [one[0] for one in way.static]:
            added.append((path, folder, text))
    if len(shares) > 1:
        said.append(Said(text, f"one folder a path: {', '.join(shares[1:])} is not looked into"))
    if action.get("index", "index.html") != "index.html":
        said.append(Said(text, "a folder is shown by its index.html"))
    way = way._replace(static=(*way.static, *added), unequal=tuple(said))
    fallback = action.get("fallback")
    if not isinstance(fallback, dict):
        return way
    behind = _step(found, Way(kept=way.kept), {"action": fallback}, depth + 1)
    if paths != ["/"] and behind.application and not way.application:
        partly = way.partly or behind.application  # no later step may lead elsewhere, as the last one tells
        return way._replace(
            static=(*way.static, *behind.static),
            falls_through=True,
            unequal=(*way.unequal, *behind.unequal),
            partly=partly,
        )
    return way._replace(
        application=way.application or behind.application,
        static=(*way.static, *behind.static),
        falls_through=True,
        unequal=(*way.unequal, *behind.unequal),
        why=behind.why,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _paths(match: Any) -> list[str] | None:
    """The paths that a match takes whole, ``/`` for all; None: it is more than that."""
    if match is None:
        return ["/"]
    if not isinstance(match, dict) or set(match) != {"uri"}:
        return None
    uris = match["uri"] if isinstance(match["uri"], list) else [match["uri"]]
    found = []
    for uri in map(str, uris):
        bare = uri[:-1] if uri.endswith("*") else ""
        if not bare.startswith("/") or set("*!~$") & set(bare) or not bare.endswith("/"):
            return None
        found.append(bare.rstrip("/") or "/")
    return found


def _folder(share: str, path: str) -> str:
    """Of ``/srv/blog$uri``, or of ``/srv/blog/`` as before Unit 1.26; empty: it is not fixed, or a file."""
    if share.endswith("$uri"):
        base = share[: -len("$uri")]
    elif share.endswith("/") or ("$" not in share and "." not in share.rpartition("/")[2]):
        base = share.rstrip("/")
    else:
        return ""
    return "" if "$" in base else (base + path).rstrip("/") or "/"


def unused(found: dict[str, Any], routes: Any) -> list[Said]:
    """Routes that no listener leads to."""
    if not isinstance(routes, dict):
        return []
    written = json.dumps(found)
    return [
        Said(f'route "{name}"', "no listener leads there")
        for name in routes
        if f'"routes/{name}"' not in written
    ]


def _shown(step: Any) -> str:
    text = json.dumps(step)
    return text if len(text) <= 200 else f"{text[:200]} ..."
