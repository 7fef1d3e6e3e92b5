"""Where to listen: the five ways of writing an address."""

from __future__ import annotations

import _socket
import os

from fapws.settings.model import Address
from fapws.settings.values import parse_integer

ADDRESS_RULE = "must be host:port, [IPv6]:port, :port, unix:PATH or fd:N"
UNIX_PATH_MAX = 103
"""Bytes; sun_path holds 104 on the BSDs and macOS, 108 on Linux, each with a closing zero byte."""
FIRST_FREE_DESCRIPTOR = 3
ANY_IPV4 = "0.0.0.0"
DEFAULT_PORT = 8888
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")


def parse_address(text: str, base_directory: str) -> Address:
    """The address that a text means; a relative ``unix:`` path starts at base_directory.

    ``host:port``, ``[v6]:port``, ``:port`` (all IPv4 interfaces), ``unix:path?mode=660&user=www&group=www``
    (mode is octal) and ``fd:N`` (an inherited listening socket). Port 0 lets the kernel choose.
    Raises ValueError with a sentence on what is wrong.
    """
    if text.startswith("unix:"):
        return _parse_unix(text, base_directory)
    if text.startswith("fd:"):
        return _parse_descriptor(text)
    return _parse_tcp(text)


def parse_server(text: str, directory: str = "/") -> Address:
    """The address of a fapws4 script's ``SERVER``: ``ip:port``, or one of both alone (``:80``,
    ``10.0.0.1``); ``unix:PATH`` too, relative to directory.

    Without ip it is 0.0.0.0, without port 8888. Raises ValueError like parse_address().
    """
    if text.startswith("unix:"):
        return parse_address(text, directory)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    return _parse_tcp(f"{host or ANY_IPV4}:{port or DEFAULT_PORT}")


def same_place(address: Address) -> tuple[str, ...]:
    """What two addresses share that cannot both be bound; empty: it never collides (port 0)."""
    if address.kind == "tcp":
        return ("tcp", address.host.lower(), str(address.port)) if address.port else ()
    if address.kind == "unix":
        return ("unix", os.path.realpath(address.path))
    return ("fd", str(address.port))


def check_socket_path(path: str) -> None:
    """Raises ValueError if the system cannot bind a unix socket to a path of this length."""
    size = len(os.fsencode(path))
    if size > UNIX_PATH_MAX:
        raise ValueError(f"is {size} bytes long; a unix socket's path has at most {UNIX_PATH_MAX}")


def parse_mode(text: str) -> int:
    """Permission bits in octal, ``660`` or ``0660``."""
    if not 3 <= len(text) <= 4 or any(digit not in "01234567" for digit in text) or int(text, 8) > 0o777:
        raise ValueError("mode must be octal permission bits, such as 660")
    return int(text, 8)


def _parse_tcp(text: str) -> Address:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise ValueError(f"{ADDRESS_RULE}; IPv6 is written [::1]:8888")
        return Address(text, "tcp", _check_ipv6(host), _parse_port(rest[1:]))
    host, colon, port = text.rpartition(":")
    if ":" in host:
        raise ValueError("an IPv6 address stands in brackets: [::1]:8888")
    if not colon:
        raise ValueError(_advice_without_colon(text))
    if host == "*":
        raise ValueError(f"all IPv4 interfaces are written :{port}")
    return Address(text, "tcp", _check_host(host) if host else ANY_IPV4, _parse_port(port))


def _advice_without_colon(text: str) -> str:
    if text.isascii() and text.isdigit():
        return f"{ADDRESS_RULE}; for a port on all interfaces write :{text}"
    if text and set(text) <= _HOST_CHARACTERS:
        return f"has no port; write {text}:8888"
    return ADDRESS_RULE


def _parse_port(text: str) -> int:
    try:
        port = parse_integer(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise ValueError("the port must be a number from 0 to 65535")
    return port


def _check_host(host: str) -> str:
    if set(host) <= frozenset("0123456789."):
        try:
            _socket.inet_pton(_socket.AF_INET, host)
        except OSError:
            raise ValueError(f"{host} is not an IPv4 address") from None
    elif not set(host) <= _HOST_CHARACTERS:
        raise ValueError(ADDRESS_RULE)
    return host


def _check_ipv6(host: str) -> str:
    bare, percent, zone = host.partition("%")
    try:
        normal = _socket.inet_ntop(_socket.AF_INET6, _socket.inet_pton(_socket.AF_INET6, bare))
    except (OSError, ValueError):
        raise ValueError(f"{host} is not an IPv6 address") from None
    if percent and (not zone or not set(zone) <= _HOST_CHARACTERS):
        raise ValueError(f"{host} has no interface behind its %")
    return normal + percent + zone


def _parse_unix(text: str, base_directory: str) -> Address:
    path, question, query = text[len("unix:") :].partition("?")
    if not path or "\0" in path:
        raise ValueError("unix: needs the path of the socket file behind it")
    mode, owners = Address._field_defaults["mode"], {"user": "", "group": ""}
    seen: set[str] = set()
    for pair in query.split("&") if question else ():
        name, _, value = pair.partition("=")
        if name in seen:
            raise ValueError(f"{name} is given twice")
        seen.add(name)
        if name == "mode":
            mode = parse_mode(value)
        elif name in owners and value:
            owners[name] = value
        else:
            raise ValueError(
                "behind the ? of a unix address may stand mode=660, user=www and group=www, joined by &"
            )
    absolute = os.path.normpath(os.path.join(base_directory, path))
    check_socket_path(absolute)
    return Address(text, "unix", path=absolute, mode=mode, user=owners["user"], group=owners["group"])


def _parse_descriptor(text: str) -> Address:
    try:
        number = parse_integer(text[len("fd:") :])
    except ValueError:
        number = -1
    if number < FIRST_FREE_DESCRIPTOR:
        raise ValueError("fd: needs the number of an inherited listening socket, 3 or more")
    return Address(text, "fd", port=number)
