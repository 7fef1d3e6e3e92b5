"""start_response, write() and faults of the application (PEP 3333 "The start_response() Callable",
"Error Handling"; docs/http.md, "Response")."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from faults import WRONG
from support.raw import Client, Cut, fetch, request
from support.server import Server

SECRET = "secret-of-the-traceback"


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


# ---- Rules that are kept ---------------------------------------------------------------------


def test_late_call(server: Server) -> None:
    answer = fetch(server.address, "/late")
    assert (answer.status, answer.body) == (200, b"late")
    assert answer.head.get("X-Late") == "yes"


def test_late_call_without_content(server: Server) -> None:
    answer = fetch(server.address, "/late_empty")
    assert (answer.status, answer.body) == (202, b"")
    assert answer.head.get("X-Late") == "yes"


def test_write_comes_before_what_is_returned(server: Server) -> None:
    answer = fetch(server.address, "/write")
    assert answer.body == b"written 0\nwritten 1\nwritten 2\nreturned\n"


def test_write_only(server: Server) -> None:
    assert fetch(server.address, "/write_only").body == b"written"


def test_write_with_a_length(server: Server) -> None:
    answer = fetch(server.address, "/write_length")
    assert answer.head.get("Content-Length") == "8"
    assert answer.body == b"fourmore"


def test_write_to_head(server: Server) -> None:
    with Client(server.address) as client:
        client.get("/write", method="HEAD")
        client.assert_open()


def test_write_to_1_0(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/write", version="1.0"))
        answer = client.read()
        assert answer.body.endswith(b"returned\n")
        client.assert_ended()


def test_much_writing_to_a_client_that_reads_late(server: Server) -> None:
    with Client(server.address, receive_buffer=8192) as slow:
        slow.send(request("/write_large?n=200"))
        # write() may not block the worker: others are served meanwhile.
        assert fetch(server.address, "/hello").status == 200
        assert slow.read().body == b"w" * (200 * 65536)


def test_exc_info_replaces_a_head_that_is_not_sent(server: Server) -> None:
    for target in ("/exc_info_before", "/exc_info_in_iterator"):
        answer = fetch(server.address, target)
        assert (answer.status, answer.body) == (503, b"replaced")
        assert answer.head.get("X-Second") == "yes"
        assert not answer.head.all("X-First")


def test_exc_info_in_the_first_call(server: Server) -> None:
    answer = fetch(server.address, "/exc_info_first")
    assert (answer.status, answer.head.reason, answer.body) == (500, "Oops", b"oops")


def test_exc_info_after_the_head_is_raised_again_and_cuts(server: Server) -> None:
    events(server)
    mark = server.mark()
    with Client(server.address) as client:
        client.send(request("/exc_info_after"))
        assert client.read_head().status == 200
        with pytest.raises(Cut):
            client.read_rest()
    server.wait_log("too-late-for-another-head", since=mark)
    seen = events(server)
    assert "exc_info_after raised same True" in seen
    assert "exc_info_after went on" not in seen
    assert seen.count("exc_info_after close") == 1


def test_an_application_may_go_on_after_the_error_it_caught(server: Server) -> None:
    assert fetch(server.address, "/exc_info_swallowed").body == b"first;second"


# ---- Faults: 500, and the log names them -----------------------------------------------------


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/twice", "start_response"),
        ("/twice_in_iterator", "start_response"),
        ("/never", "start_response"),
        ("/never_empty", "start_response"),
        ("/never_iterator", "start_response"),
        ("/raises", SECRET),
        ("/raises_after_start", SECRET),
        ("/raises_in_iterator", SECRET),
        ("/raises_base", SECRET),
        ("/raises_exit", "SystemExit"),
        ("/raises_unprintable", "Unprintable"),
    ],
)
def test_a_fault_before_the_head_is_500(server: Server, target: str, named: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        answer = client.get(target)
        assert answer.status == 500
        assert SECRET not in answer.text
        assert "Traceback" not in answer.text
        assert "never" not in answer.text
        if "close" not in answer.head.tokens("Connection"):
            client.assert_open()
    server.wait_log(named, since=mark)
    assert fetch(server.address, "/hello").status == 200


def test_the_traceback_in_the_log_shows_the_line_of_the_application(server: Server) -> None:
    mark = server.mark()
    fetch(server.address, "/raises")
    server.wait_log("RuntimeError: " + SECRET, since=mark)
    text = server.log_since(mark)
    assert "Traceback (most recent call last)" in text
    assert "faults.py" in text


def test_500_to_head_has_no_content(server: Server) -> None:
    with Client(server.address) as client:
        answer = client.get("/raises", method="HEAD")
        assert answer.status == 500
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            client.assert_open()


def test_500_to_a_post_does_not_confuse_the_connection(server: Server) -> None:
    with Client(server.address) as client:
        answer = client.get("/raises", method="POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert answer.status == 500
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            client.assert_open()


@pytest.mark.parametrize("target", ["/raises_late", "/raises_late_with_length", "/raises_after_write"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_fault_after_the_head_cuts_the_connection(server: Server, target: str, version: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        client.send(request(target, version=version))
        head = client.read_head()
        # write() and the first piece may not have left before the fault; then 500 is right too.
        if head.status == 500:
            assert SECRET not in client.read_rest().decode()
        elif client.framing == "close":
            assert len(client.read_rest()) <= 1000
        else:
            with pytest.raises(Cut):
                client.read_rest()
    server.wait_log(SECRET, since=mark)


def test_a_cut_of_1_0_is_a_reset_when_nothing_else_tells(server: Server) -> None:
    # Without a length, 1.0 has nothing but the end of the connection: only RST says "not whole".
    with Client(server.address) as client:
        client.send(request("/raises_late", version="1.0"))
        if client.read_head().status == 500:
            return
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(65536):
                pass


def test_close_is_called_once_after_a_fault(server: Server) -> None:
    events(server)
    for name in ("raises_in_iterator", "raises_late", "raises_late_with_length"):
        with Client(server.address) as client:
            client.send(request("/" + name))
            client.read_to_end() if name != "raises_in_iterator" else client.read()
        assert events(server).count(f"{name} close") == 1


def test_a_fault_in_close_spoils_nothing(server: Server) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        answer = client.get("/raises_in_close")
        assert (answer.status, answer.body) == (200, b"whole")
    server.wait_log(SECRET, since=mark)
    assert fetch(server.address, "/hello").status == 200


NAMED = {
    "str": r"\bstr\b|bytes",
    "int": r"\bint\b|bytes|str|iter",
    "none": r"None|iter|bytes|list|str",
    "bytes": r"bytes|str",
}
"""What the log must name, by the first word of the fault."""


@pytest.mark.parametrize("fault", sorted(WRONG))
def test_wrong_types_and_values_are_500(server: Server, fault: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        answer = client.get(f"/wrong/{fault}")
        assert answer.status == 500, (answer, server.log_since(mark))
        assert answer.body != b"x"
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            client.assert_open()
    head = fault.split("-")[0]
    parts = fault.split("-")
    if "headers" in parts:
        pattern = r"header|list"
    elif "length" in parts:
        pattern = r"(?i)content-length"
    elif "status" in parts:
        pattern = r"status|latin-1"
    elif "name" in parts or "value" in parts or head == "header":
        pattern = r"header|name|value"
    elif "exc" in parts:
        pattern = r"exc_info"
    else:
        pattern = NAMED.get(head, r"iter|bytes|object|str")
    server.wait_log(pattern, since=mark)
    assert fetch(server.address, "/hello").status == 200


# ---- Response splitting ----------------------------------------------------------------------

BAD_TEXTS = [
    "a\r\nX-Injected: yes",
    "a\r\n\r\n<html>",
    "a\nX-Injected: yes",
    "a\rX-Injected: yes",
    "\r\n",
    "\n",
    "a\n",
    "a\r\n",
    "a\0b",
    "a\x0bb",
    "a\x0cb",
    "a\x1b[31m",
    "a\x7f",
    "a\x01",
    "a\nb\nc\nd",
]


@pytest.mark.parametrize("where", ["status", "name", "value"])
@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize("text", BAD_TEXTS)
def test_control_characters_are_500_wherever_they_stand(
    server: Server, where: str, kind: str, text: str
) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        quoted = quote(text, safe="", encoding="latin-1")
        answer = client.get(f"/split?where={where}&kind={kind}&text={quoted}")
        assert answer.status == 500
        assert not answer.head.all("X-Injected")
        assert "content" not in answer.text
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            client.assert_open()
    named = {"status": "status", "name": "name", "value": "value"}[where]
    server.wait_log(f"{named}|line feed", since=mark)


def test_a_pair_of_line_feeds_does_not_fool_the_count(server: Server) -> None:
    # name and value travel joined by line feeds: a value that looks like name, value, name.
    for text in ("a\nX-Injected\nyes", "a\nX-Injected\nyes\nX-Test\nb"):
        answer = fetch(server.address, f"/split?where=value&text={quote(text, safe='')}")
        assert answer.status == 500
        assert not answer.head.all("X-Injected")


def test_harmless_bytes_pass(server: Server) -> None:
    for text in ("a\tb", "caf\xe9", "\x80\xff", "a:b", "", " a"):
        quoted = quote(text, safe="", encoding="latin-1")
        answer = fetch(server.address, f"/split?where=value&text={quoted}")
        assert answer.status == 200
        assert answer.head.get("X-Test") == text.strip(" ")


# ---- Hop-by-hop fields -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "upgrade"),
        ("connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("TRANSFER-ENCODING", "gzip"),
        ("Upgrade", "websocket"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "x"),
        ("TE", "trailers"),
        ("Trailers", "X-A"),
    ],
)
def test_hop_by_hop_fields_are_dropped_and_logged(server: Server, name: str, value: str, kind: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        answer = client.get(f"/hop?name={name}&value={value}&kind={kind}")
        assert answer.status == 200
        assert answer.body == b"content"
        assert answer.head.get("X-Kept") == "yes"
        assert value not in answer.head.all(name) or (name, value) == ("Transfer-Encoding", "chunked")
        client.assert_open()
    server.wait_log(r"(?i)hop-by-hop", since=mark)
