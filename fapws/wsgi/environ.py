"""environ: from the shape of a request and its values to the dict an application gets (PEP 3333).

A shape is a method, a version, a listener and a sequence of field names. Clients repeat it with every
request, so what it decides (constants, environ keys) is worked out once and only values change.
"""

from __future__ import annotations

from fapws.lean import TYPE_CHECKING, Any, Iterator, NamedTuple

if TYPE_CHECKING:
    import _socket

Environ = dict[str, Any]

TARGET_KEYS = ("PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_ADDR", "REMOTE_PORT")
"""What stands before the field values of every request (csrc/fapws.h, fw_poll)."""

NAMELESS = "fapws.nameless"
"""Stands in the environ of a request whose PROXY header does not say who the client is. REMOTE_ADDR is then
the proxy's own, and what the request says about its client comes from that client."""

_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")
# Fields defined as single: of several the first counts. Those whose repetition is dangerous (Host,
# Content-Length, Content-Type, Authorization) never come this far.
_SINGLE = frozenset(
    (
        "HTTP_DATE",
        "HTTP_FROM",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_IF_RANGE",
        "HTTP_IF_UNMODIFIED_SINCE",
        "HTTP_MAX_FORWARDS",
        "HTTP_PROXY_AUTHORIZATION",
        "HTTP_RANGE",
        "HTTP_REFERER",
        "HTTP_USER_AGENT",
    )
)


class Shape(NamedTuple):
    """What requests of one shape have in common."""

    base: Environ
    """Everything that does not change; copied for each request."""
    keys: tuple[str, ...]
    """The environ key of each field that a request brings."""


def environ_key(name: str) -> str:
    """The environ key of a request field (RFC 3875 section 4.1.18)."""
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else "HTTP_" + key


def make_shape(text: str, bases: list[Environ]) -> Shape:
    """From METHOD:VERSION:LISTENER[?]:NAME... as the core writes it; bases: one per listener."""
    method, version, listener, *names = text.split(":")
    base = bases[int(listener.rstrip("?"))].copy()
    if listener[-1] == "?":
        base[NAMELESS] = True
    base["REQUEST_METHOD"] = method
    base["SERVER_PROTOCOL"] = "HTTP/" + version
    return Shape(base, TARGET_KEYS + tuple(map(environ_key, names)))


def with_room(shape: Shape) -> Shape:
    """The shape with all its keys in the base already, so that no request makes its dict grow.

    Copying a dict is cheap, growing it is not: 4 % fewer instructions for a small request on CPython 3.11.
    """
    return Shape({**shape.base, **dict.fromkeys(shape.keys, ""), "REQUEST_URI": ""}, shape.keys)


def join_fields(shape: Shape, fields: Iterator[str]) -> Environ:
    """The environ of a request in which names may be repeated (RFC 9110 5.3, RFC 6265 5.4)."""
    environ = shape.base.copy()
    for key in shape.keys:
        value = next(fields)
        if key not in environ:
            environ[key] = value
        elif key not in _SINGLE:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ", ") + value
    return environ


def listener_base(listener: _socket.socket, common: Environ) -> Environ:
    """What all requests that come in by one listener have in common."""
    base = dict(common)
    name: Any = listener.getsockname()
    if isinstance(name, tuple):
        base["SERVER_NAME"] = f"[{name[0]}]" if ":" in name[0] else name[0]
        base["SERVER_PORT"] = str(name[1])
    else:
        base["SERVER_NAME"] = "localhost"
        base["SERVER_PORT"] = "80"
    return base


def name_unix_server(environ: Environ) -> None:
    """On a unix socket the server's name is what the client asked for, if it said so."""
    host = environ.get("HTTP_HOST", "")
    name, _, port = host.rpartition(":") if host[-1:] != "]" else (host, "", "")
    if not name:
        name, port = host, ""
    if name:
        environ["SERVER_NAME"] = name
    if port:
        environ["SERVER_PORT"] = port
