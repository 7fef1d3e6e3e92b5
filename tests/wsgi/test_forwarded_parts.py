"""The rules of fapws/wsgi/forwarded.py without a server: what is read, and what never happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fapws.settings.networks import contains, parse_ip, parse_network
from fapws.wsgi.forwarded import Forwarded, Node, Said, elements_from_the_right, parse_node, read

X_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
NETWORKS = tuple(map(parse_network, ("10.0.0.0/8", "fd00::/8", "unix")))
FIELDS = {field: "HTTP_" + field.upper().replace("-", "_") for field in (*X_FORWARDED, "forwarded")}


def trusts(peer: str) -> bool:
    return contains(NETWORKS, peer)


def environ_after(
    peer: str, given: dict[str, str], fields: tuple[str, ...] = X_FORWARDED, **more: str
) -> dict[str, Any]:
    """What an application sees; given: field values by name in lower case."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.update(environ)
        return []

    environ = {
        "REMOTE_ADDR": peer,
        "REMOTE_PORT": "4711",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8888",
        "HTTP_HOST": "inner:8888",
        "wsgi.url_scheme": "http",
        **{FIELDS[name]: value for name, value in given.items()},
        **more,
    }
    Forwarded(application, NETWORKS, fields)(environ, lambda *_: None)
    return seen


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("6.6.6.6,192.0.2.1,10.0.0.2", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1 , 10.0.0.2 ,\t10.0.0.3 ", "192.0.2.1"),
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:80, fd00::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
        # The chain ends at what is no address; what was known by then counts.
        ("6.6.6.6, unknown", ""),
        ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        ("6.6.6.6, , 10.0.0.2", "10.0.0.2"),
        ("6.6.6.6, ", ""),
        ("6.6.6.6, _hidden", ""),
        ("6.6.6.6, 192.0.2.256", ""),
        ("6.6.6.6, 192.0.2.1:65536", ""),
        ("6.6.6.6, 192.0.2.1:", ""),
        ("6.6.6.6, unix:", ""),
        ("6.6.6.6, unix", ""),
        ("6.6.6.6, fe80::1%eth0", ""),
        ("6.6.6.6, [2001:db8::1", ""),
        ("6.6.6.6, [192.0.2.1]", ""),
        ('6.6.6.6, "192.0.2.1"', ""),
        ("6.6.6.6; 192.0.2.1", ""),
        ("6.6.6.6 192.0.2.1", ""),
        ("localhost", ""),
        ("", ""),
        (",", ""),
        ("\xb2.1.1.1", ""),
        ("192.0.2.1\x00", ""),
    ],
)
def test_the_right_most_hop_that_is_not_trusted_is_the_client(value: str, client: str) -> None:
    seen = environ_after("10.0.0.1", {"x-forwarded-for": value})
    assert seen["REMOTE_ADDR"] == (client or "10.0.0.1")
    assert seen["HTTP_X_FORWARDED_FOR"] == value
    assert seen["wsgi.url_scheme"] == "http"


def test_the_port_is_that_of_the_hop_or_empty() -> None:
    for value, port in (("1.2.3.4:080", "80"), ("[::2]:65535", "65535"), ("1.2.3.4", ""), ("bad", "4711")):
        assert environ_after("10.0.0.1", {"x-forwarded-for": value})["REMOTE_PORT"] == port


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http, https", "https"),
        ("https, http", "http"),
        ("https,", "http"),
        ("wss", "http"),
        ("https;", "http"),
        ("", "http"),
        ('"https"', "http"),
        ("http\u017f", "http"),  # LATIN SMALL LETTER LONG S, which upper() would make an S
    ],
)
def test_only_the_nearest_proxy_makes_it_https(value: str, scheme: str) -> None:
    seen = environ_after("10.0.0.1", {"x-forwarded-proto": value})
    assert seen["wsgi.url_scheme"] == scheme
    assert seen["REMOTE_ADDR"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("host", "proto", "expected"),
    [
        ("example.org", "https", ("example.org", "example.org", "443")),
        ("example.org", "", ("example.org", "example.org", "80")),
        ("example.org:8443", "https", ("example.org:8443", "example.org", "8443")),
        ("evil.example, example.org", "http", ("example.org", "example.org", "80")),
        ("[2001:db8::1]", "https", ("[2001:db8::1]", "[2001:db8::1]", "443")),
        ("[2001:db8::1]:81", "https", ("[2001:db8::1]:81", "[2001:db8::1]", "81")),
        ("[v1.abc:d]", "https", ("[v1.abc:d]", "[v1.abc:d]", "443")),
        ("[vf.a]:81", "https", ("[vf.a]:81", "[vf.a]", "81")),
        ("", "https", ("inner:8888", "inner", "8888")),
        ("", "", ("inner:8888", "127.0.0.1", "8888")),
    ],
)
def test_host_name_and_port_go_together(host: str, proto: str, expected: tuple[str, ...]) -> None:
    seen = environ_after("10.0.0.1", {"x-forwarded-host": host, "x-forwarded-proto": proto})
    assert (seen["HTTP_HOST"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == expected


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "a@b",
        "a\\b",
        "a:b",
        "a:99999",
        "a:",
        ":80",
        "[::1",
        "[1.2.3.4]",
        "[::g]",
        "[v1.]",
        "[v.a]",
        "a?b",
        "\xe9",
        "a:80:80",
        "[::1]x",
        "a<b",
        'a"',
        "a;b",
        "a,",
        "%61",
    ],
)
def test_a_host_that_is_none_changes_nothing(host: str) -> None:
    seen = environ_after("10.0.0.1", {"x-forwarded-host": host})
    assert (seen["HTTP_HOST"], seen["SERVER_NAME"]) == ("inner:8888", "127.0.0.1")
    assert seen["SERVER_PORT"] == "8888"


def test_a_request_without_host_gets_the_port_of_its_scheme() -> None:
    seen = environ_after("10.0.0.1", {"x-forwarded-proto": "https"}, HTTP_HOST="")
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", "443")


# ---- Forwarded -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", ("192.0.2.60", "", "http", "")),
        ("For=192.0.2.60 ; Proto=HTTPS", ("192.0.2.60", "", "https", "")),
        ('for="[2001:db8:cafe::17]:4711"', ("2001:db8:cafe::17", "4711", "", "")),
        ('for="192.0.2.1:_obf"', ("192.0.2.1", "", "", "")),
        ('for="19\\2.0.2\\.1"', ("192.0.2.1", "", "", "")),
        ('proto=https;host="example.org:81";for=192.0.2.1', ("192.0.2.1", "", "https", "example.org:81")),
        (";;for=192.0.2.1;;", ("192.0.2.1", "", "", "")),
        # The client's own tale to the left of the first hop that is not trusted.
        ("for=6.6.6.6;proto=https;host=evil.example, for=192.0.2.1", ("192.0.2.1", "", "", "")),
        ('for="6.6.6.6, for=192.0.2.1;proto=https', ("192.0.2.1", "", "https", "")),
        ('for=6.6.6.6;x="\\", for=192.0.2.1', ("192.0.2.1", "", "", "")),
        (",,,for=192.0.2.1", ("192.0.2.1", "", "", "")),
        # Trusted hops: proto and host are those of the element that tells the client.
        (
            "for=6.6.6.6, for=192.0.2.1;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b",
            ("192.0.2.1", "", "https", "a.example"),
        ),
        ('for=192.0.2.1, for="[fd00::1]";proto=https', ("192.0.2.1", "", "", "")),
        # The chain ends.
        ("for=6.6.6.6, for=unknown;proto=https", ("", "", "https", "")),
        ("for=6.6.6.6, for=_hidden, for=10.0.0.2", ("10.0.0.2", "", "", "")),
        ("for=6.6.6.6, proto=https", ("", "", "https", "")),
        ("for=6.6.6.6, ", ("", "", "", "")),
        # Malformed: the element counts for nothing, and nothing left of it is read.
        ("for=6.6.6.6, for=192.0.2.1:80;proto=https", ("", "", "", "")),
        ("for=6.6.6.6, for=[2001:db8::1]", ("", "", "", "")),
        ("for=6.6.6.6, for=192.0.2.1;for=192.0.2.2;proto=https", ("", "", "", "")),
        ("for=6.6.6.6, for = 192.0.2.1", ("", "", "", "")),
        ('for=6.6.6.6, for="192.0.2.1', ("", "", "", "")),
        ("for=6.6.6.6, for=192.0.2.1;proto", ("", "", "", "")),
        ("for=6.6.6.6, for=10.0.0.2;proto=https proto=http", ("", "", "", "")),
        ('for=6.6.6.6, for="2001:db8::1"', ("", "", "", "")),
        ('for=6.6.6.6, for=192.0.2.1;x="\x01"', ("", "", "", "")),
        ('for=192.0.2.1;proto="https, http";host="a,b"', ("192.0.2.1", "", "", "")),
        ('for=192.0.2.1;x="a, for=6.6.6.6;y=\\"b"', ("192.0.2.1", "", "", "")),
        ('for=192.0.2.1;x="a, for=6.6.6.6"', ("192.0.2.1", "", "", "")),
        ("", ("", "", "", "")),
    ],
)
def test_forwarded(value: str, expected: tuple[str, str, str, str]) -> None:
    said = read({"forwarded": value}, trusts)
    client = Node(*expected[:2]) if expected[0] else None
    assert said == Said(client, *expected[2:])


# ---- Whatever anybody sends ----------------------------------------------------------------------

_pieces = st.sampled_from(
    [
        *'",;=:%\\ \t\x00\xff',
        "for=",
        "proto=https",
        "host=evil.example",
        "10.0.0.2",
        "6.6.6.6",
        "[fd00::1]",
        ":80",
        "unknown",
        "_x",
        "unix",
        "https",
        "x=",
    ]
)
_tales = st.one_of(st.lists(_pieces, max_size=12).map("".join), st.text(max_size=30))
_public = st.ip_addresses().map(str).filter(lambda text: not trusts(text))
_private = st.sampled_from(["10.0.0.2", "10.255.255.255", "fd00::5"])


@given(_tales, _tales, _tales, _tales, _public, st.booleans())
def test_the_untrusted_change_nothing(
    for_: str, proto: str, host: str, forwarded: str, peer: str, by_forwarded: bool
) -> None:
    given = dict(zip(FIELDS, (for_, proto, host, forwarded)))
    fields = ("forwarded",) if by_forwarded else X_FORWARDED
    assert environ_after(peer, given, fields) == environ_after(peer, given, ())


@given(_tales, _public, st.lists(_private, max_size=3))
def test_no_tale_in_front_of_the_chain_changes_the_client(tale: str, client: str, hops: list[str]) -> None:
    chain = [parse_ip(hop).text for hop in (client, *hops)]  # type: ignore[union-attr]
    value = ", ".join([tale, *chain])
    assert environ_after("", {"x-forwarded-for": value})["REMOTE_ADDR"] == chain[0]

    elements = [f'for="[{hop}]"' if ":" in hop else f"for={hop}" for hop in chain]
    said = read({"forwarded": ", ".join([tale, *elements])}, trusts)
    assert said == Said(Node(chain[0], ""))


@given(_tales, _tales, _tales, _tales, st.sampled_from(["10.0.0.1", "fd00::1", ""]))
@settings(max_examples=500)
def test_nothing_raises_and_what_comes_out_is_well_formed(
    for_: str, proto: str, host: str, forwarded: str, peer: str
) -> None:
    given = dict(zip(FIELDS, (for_, proto, host, forwarded)))
    for fields in (X_FORWARDED, ("forwarded",)):
        seen = environ_after(peer, given, fields)
        assert seen["wsgi.url_scheme"] in ("http", "https")
        assert seen["REMOTE_ADDR"] == peer or parse_ip(seen["REMOTE_ADDR"]) is not None
        assert seen["REMOTE_PORT"] == "" or 0 <= int(seen["REMOTE_PORT"]) <= 65535
        assert 0 <= int(seen["SERVER_PORT"]) <= 65535
        assert not set(seen["HTTP_HOST"]) & set(" \t,;/@\\\"'<>?#%\x00\xff")


@given(_tales, _tales, _tales, _tales)
def test_fields_that_the_proxy_does_not_set_change_nothing(
    for_: str, proto: str, host: str, forwarded: str
) -> None:
    tales = dict(zip(FIELDS, (for_, proto, host, forwarded)))
    own = {"x-forwarded-for": "192.0.2.1"}
    fields = ("x-forwarded-for",)
    assert environ_after("10.0.0.1", {**tales, **own}, fields) == {
        **environ_after("10.0.0.1", {**tales, **own}, ()),
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "",
    }


@given(st.text(alphabet='for=,;" \\', max_size=40))
def test_elements_come_whole_and_in_order(value: str) -> None:
    names = [name for element in elements_from_the_right(value) for name in element]
    assert all(name == name.lower() and '"' not in name for name in names)


@given(st.text(max_size=30))
def test_any_text_is_a_node_or_none(text: str) -> None:
    node = parse_node(text)
    assert node is None or parse_ip(node.address) is not None


@pytest.mark.parametrize(
    "piece", [*', ;"\\:', "\t,", 'a="', 'a="\\",', "a=b;", "a=1,", " ;", '",a="', "10.0.0.2,", 'a="x";']
)
@pytest.mark.parametrize("end", ["", '"', "x", ' x"', ","])
def test_the_largest_field_takes_no_time(piece: str, end: str) -> None:
    value = piece * (65536 // len(piece)) + end
    began = time.process_time()
    for fields in (X_FORWARDED, ("forwarded",)):
        environ_after("10.0.0.1", dict.fromkeys(FIELDS, value), fields)
    assert time.process_time() - began < 0.5
