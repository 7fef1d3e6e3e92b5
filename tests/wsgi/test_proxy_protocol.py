"""proxy_protocol = yes: what begins a connection (HAProxy's proxy-protocol.txt, versions 1 and 2).

Section numbers in the comments are those of that document.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.haproxy import haproxy, needs_haproxy
from support.raw import Address, Client, request
from support.server import Server

APPLICATION = """
import json
from wsgiref.validate import validator


@validator
def application(environ, start_response):
    print("seen", environ["PATH_INFO"], flush=True)
    start_response("200 OK", [("Content-Type", "application/json")])
    plain = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [json.dumps(plain).encode()]
"""
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4, UDP4, TCP6, UDP6, UNIX, UNSPEC = 0x11, 0x12, 0x21, 0x22, 0x31, 0x00
LOCAL, PROXY = 0x20, 0x21
ADDRESSES4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.2") + struct.pack("!HH", 56324, 443)
ADDRESSES6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    + struct.pack("!HH", 56324, 443)
)
FULL = "ffff:" * 7 + "ffff"
REAL = "the peer of the connection"
OPTIONS = "proxy_protocol = yes\ntrusted_proxies = 127.0.0.1, 10.0.0.0/8\ndebug = 1"


def v2(command: int = PROXY, family: int = TCP4, block: bytes = ADDRESSES4, size: int | None = None) -> bytes:
    """A header of version 2 (section 2.2)."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block) if size is None else size) + block


def tlv(kind: int, value: bytes) -> bytes:
    """An extension (section 2.2)."""
    return struct.pack("!BH", kind, len(value)) + value


VALID = {
    "v1 TCP4": (V1, "192.0.2.1", "56324"),
    "v1 TCP6": (b"PROXY TCP6 2001:DB8::1 ::1 56324 443\r\n", "2001:db8::1", "56324"),
    "v1 ports at their bounds": (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0", "0"),
    "v1 longest TCP4": (
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        "255.255.255.255",
        "65535",
    ),
    "v1 longest TCP6": (f"PROXY TCP6 {FULL} {FULL} 65535 65535\r\n".encode(), FULL, "65535"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", REAL, ""),
    "v1 UNKNOWN with addresses": (b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n", REAL, ""),
    "v1 UNKNOWN with anything": (b"PROXY UNKNOWN \xff GET / HTTP/1.1\r\n", REAL, ""),
    "v1 longest UNKNOWN": (f"PROXY UNKNOWN {FULL} {FULL} 65535 65535\r\n".encode(), REAL, ""),
    "v2 TCP4": (v2(), "192.0.2.1", "56324"),
    "v2 TCP6": (v2(family=TCP6, block=ADDRESSES6), "2001:db8::1", "56324"),
    "v2 TCP4 with TLVs": (
        v2(block=ADDRESSES4 + tlv(4, b"") + tlv(2, b"example.org") + tlv(0xEE, b"\r\n\r\n\0")),
        "192.0.2.1",
        "56324",
    ),
    "v2 TCP6 of 536 bytes": (v2(family=TCP6, block=ADDRESSES6 + tlv(4, bytes(481))), "2001:db8::1", "56324"),
    "v2 with an unknown TLV that is cut": (v2(block=ADDRESSES4 + b"\xe0\xff"), "192.0.2.1", "56324"),
    "v2 LOCAL": (v2(LOCAL, UNSPEC, b""), REAL, ""),
    "v2 LOCAL with addresses and TLVs": (v2(LOCAL, TCP4, ADDRESSES4 + tlv(4, b"x")), REAL, ""),
    "v2 LOCAL of an unassigned family": (v2(LOCAL, 0xFF, b"abc"), REAL, ""),
    "v2 UNSPEC": (v2(PROXY, UNSPEC, b""), REAL, ""),
    "v2 UNSPEC with bytes": (v2(PROXY, UNSPEC, b"GET / HTTP/1.1\r\n\r\n"), REAL, ""),
    "v2 UDP4": (v2(PROXY, UDP4, ADDRESSES4), REAL, ""),
    "v2 UDP6": (v2(PROXY, UDP6, ADDRESSES6), REAL, ""),
    "v2 unix": (v2(PROXY, UNIX, b"/client".ljust(108, b"\0") + bytes(108)), REAL, ""),
}
MALFORMED = {
    "no header at all": b"",
    "an empty line first": b"\r\n" + V1,
    "v1 in lower case": V1.lower(),
    "v1 lower-case family": b"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 two spaces": b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 two spaces later": b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
    "v1 tab": b"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 space at the end": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
    "v1 bare LF": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
    "v1 bare CR": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r",
    "v1 two CRs": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
    "v1 nothing behind it": b"PROXY\r\n",
    "v1 only a space": b"PROXY \r\n",
    "v1 unknown family": b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 UDP": b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 more than UNKNOWN": b"PROXY UNKNOWNS\r\n",
    "v1 no ports": b"PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
    "v1 one port": b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
    "v1 three ports": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
    "v1 zeros before a number": b"PROXY TCP4 192.000.2.1 192.0.2.2 1 2\r\n",
    "v1 zeros before a port": b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
    "v1 port too large": b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
    "v1 second port too large": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n",
    "v1 signed port": b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
    "v1 hexadecimal port": b"PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2\r\n",
    "v1 number too large": b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
    "v1 three numbers": b"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
    "v1 name": b"PROXY TCP4 localhost 192.0.2.2 1 2\r\n",
    "v1 TCP4 with IPv6": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "v1 TCP6 with IPv4": b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    "v1 mixed families": b"PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
    "v1 zone": b"PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n",
    "v1 brackets": b"PROXY TCP6 [::1] [::2] 1 2\r\n",
    "v1 two gaps": b"PROXY TCP6 1::2::3 ::1 1 2\r\n",
    "v1 zero byte": b"PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n",
    "v1 one byte too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "v1 without end": b"PROXY UNKNOWN " + b"x" * 200,
    "v2 version 1": v2(command=0x11),
    "v2 version 3": v2(command=0x31),
    "v2 unassigned command": v2(command=0x22),
    "v2 last command": v2(command=0x2F),
    "v2 unassigned family": v2(family=0x41),
    "v2 last family": v2(family=0xF1),
    "v2 unassigned transport": v2(family=0x13),
    "v2 last transport": v2(family=0x2F, block=ADDRESSES6),
    "v2 TCP4 without addresses": v2(block=b""),
    "v2 TCP4 one byte short": v2(block=ADDRESSES4[:-1]),
    "v2 TCP6 one byte short": v2(family=TCP6, block=ADDRESSES6[:-1]),
    "v2 TCP6 of TCP4's size": v2(family=TCP6),
    "v2 longer than any": v2(size=0xFFFF),
    "v2 signature with another byte": v2().replace(b"QUIT", b"QUIt"),
    "v2 signature with another line end": v2().replace(b"\0\r\n", b"\0\n\n"),
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(100),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """It takes PROXY headers from this machine, and the word of 10.0.0.0/8 about its clients."""
    with Server(APPLICATION, options=OPTIONS) as running:
        yield running


def seen_by(address: Address, header: bytes, *fields: str) -> Any:
    """The environ of a request behind a header."""
    with Client(address) as client:
        client.send(header + request("/", *fields))
        answer = client.read()
    assert answer.status == 200, answer
    return json.loads(answer.body)


# ---- Valid ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALID)
@pytest.mark.parametrize("mode", ["whole", "alone", "bytes"])
def test_a_valid_header_tells_the_client(server: Server, name: str, mode: str) -> None:
    header, remote, port = VALID[name]
    data = header + request("/")
    with Client(server.address) as client:
        if remote is REAL:
            remote, port = (str(part) for part in client.socket.getsockname())
        cuts = {"whole": [data], "alone": [header, data[len(header) :]], "bytes": [b"%c" % b for b in data]}
        client.send_pieces(cuts[mode])
        answer = client.read()
        assert answer.status == 200, answer
        seen = json.loads(answer.body)
        assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (remote, port)
        # The address that the client connected to is the proxy's, not ours.
        assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", str(server.port))
        # It holds for the connection: for the next request as well.
        again = json.loads(client.get("/").body)
        assert (again["REMOTE_ADDR"], again["REMOTE_PORT"]) == (remote, port)


@pytest.mark.parametrize("header", [V1, v2(family=TCP6, block=ADDRESSES6 + tlv(4, b"xx"))], ids=["v1", "v2"])
def test_it_may_be_cut_anywhere(server: Server, header: bytes) -> None:
    for at in range(1, len(header) + 1):
        with Client(server.address) as client:
            client.send_pieces([header[:at], header[at:] + request("/")])
            assert json.loads(client.read().body)["REMOTE_PORT"] == "56324", at


def test_pipelined_requests_have_one_client(server: Server) -> None:
    with Client(server.address) as client:
        client.send(v2() + request("/") * 5)
        assert {json.loads(client.read().body)["REMOTE_ADDR"] for _ in range(5)} == {"192.0.2.1"}


def test_connections_do_not_share_it(server: Server) -> None:
    headers = [b"PROXY TCP4 192.0.2.%d 192.0.2.254 %d 80\r\n" % (n, 1000 + n) for n in range(20)]
    clients = [Client(server.address) for _ in headers]
    for client, header in zip(clients, headers):
        client.send(header)
    for number, client in reversed(list(enumerate(clients))):
        seen = json.loads(client.get("/").body)
        assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (f"192.0.2.{number}", str(1000 + number))
        client.close()


# ---- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("mode", ["whole", "bytes"])
def test_anything_else_is_refused_and_reaches_no_application(server: Server, name: str, mode: str) -> None:
    data = MALFORMED[name] + request("/malformed")
    mark = server.mark()
    with Client(server.address) as client:
        client.send_pieces([data] if mode == "whole" else [b"%c" % byte for byte in data])
        assert client.read().status == 400
        client.assert_ended()
    server.wait_log(r"debug: bad_proxy_header from 127\.0\.0\.1:\d+: ", since=mark)
    assert seen_by(server.address, V1)["REMOTE_ADDR"] == "192.0.2.1"
    server.wait_log("seen /$", since=mark)
    assert "seen /malformed" not in server.log_since(mark)


@pytest.mark.parametrize("second", [V1, v2()], ids=["v1", "v2"])
def test_a_second_header_is_no_request(server: Server, second: bytes) -> None:
    with Client(server.address) as client:
        client.send(V1 + second + request("/"))
        assert client.read().status == 400
        client.assert_ended()
    with Client(server.address) as client:
        client.send(V1 + request("/") + second + request("/"))
        assert [client.read().status for _ in range(2)] == [200, 400]
        client.assert_ended()


@pytest.mark.parametrize("part", [b"", V1[:-1], V1[:3], v2()[:-1], v2()[:13], v2()[:1]], ids=len)
def test_a_header_that_ends_early_is_no_request(server: Server, part: bytes) -> None:
    before = server.mark()
    with Client(server.address) as client:
        client.send(V1 + request("/before"))
        assert client.read().status == 200
    server.wait_log("seen /before", since=before)  # and with it all that earlier tests have printed
    mark = server.mark()
    with Client(server.address) as client:
        client.send(part)
        client.half_close()
        client.read_to_end()
    with Client(server.address) as client:
        client.send(V1 + request("/after"))
        assert client.read().status == 200
    server.wait_log("seen /after", since=mark)
    assert server.log_since(mark).count("seen /") == 1


@pytest.mark.parametrize("part", [V1[:-1], v2()[:-1]], ids=["v1", "v2"])
def test_a_header_that_does_not_come_in_time_ends_the_connection(part: bytes) -> None:
    options = f"{OPTIONS}\nheader_timeout = 1s"  # not for the others: they may be kept waiting for longer
    with Server(APPLICATION, options=options) as server, Client(server.address) as client:
        client.send(part)
        assert client.read().status == 408
        client.assert_ended()


def test_a_header_is_no_part_of_the_request_head() -> None:
    """Its size counts for no limit but its own."""
    options = "proxy_protocol = yes\nmax_header_size = 1k\nmax_uri = 512"
    with Server(APPLICATION, options=options) as server:
        long = v2(block=ADDRESSES4 + tlv(4, bytes(2000)))
        for header in (V1, v2(), long):
            assert seen_by(server.address, header, "X-Long: " + "x" * 900)["REMOTE_ADDR"] == "192.0.2.1"


def test_without_the_option_a_header_is_a_bad_request() -> None:
    with Server(APPLICATION, options="trusted_proxies = 127.0.0.1") as server:
        for header in (V1, v2(), b"PROXY UNKNOWN\r\n"):
            with Client(server.address) as client:
                client.send(header + request("/"))
                assert client.read().status == 400
                client.assert_ended()


# ---- A header that names nobody ------------------------------------------------------------------

NAMELESS = {
    "v1 UNKNOWN": b"PROXY UNKNOWN\r\n",
    "v1 UNKNOWN with addresses": b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
    "v2 LOCAL": v2(LOCAL, UNSPEC, b""),
    "v2 LOCAL with addresses": v2(LOCAL, TCP4),
    "v2 UNSPEC": v2(PROXY, UNSPEC, b""),
    "v2 UNIX": v2(PROXY, UNIX, bytes(216)),
    "v2 UDP4": v2(PROXY, UDP4),
}
FROM_10 = socket.inet_aton("10.0.0.1") + ADDRESSES4[4:]
TALES = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example")


@pytest.mark.parametrize("name", NAMELESS)
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_without_a_client_nothing_that_it_says_of_itself_is_believed(name: str, unix: bool) -> None:
    """The peer is the trusted proxy, but the fields are its unknown client's."""
    options = "proxy_protocol = yes\ntrusted_proxies = 127.0.0.1, unix, 10.0.0.1"
    with Server(APPLICATION, options=options, unix=unix) as server, Client(server.address) as client:
        for number in range(4):  # as a new shape and as a cached one
            client.send((b"" if number else NAMELESS[name]) + request("/", *TALES))
            seen = json.loads(client.read().body)
            assert seen["REMOTE_ADDR"] == ("" if unix else "127.0.0.1")
            assert seen["wsgi.url_scheme"] == "http"
            assert seen["HTTP_HOST"] != "evil.example"
        # It is another shape than that of a trusted proxy in front of this one.
        assert seen_by(server.address, v2(block=FROM_10), *TALES)["REMOTE_ADDR"] == "6.6.6.6"


# ---- Who may send one ----------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["127.0.0.2", "10.0.0.0/8, ::/0", "unix"])
@pytest.mark.parametrize("first", [V1, v2(), v2(LOCAL, UNSPEC, b""), b""], ids=["v1", "v2", "local", "none"])
def test_nobody_but_trusted_proxies(trusted: str, first: bytes) -> None:
    options = f"proxy_protocol = yes\ntrusted_proxies = {trusted}\ndebug = 1"
    with Server(APPLICATION, options=options) as server:
        with Client(server.address) as client:
            client.send(first + request("/"))
            assert client.read().status == 400
            client.assert_ended()
        server.wait_log(r"debug: untrusted_proxy from 127\.0\.0\.1:\d+: ")
        assert "seen" not in server.log


@pytest.mark.parametrize("trusted", ["127.0.0.0/25", "127.0.0.1/32", "10.0.0.1, 0.0.0.0/0"])
def test_networks_of_trusted_proxies(trusted: str) -> None:
    with Server(APPLICATION, options=f"proxy_protocol = yes\ntrusted_proxies = {trusted}") as server:
        assert seen_by(server.address, V1)["REMOTE_PORT"] == "56324"


def test_ipv6_proxies() -> None:
    for trusted, status in (("::1", 200), ("::/127", 200), ("::2/127", 400), ("127.0.0.1", 400)):
        options = f"proxy_protocol = yes\ntrusted_proxies = {trusted}"
        with Server(APPLICATION, options=options, bind="[::1]:0") as server, Client(server.address) as client:
            client.send(V1 + request("/"))
            assert client.read().status == status, trusted


@pytest.mark.parametrize(("trusted", "status"), [("unix", 200), ("", 200), ("127.0.0.1", 400)])
def test_a_unix_socket(trusted: str, status: int) -> None:
    options = f"proxy_protocol = yes\ntrusted_proxies = {trusted}"
    with Server(APPLICATION, options=options, unix=True) as server:
        for header, remote in ((v2(), "192.0.2.1"), (v2(LOCAL, UNSPEC, b""), "")):
            with Client(server.address) as client:
                client.send(header + request("/"))
                answer = client.read()
                assert answer.status == status
                assert status != 200 or json.loads(answer.body)["REMOTE_ADDR"] == remote


def test_the_address_of_the_header_decides_about_forwarded_fields(server: Server) -> None:
    fields = ("X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https")
    seen = seen_by(server.address, V1, *fields)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.1", "http")
    seen = seen_by(server.address, b"PROXY TCP4 10.0.0.5 10.0.0.6 1 2\r\n", *fields)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("198.51.100.7", "https")


# ---- A real proxy --------------------------------------------------------------------------------


@needs_haproxy
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize(
    "words", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
)
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_behind_haproxy(mode: str, words: str, unix: bool, tmp_path: Path) -> None:
    options = f"proxy_protocol = yes\ntrusted_proxies = {'unix' if unix else '127.0.0.9'}"
    source = "" if unix else " source 127.0.0.9"
    rules = ("unique-id-format %[src]-%rt",) if "unique-id" in words else ()
    with (
        Server(APPLICATION, options=options, unix=unix) as server,
        haproxy(server.address, tmp_path, *rules, mode=mode, words=words + source) as address,
        Client(address) as client,
    ):
        for _ in range(3):
            seen = json.loads(client.get("/").body)
            assert seen["REMOTE_ADDR"] == "127.0.0.1"
            assert seen["REMOTE_PORT"] == str(client.socket.getsockname()[1])
