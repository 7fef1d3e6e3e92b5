"""The five ways of writing an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws.settings.addresses import parse_address, parse_server, same_place
from fapws.settings.model import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8888", "127.0.0.1", 8888),
        ("localhost:80", "localhost", 80),
        (":80", "0.0.0.0", 80),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::]:8888", "::", 8888),
        ("[::1]:65535", "::1", 65535),
        ("[2001:DB8:0::1]:80", "2001:db8::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("www-1.example.org:8080", "www-1.example.org", 8080),
    ],
)
def test_tcp_address(text: str, host: str, port: int) -> None:
    assert parse_address(text, "/etc") == Address(text, "tcp", host, port)


@pytest.mark.parametrize(
    ("text", "path", "mode", "group"),
    [
        ("unix:/run/a.sock", "/run/a.sock", 0o666, ""),
        ("unix:a.sock", "/etc/fapws/a.sock", 0o666, ""),
        ("unix:../a.sock?mode=660", "/etc/a.sock", 0o660, ""),
        ("unix:/a?mode=0600&group=www", "/a", 0o600, "www"),
        ("unix:/a?group=www", "/a", 0o666, "www"),
    ],
)
def test_unix_address_with_mode_and_group(text: str, path: str, mode: int, group: str) -> None:
    wanted = Address(text, "unix", path=path, mode=mode, group=group)
    assert parse_address(text, "/etc/fapws") == wanted


def test_inherited_descriptor() -> None:
    assert parse_address("fd:3", "/") == Address("fd:3", "fd", port=3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be host:port"),
        ("8888", "write :8888"),
        ("10.0.0.1", "write 10.0.0.1:8888"),
        ("*:80", "written :80"),
        ("::1:80", "in brackets"),
        ("[::1]", "IPv6 is written"),
        ("[::1:80", "IPv6 is written"),
        ("[::g]:80", "not an IPv6 address"),
        ("[1.2.3.4]:80", "not an IPv6 address"),
        ("[fe80::1%]:80", "no interface"),
        ("300.0.0.1:80", "not an IPv4 address"),
        ("1.2.3:80", "not an IPv4 address"),
        ("a b:80", "must be host:port"),
        ("http://x:80", "in brackets"),
        ("localhost:", "from 0 to 65535"),
        ("localhost:65536", "from 0 to 65535"),
        ("localhost:-1", "from 0 to 65535"),
        ("localhost:٣", "from 0 to 65535"),
        ("unix:", "needs the path"),
        ("unix:?mode=660", "needs the path"),
        ("unix:/a?", "may stand"),
        ("unix:/a?mode=999", "octal"),
        ("unix:/a?mode=1777", "octal"),
        ("unix:/a?mode=66", "octal"),
        ("unix:/a?owner=www", "may stand"),
        ("unix:/a?group=", "may stand"),
        ("unix:/a?mode=660&mode=600", "twice"),
        ("unix:/" + "a" * 103, "at most 103"),
        ("fd:", "3 or more"),
        ("fd:2", "3 or more"),
        ("fd:x", "3 or more"),
    ],
)
def test_bad_address_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_address(text, "/")


@given(st.ip_addresses(), st.integers(0, 65535))
def test_any_ip_and_port_is_an_address(ip: object, port: int) -> None:
    host = f"[{ip}]" if ":" in str(ip) else str(ip)
    address = parse_address(f"{host}:{port}", "/")
    assert (address.kind, address.port) == ("tcp", port)
    assert parse_address(address.text, "/elsewhere") == address


@given(st.text(max_size=30), st.sampled_from(["", "unix:", "fd:", ":", "[", "h:"]))
def test_any_text_is_an_address_or_a_value_error(text: str, prefix: str) -> None:
    try:
        assert parse_address(prefix + text, "/").text == prefix + text
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        (":80", "0.0.0.0", 80),
        ("10.0.0.1", "10.0.0.1", 8888),
        ("10.0.0.1:", "10.0.0.1", 8888),
        ("localhost", "localhost", 8888),
        ("[::1]", "::1", 8888),
        ("[::1]:80", "::1", 80),
    ],
)
def test_server_of_a_script_may_name_ip_or_port_alone(server: str, host: str, port: int) -> None:
    address = parse_server(server)
    assert (address.kind, address.host, address.port) == ("tcp", host, port)


def test_same_place_sees_through_notation(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    def place(text: str) -> tuple[str, ...]:
        return same_place(parse_address(text, "/tmp"))

    assert place(":80") == place("0.0.0.0:80")
    assert place("[::0]:80") == place("[::]:80")
    assert place("unix:x?mode=600") == place("unix:/tmp/y/../x")
    assert place("LocalHost:80") == place("localhost:80")
    assert place(f"unix:{tmp_path}/link/x") == place(f"unix:{tmp_path}/x")
    assert place(":80") != place(":81")
    assert place(":0") == ()
