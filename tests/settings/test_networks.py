"""Whom a pool trusts: how it is written, what it contains, and how it goes wrong."""

from __future__ import annotations

import ipaddress
from typing import Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws.settings import options
from fapws.settings.model import Network
from fapws.settings.networks import contains, parse_ip, parse_network

IP = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
OPTIONS = options.POOL_OPTIONS


def networks(text: str) -> tuple[Network, ...]:
    parsed: tuple[Network, ...] = options.parse(OPTIONS["trusted_proxies"], text, "/")
    return parsed


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2", "", "::1", "::10.0.0.1"]),
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1"], ["11.0.0.0", "9.255.255.255"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1", ""]),
        ("::1", ["::1", "0:0::1"], ["::2", "0.0.0.1", "127.0.0.1"]),
        ("2001:db8::/32", ["2001:db8::", "2001:DB8:ffff::1"], ["2001:db9::", "32.1.13.184"]),
        ("::/0", ["::", "ffff::"], ["0.0.0.0", "::ffff:1.2.3.4", ""]),
        ("::ffff:10.0.0.0/104", ["10.0.0.0", "10.255.0.1"], ["11.0.0.0"]),
        ("unix", [""], ["0.0.0.0", "::", "unix", "unix:"]),
        ("10.0.0.0/8, unix,\n fd00::/8", ["10.9.9.9", "", "fdff::"], ["fe80::1"]),
        ("", [], ["", "127.0.0.1", "::1"]),
    ],
)
def test_what_a_network_contains(text: str, inside: list[str], outside: list[str]) -> None:
    trusted = networks(text)
    assert [peer for peer in inside if not contains(trusted, peer)] == []
    assert [peer for peer in outside if contains(trusted, peer)] == []
    assert networks(options.format_value(OPTIONS["trusted_proxies"], trusted)) == trusted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost", "localhost: must be an address, a network such as 10.0.0.0/8 or fd00::/8, or unix"),
        ("*", "or unix"),
        ("Unix", "or unix"),
        ("unix:/run/s", "or unix"),
        ("10.0.0", "must be an address"),
        ("010.0.0.1", "must be an address"),
        ("10.0.0.1:80", "must be an address"),
        ("[::1]", "IPv6 has no brackets"),
        ("fe80::1%eth0", "no interface"),
        ("10.0.0.0/33", "bits from 0 to 32"),
        ("10.0.0.0/", "bits from 0 to 32"),
        ("10.0.0.0/-1", "bits from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "bits from 0 to 32"),
        ("::/129", "bits from 0 to 128"),
        ("::ffff:1.2.3.4/95", "bits from 96 to 128"),
        ("10.1.2.3/8", "the network is 10.0.0.0/8"),
        ("2001:db8::1/32", "the network is 2001:db8::/32"),
        ("10.0.0.1,,10.0.0.2", "empty place"),
    ],
)
def test_what_is_no_network(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        networks(text)


@pytest.mark.parametrize("text", ["1.2.3.4\0", "1.2.3.4 ", " ::1", "\xb2.1.1.1", "\ud800", "::1%", "1", ""])
def test_what_is_no_address(text: str) -> None:
    assert parse_ip(text) is None
    assert contains(networks("0.0.0.0/0, ::/0"), text) is False


@given(
    st.one_of(st.ip_addresses(), st.ip_addresses(network="::ffff:0:0/96")),
    st.integers(0, 128),
    st.one_of(st.ip_addresses(), st.ip_addresses(network="::ffff:0:0/96")),
)
def test_it_is_the_arithmetic_of_the_standard_library(address: IP, prefix: int, peer: IP) -> None:
    address, peer = (getattr(one, "ipv4_mapped", None) or one for one in (address, peer))
    network = ipaddress.ip_network((address, prefix % (address.max_prefixlen + 1)), strict=False)
    expected = peer.version == network.version and peer in network
    assert contains([parse_network(str(network))], str(peer)) is expected


@given(st.text(max_size=40))
def test_any_text_is_a_network_or_a_value_error(text: str) -> None:
    try:
        networks(text)
    except ValueError as error:
        assert str(error)
    assert contains(networks("10.0.0.0/8, ::1"), text) in (True, False)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("forwarded", ("forwarded",)),
        ("X-Forwarded-For", ("x-forwarded-for",)),
        ("x-forwarded-proto,\n  x-forwarded-for", ("x-forwarded-proto", "x-forwarded-for")),
    ],
)
def test_the_fields_that_proxies_set(text: str, fields: tuple[str, ...]) -> None:
    assert options.parse(OPTIONS["forwarded"], text, "/") == fields


@pytest.mark.parametrize(
    "text", ["", "x-real-ip", "forwarded, x-forwarded-for", "forwarded, forwarded", "x-forwarded-for,,"]
)
def test_no_other_fields(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be forwarded, or some of|empty place"):
        options.parse(OPTIONS["forwarded"], text, "/")
