"""What trusted proxies say about the client: X-Forwarded-For, -Proto, -Host or Forwarded (RFC 7239).

Pools with trusted_proxies have Forwarded around their application; the others do not even import this.
The rules, each of which only ever makes less believed:

- Nothing is taken over unless the peer of the connection is trusted. With a PROXY header that is the
  address which the header gives; without one in it (UNKNOWN, LOCAL) the peer is unknown, and so not trusted.
- Only the fields that the option `forwarded` names are looked at: a proxy hands on what it does not set,
  so any other may come from the client.
- Each proxy adds to the right. The chain is read from there, hop by hop as long as the hop is trusted
  itself; the first one that is not is the client. What stands further left is the client's own tale.
- A hop that is unknown, obfuscated (RFC 7239 6.3) or malformed ends the chain: the client is then the
  last address that was known. So does an empty one, though empty elements of other lists count for
  nothing (RFC 9110 5.6.1.2): it may be a proxy that did not know, and what is left of it is not its word.
- X-Forwarded-Proto and X-Forwarded-Host say nothing about which proxy they are from: the right-most
  value counts. Those of Forwarded belong to an element, and that of the client's hop counts.
"""

from __future__ import annotations

import re
from functools import lru_cache

from fapws.lean import Any, Callable, Iterator, NamedTuple
from fapws.settings.model import Network
from fapws.settings.networks import contains, parse_ip
from fapws.wsgi.environ import NAMELESS, Environ, name_unix_server

FORWARDED = "forwarded"
PEERS_KEPT = 1024
"""Addresses whose trust is remembered; some hundred bytes each."""
DEFAULT_PORTS = {"http": "80", "https": "443"}

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -\x7e\x80-\xff])*"'
# One parameter and what ends it. Space around ";" is not in the standard's grammar, but common.
_PARAMETER = re.compile(rf"[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED})[ \t]*)?(;|\Z)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NODE = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:([0-9]{1,5})|_[0-9A-Za-z._-]+))?")
_FUTURE = r"\[[vV][0-9A-Fa-f]+\.[-._~!$&'()*+;=:0-9A-Za-z]+\]"  # RFC 3986 section 3.2.2
_HOST = re.compile(rf"(?:[0-9A-Za-z._~-]+|{_FUTURE}|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{{1,5}}))?")
_PORT_MAX = 65535

Trusts = Callable[[str], bool]
"""Whether an address, REMOTE_ADDR as the core writes it, is a trusted proxy's."""


class Node(NamedTuple):
    """One end of a hop."""

    address: str
    """As inet_ntop() writes it."""
    port: str
    """Empty: not told."""


class Said(NamedTuple):
    """What trusted proxies say about a client; what they do not say, or not properly, is empty."""

    client: Node | None = None
    scheme: str = ""
    """``http`` or ``https``."""
    host: str = ""
    """With its port, if there was one."""


class Forwarded:
    """Middleware: requests that come from trusted proxies get an environ as if the client had come."""

    def __init__(
        self,
        application: Callable[..., Any],
        networks: tuple[Network, ...],
        fields: tuple[str, ...],
        logged: bool = False,
    ) -> None:
        """networks: the trusted proxies; fields: names of the fields that they set, in lower case; logged:
        whether the access log is to know the client too (then start_response must be the server's own).
        """
        self._application = application
        self._logged = logged
        self._trusts = lru_cache(PEERS_KEPT)(lambda peer: contains(networks, peer))
        self._keys = {field: "HTTP_" + field.upper().replace("-", "_") for field in fields}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        if NAMELESS not in environ and self._trusts(environ["REMOTE_ADDR"]):
            given = {field: environ[key] for field, key in self._keys.items() if key in environ}
            if given:
                said = read(given, self._trusts)
                take_over(environ, said)
                if self._logged and said.client is not None:
                    start_response.__self__.name_client(said.client.address)  # type: ignore[attr-defined]
        return self._application(environ, start_response)


def take_over(environ: Environ, said: Said) -> None:
    """Changes an environ to what was said (PEP 3333, URL Reconstruction, comes out right)."""
    if said.client is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = said.client
    if said.scheme:
        environ["wsgi.url_scheme"] = said.scheme
    if said.host:
        environ["HTTP_HOST"] = said.host
    if said.scheme or said.host:
        environ["SERVER_PORT"] = DEFAULT_PORTS[environ["wsgi.url_scheme"]]
        name_unix_server(environ)


def read(given: dict[str, str], trusts: Trusts) -> Said:
    """What the fields of a trusted peer say; given: their values by name in lower case. Never raises."""
    if FORWARDED in given:
        return read_forwarded(given[FORWARDED], trusts)
    return Said(
        _client(given.get("x-forwarded-for", ""), trusts),
        _scheme(_last(given.get("x-forwarded-proto", ""))),
        _host(_last(given.get("x-forwarded-host", ""))),
    )


# ---- X-Forwarded-* -------------------------------------------------------------------------------


def _client(value: str, trusts: Trusts) -> Node | None:
    """The right-most hop that is not trusted; if all are, the left-most."""
    client = None
    for part in reversed(value.split(",")):
        text = part.strip(" \t")
        # Unlike in Forwarded, an IPv6 address may stand without brackets, and then has no port.
        node = parse_node(f"[{text}]" if text.count(":") > 1 and text[:1] != "[" else text)
        if node is None:
            break
        client = node
        if not trusts(node.address):
            break
    return client


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip(" \t")


# ---- Forwarded -----------------------------------------------------------------------------------


def read_forwarded(value: str, trusts: Trusts) -> Said:
    """What a Forwarded field of a trusted peer says (RFC 7239 section 4). Never raises."""
    said = Said()
    for element in elements_from_the_right(value):
        node = parse_node(element.get("for", ""))
        said = Said(node or said.client, _scheme(element.get("proto", "")), _host(element.get("host", "")))
        if node is None or not trusts(node.address):
            break
    return said


def elements_from_the_right(value: str) -> Iterator[dict[str, str]]:
    """The elements of a Forwarded field, last first, up to one that is malformed.

    Names are in lower case, values without their quotes. A proxy's element stays whole whatever the
    client wrote in front of it, an open quote for instance: a comma ends an element if what stands
    right of it is one. A comma within a quoted string does not, for the closing quote cannot be part
    of an element that was not opened by another.
    """
    end = len(value)
    while end >= 0:
        element, start = None, end
        while element is None and start >= 0:
            start = value.rfind(",", 0, start)
            element = _parse_element(value, start + 1, end)
        if element is None:
            return
        yield element
        end = start


def _parse_element(value: str, start: int, end: int) -> dict[str, str] | None:
    found: dict[str, str] = {}
    separator = ";"
    while separator:
        match = _PARAMETER.match(value, start, end)
        if match is None:
            return None
        name, text, separator = match.groups()
        if name is not None:
            name = name.lower()
            if name in found:
                return None
            found[name] = _ESCAPED.sub(r"\1", text[1:-1]) if text[0] == '"' else text
        start = match.end()
    return found


# ---- Parts of both -------------------------------------------------------------------------------


def parse_node(text: str) -> Node | None:
    """``192.0.2.1``, ``192.0.2.1:80``, ``[2001:db8::1]`` or ``[2001:db8::1]:80`` (RFC 7239 section 6).

    None for what tells no address: ``unknown``, an obfuscated identifier, anything malformed. An
    obfuscated port is not told.
    """
    match = _NODE.fullmatch(text)
    if match is None:
        return None
    ipv4, ipv6, port = match.groups(default="")
    address = parse_ip(ipv4 or ipv6)
    if address is None or (ipv6 and ":" not in ipv6) or int(port or 0) > _PORT_MAX:
        return None
    return Node(address.text, port and str(int(port)))


def _scheme(text: str) -> str:
    folded = text.lower()
    return folded if folded in DEFAULT_PORTS else ""


def _host(text: str) -> str:
    """A host with or without port that is nothing but that; empty for all else."""
    match = _HOST.fullmatch(text)
    if match is None or int(match[2] or 0) > _PORT_MAX:
        return ""
    if match[1] and (":" not in match[1] or parse_ip(match[1]) is None):
        return ""
    return text
