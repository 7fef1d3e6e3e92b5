"""The option ``warmup``: requests that a new worker makes of its own application before it is READY."""

from __future__ import annotations

from fapws.lean import NamedTuple
from fapws.settings import values

_METHODS = ("GET", "HEAD")
"""Those that change nothing (RFC 9110 9.2.1): every start of a worker makes them again."""
_SCHEMES = ("http", "https")
_STATUSES = frozenset(map(str, range(200, 500)))
"""That may be expected; from 500 on it is always a failure."""
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]")


class Warmup(NamedTuple):
    """One request."""

    method: str
    scheme: str
    host: str
    """With its port, if one is written."""
    target: str
    """Path and query, as they stand in a request line."""
    status: str = ""
    """That the response must have; empty: any below 500."""


def parse_warmups(text: str) -> tuple[str, ...]:
    """Parts such as ``GET http://shop.example/health 200``. Raises ValueError saying what is allowed."""
    parts = tuple(" ".join(part.split()) for part in values.split_list(text))
    for part in parts:
        split(part)
    return parts


def split(text: str) -> Warmup:
    """The parts of one. Raises ValueError."""
    method, _, rest = text.partition(" ")
    url, blank, status = rest.partition(" ")
    scheme, colon, rest = url.partition("://")
    host, target = _cut(rest)
    if method not in _METHODS or scheme not in _SCHEMES or not colon or not host:
        raise ValueError(
            f"must be GET or HEAD and a URL, such as GET http://shop.example/health 200, not {text!r}"
        )
    if not set(host) <= _HOST_CHARACTERS:
        raise ValueError(f"must have a host name, with or without a port, not {host!r}")
    if not all("!" <= character <= "~" for character in target) or "#" in target:
        raise ValueError(f"must have a path as it stands in a request, without #, not {target!r}")
    if blank and status not in _STATUSES:
        raise ValueError(
            f"must have a URL without blanks, and behind it the expected status, 200 to 499, or nothing, "
            f"not {status!r}"
        )
    return Warmup(method, scheme, host, target, status)


def _cut(rest: str) -> tuple[str, str]:
    """Host and target; that begins with a slash whether one is written or not."""
    host, slash, path = rest.partition("/")
    name, mark, query = host.partition("?")
    if mark:
        return name, f"/?{query}{slash}{path}"
    return host, f"/{path}"
