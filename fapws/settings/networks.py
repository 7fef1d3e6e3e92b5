"""Addresses and networks: the peers that a pool trusts, and whether a peer is one of them.

Written on inet_pton(): what the system takes for an address, without a zone, and with an IPv4 address
inside IPv6 (::ffff:10.0.0.1, RFC 4291 2.5.5.2) as the IPv4 address that it means.
"""

from __future__ import annotations

import _socket

from fapws.lean import Iterable, NamedTuple
from fapws.settings.model import Network
from fapws.settings.values import parse_integer

UNIX = "unix"
NETWORK_RULE = "must be an address, a network such as 10.0.0.0/8 or fd00::/8, or unix"
_BITS = {4: 32, 6: 128}
_FAMILIES = {4: _socket.AF_INET, 6: _socket.AF_INET6}
_MAPPED = bytes(10) + b"\xff\xff"


class IP(NamedTuple):
    """An address."""

    version: int
    """4 or 6."""
    number: int
    text: str
    """In the one form that inet_ntop() gives it."""


def parse_ip(text: str) -> IP | None:
    """The address that a text is; None if it is none. Never raises."""
    if "\0" in text:  # where PyPy's inet_pton() stops reading
        return None
    try:
        packed = _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
        if packed[:12] == _MAPPED:
            packed = packed[12:]
        version = 4 if len(packed) == 4 else 6
        return IP(version, int.from_bytes(packed, "big"), _socket.inet_ntop(_FAMILIES[version], packed))
    except (OSError, ValueError):  # ValueError: a character that has no byte
        return None


def parse_network(text: str) -> Network:
    """``10.1.2.3``, ``10.0.0.0/8``, ``2001:db8::/32`` or ``unix``. Raises ValueError saying what is
    allowed."""
    if text == UNIX:
        return Network(UNIX)
    host, slash, length = text.partition("/")
    address = parse_ip(host)
    if address is None:
        raise ValueError(_advice(host))
    bits = _BITS[address.version]
    # The bits that an IPv4 address loses when it leaves its IPv6 clothes.
    folded = 96 if address.version == 4 and ":" in host else 0
    if slash:
        try:
            prefix = parse_integer(length) - folded
        except ValueError:
            prefix = -1
        if not 0 <= prefix <= bits:
            raise ValueError(f"behind the / stands a number of bits from {folded} to {folded + bits}")
    else:
        prefix = bits
    mask = (1 << bits) - (1 << (bits - prefix))
    first = address.number & mask
    if first != address.number:
        packed = first.to_bytes(bits // 8, "big")
        start = _socket.inet_ntop(_FAMILIES[address.version], packed)
        raise ValueError(f"has bits set behind its /{length}; the network is {start}/{prefix}")
    return Network(text, address.version, first, mask)


def packed(network: Network) -> tuple[int, bytes, int]:
    """Family (0: unix sockets), address in network order and prefix, as fw_trust() of the core wants
    them."""
    size = _BITS[network.version] // 8 if network.version else 0
    return network.version, network.first.to_bytes(size, "big"), f"{network.mask:b}".count("1")


def contains(networks: Iterable[Network], peer: str) -> bool:
    """Whether a peer, REMOTE_ADDR as the core writes it, is in one of the networks.

    An empty one came by a unix socket; what is no address is in none.
    """
    if not peer:
        return any(network.version == 0 for network in networks)
    address = parse_ip(peer)
    if address is None:
        return False
    version, number, _ = address
    return any(network.version == version and number & network.mask == network.first for network in networks)


def _advice(host: str) -> str:
    if host.startswith("["):
        return f"{NETWORK_RULE}; here IPv6 has no brackets"
    if parse_ip(host.partition("%")[0]) is not None:
        return f"{NETWORK_RULE}; an address has no interface behind it here"
    return NETWORK_RULE
