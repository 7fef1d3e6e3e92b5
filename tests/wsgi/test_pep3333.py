"""PEP 3333, section by section: what the other files of this folder do not show already.

README.md has the whole table, from each normative sentence to the test that shows it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gate import Gate
from support.raw import Client, Cut, chunked, fetch, request
from support.server import Address, Server

APPS = Path(__file__).parent / "apps" / "pep3333.py"
DIGITS = b"0123456789" * 1000

_EVERY_BYTE = bytes(range(256)) + b"\r\n\n\r\r\n\r\n\0\n"


@pytest.fixture(scope="module")
def pep() -> Iterator[Server]:
    """apps/pep3333.py, one worker."""
    with Server(APPS) as running:
        yield running


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A file of 10,000 bytes."""
    path = tmp_path / "digits"
    path.write_bytes(DIGITS)
    return path


def events(server: Server) -> list[str]:
    """Takes what the applications recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


# ---- Specification Overview, Specification Details -------------------------------------------


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("AppClass", b"from a class"),
        ("instance", b"from an instance"),
        ("method", b"from a method"),
        ("partial", b"from a partial"),
        ("from_a_generator", b"from a generator"),
        ("function", b"no such application"),
    ],
)
def test_any_kind_of_callable_is_an_application(name: str, body: bytes) -> None:
    with Server(f"{APPS}:{name}") as server:
        for _ in range(2):
            assert fetch(server.address, "/anything").body == body


def test_one_call_for_each_request(pep: Server) -> None:
    events(pep)
    with Client(pep.address) as client:
        client.send(request("/hello") * 20)
        for _ in range(20):
            client.read()
        client.get("/hello", method="HEAD")
    assert events(pep) == ["hello"] * 21


def test_the_environ_is_a_plain_dict(pep: Server) -> None:
    with Client(pep.address) as client:
        # One that is remembered, one with a repeated field, one with a line feed in its path.
        assert client.get("/dictionary").body == b"True"
        assert client.get("/dictionary", "X-A: 1", "X-A: 2").body == b"True"
        assert client.get("/dictionary/%0A").body == b"True"


@pytest.mark.parametrize("how", ["list", "iterator", "write"])
def test_bytes_and_line_ends_are_not_altered(pep: Server, how: str) -> None:
    assert fetch(pep.address, f"/every_byte?how={how}").body == _EVERY_BYTE


def test_no_attribute_of_the_iterable_is_used_but_those_of_the_pep(pep: Server) -> None:
    events(pep)
    assert fetch(pep.address, "/shy").body == b"shy"
    # __class__ is what isinstance() asks for: the PEP's own way to know a file wrapper.
    assert set(events(pep)) <= {"__class__", "__iter__", "__len__", "close"}


def test_iteration_by_index(pep: Server) -> None:
    events(pep)
    assert fetch(pep.address, "/by_index").body == b"onetwo"
    assert events(pep) == ["by_index close"]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_iterable_with_a_len_of_its_own(pep: Server, number: int) -> None:
    with Client(pep.address) as client:
        assert client.get(f"/lengthy?n={number}").body == b"piece" * number
        client.assert_open()


def test_close_is_called_although_there_is_no_iterator(pep: Server) -> None:
    events(pep)
    mark = pep.mark()
    assert fetch(pep.address, "/no_iterator_after_all").status == 500
    assert events(pep) == ["broken close"]
    pep.wait_log("no-iterator-after-all", since=mark)


# ---- environ Variables -----------------------------------------------------------------------


def environ_of(address: Address, target: str = "/environ", *fields: str) -> Any:
    """The environ of one request."""
    return json.loads(fetch(address, target, *fields).body)


def test_what_is_not_there_is_left_out(pep: Server) -> None:
    seen = environ_of(pep.address)
    absent = {"REMOTE_USER", "AUTH_TYPE", "HTTPS", "REMOTE_HOST", "REMOTE_IDENT", "PATH_TRANSLATED"}
    assert not absent & set(seen)
    assert None not in seen.values()


def test_an_empty_field_is_present_and_an_absent_one_is_not(pep: Server) -> None:
    seen = environ_of(pep.address, "/environ", "X-Empty:", "Accept: ")
    assert (seen["HTTP_X_EMPTY"], seen["HTTP_ACCEPT"]) == ("", "")
    assert "HTTP_USER_AGENT" not in seen
    assert {key for key in seen if key.startswith("HTTP_")} == {"HTTP_HOST", "HTTP_X_EMPTY", "HTTP_ACCEPT"}


def test_strings_hold_latin_1_only(pep: Server) -> None:
    path, value = "/environ/\xc3\xa9\u20ac", bytes(range(0x80, 0x100)).decode("latin-1")
    target = "/environ/" + "".join(f"%{byte:02X}" for byte in path[9:].encode())
    seen = environ_of(pep.address, target, f"X-High: {value}")
    assert seen["PATH_INFO"] == path.encode().decode("latin-1")
    assert seen["HTTP_X_HIGH"] == value
    for key, text in seen.items():
        assert max(key + text) <= "\xff", key


def test_server_variables_are_named_by_the_rule(pep: Server) -> None:
    # Upper case: CGI's, and the three that every front end knows; the others in lower case with a prefix.
    for key in environ_of(pep.address):
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*|[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", key), key


def test_the_types_of_what_is_no_string(pep: Server) -> None:
    seen = environ_of(pep.address)
    others = {key: value for key, value in seen.items() if value.startswith("(")}
    assert others["wsgi.version"] == "(tuple)"
    assert all(key.startswith(("wsgi.", "fapws.")) for key in others), others


def test_errors_take_text_that_no_encoding_has(pep: Server) -> None:
    mark = pep.mark()
    assert fetch(pep.address, "/odd_errors").body == b"written"
    line = pep.wait_log("odd-errors .* end", since=mark)
    assert "\ufffd" not in line.string


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_errors_take_any_text_in_any_locale(locale: str) -> None:
    env = {"LC_ALL": locale, "LANG": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with Server(APPS, env=env) as server:
        assert fetch(server.address, "/odd_errors").body == b"written"
        server.wait_log("odd-errors .* end")


def test_multithread_is_false_and_that_is_true(pep: Server, gate: Gate) -> None:
    events(pep)
    with Client(pep.address) as first, Client(pep.address) as second:
        first.send(request(f"/inside?gate={gate.path}"))
        assert gate.arrival() == "inside"
        second.send(request("/inside") * 3)
        gate.open()
        first.read()
        for _ in range(3):
            second.read()
    assert events(pep) == ["enter", "leave"] * 4


# ---- URL Reconstruction ----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/url", "/url/", "/url/a%20b?c=%20d&e", "/url/%C3%A9?", "/url/a:b"])
def test_the_url_is_the_one_asked_for(pep: Server, target: str) -> None:
    with Client(pep.address) as client:
        for host in ("localhost", "example.com:8080", "127.0.0.1", "[::1]:99"):
            client.send(request(target, host=host))
            seen = client.read().text
            assert seen == f"http://{host}{target.rstrip('?').replace(':b', '%3Ab')}"


def test_the_url_of_a_request_without_host(pep: Server) -> None:
    with Client(pep.address) as client:
        client.send(b"GET /url/x?y HTTP/1.0\r\n\r\n")
        assert client.read().text == f"{pep.url}/url/x?y"


def test_the_url_of_a_request_without_host_over_ipv6() -> None:
    with Server(APPS, bind="[::1]:0") as server:
        with Client(server.address) as client:
            client.send(b"GET /url/x HTTP/1.0\r\n\r\n")
            assert client.read().text == f"http://[::1]:{server.port}/url/x"
        seen = environ_of(server.address)
        # RFC 3875 4.1.14: it forms the host part of the URI, where RFC 3986 wants brackets.
        assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("[::1]", str(server.port))
        assert seen["REMOTE_ADDR"] == "::1"


def test_the_url_of_a_request_on_a_unix_socket() -> None:
    with Server(APPS, unix=True) as server:
        for host, name in (("example.com", "example.com"), ("example.com:81", "example.com:81")):
            with Client(server.address) as client:
                client.send(request("/url", host=host))
                assert client.read().text == f"http://{name}/url"
        with Client(server.address) as client:
            client.send(b"GET /url HTTP/1.0\r\n\r\n")
            assert client.read().text == "http://localhost/url"
        seen = environ_of(server.address)
        assert seen["SERVER_NAME"] and seen["SERVER_PORT"]


def test_the_url_below_a_script_name() -> None:
    with Server(APPS, options="script_name = /mount/here") as server:
        target = "/mount/here/url/a%20b?c"
        with Client(server.address) as client:
            client.send(request(target, host="example.com"))
            assert client.read().text == f"http://example.com{target}"
        seen = environ_of(server.address, "/mount/here/environ/x")
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/mount/here", "/environ/x")
        for beside in ("/", "/url", "/mount/hereafter", "/mount"):
            assert fetch(server.address, beside).status == 404


# ---- The start_response() Callable -----------------------------------------------------------


@pytest.mark.parametrize("length", ["", "yes"])
def test_the_head_waits_for_the_first_piece_that_is_not_empty(pep: Server, gate: Gate, length: str) -> None:
    with Client(pep.address) as client:
        client.send(request(f"/holds_the_head?gate={gate.path}&length={length}"))
        assert gate.arrival() == "empty"
        assert client.quiet()
        gate.open()
        answer = client.read()
    assert (answer.status, answer.head.reason, answer.body) == (503, "Changed", b"replaced")
    assert not answer.head.all("X-First")


def test_types_are_checked_while_the_application_runs(pep: Server) -> None:
    events(pep)
    assert fetch(pep.address, "/checked_at_once").body == b"right at last"
    seen = events(pep)
    assert "accepted" not in seen
    assert len(seen) == 4


def test_a_second_call_after_one_that_failed_is_an_error_too(pep: Server) -> None:
    events(pep)
    mark = pep.mark()
    assert fetch(pep.address, "/second_after_a_failed_one").status == 500
    assert events(pep) == ["first raised"]
    pep.wait_log("start_response", since=mark)


def test_no_reference_to_exc_info_is_kept(pep: Server) -> None:
    assert fetch(pep.address, "/no_reference").body == b"free"


def test_field_names_are_compared_without_case(pep: Server) -> None:
    with Client(pep.address) as client:
        client.send(request("/any_case", "Connection: close"))
        head = client.read_to_end().partition(b"\r\n\r\n")[0].lower()
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    for name in (b"content-type", b"content-length", b"date", b"server"):
        assert names.count(name) == 1, head
    assert b"transfer-encoding" not in names


# ---- Handling the Content-Length Header, Buffering and Streaming -----------------------------


def test_iteration_stops_when_the_length_is_reached(pep: Server) -> None:
    events(pep)
    mark = pep.mark()
    with Client(pep.address) as client:
        assert client.get("/more_than_its_length").body == b"01234567890123456789"
        seen = events(pep)
        client.assert_open()
    seen += events(pep)
    # One piece too many may be asked for: only it tells that there is too much.
    assert seen.count("piece") <= 3
    assert seen.count("close") == 1
    pep.wait_log("(?i)content-length", since=mark)
    assert len(re.findall("(?i)content-length", pep.log_since(mark))) == 1


def test_writing_beyond_the_length_is_cut_and_told(pep: Server) -> None:
    mark = pep.mark()
    with Client(pep.address) as client:
        assert client.get("/writes_more_than_its_length").body == b"12345"
    pep.wait_log("(?i)content-length", since=mark)
    assert fetch(pep.address, "/hello").status == 200


def test_empty_pieces_let_others_have_their_turn(pep: Server, gate: Gate) -> None:
    events(pep)
    with Client(pep.address) as waits, Client(pep.address) as other:
        waits.send(request(f"/empties?gate={gate.path}"))
        assert gate.arrival() == "begun"
        other.send(request("/hello"))
        gate.open()
        assert other.read().status == 200
        assert waits.read().body == b"the other was served meanwhile"


# ---- Other HTTP Features ---------------------------------------------------------------------


def test_the_server_plays_dumb(pep: Server) -> None:
    asked = [
        'If-None-Match: "tag"',
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "Range: bytes=0-1",
        "Accept-Encoding: gzip, br",
        "Accept: application/json",
    ]
    answer = fetch(pep.address, "/dumb", *asked)
    assert (answer.status, answer.body) == (200, b"<p>the same to everybody</p>")
    assert answer.head.get("Location") == "relative?a=b"
    assert {name for name, _ in answer.head.fields} == {
        "Content-Type",
        "ETag",
        "Last-Modified",
        "Cache-Control",
        "Accept-Ranges",
        "Location",
        "Content-Length",
        "Date",
        "Server",
    }


@pytest.mark.parametrize("pieces", [[], [b"a"], [b"small", b"er"], [b"l" * 50_000] * 3])
def test_an_inbound_coding_is_taken_off_and_not_shown(pep: Server, pieces: list[bytes]) -> None:
    with Client(pep.address) as client:
        client.send(request("/environ", "Transfer-Encoding: chunked", method="POST") + chunked(pieces))
        seen = json.loads(client.read().body)
        client.assert_open()
    # RFC 9112 7.1.3: the length of what was decoded takes the coding's place.
    assert seen["CONTENT_LENGTH"] == str(sum(map(len, pieces)))
    assert "HTTP_TRANSFER_ENCODING" not in seen


# ---- Optional Platform-Specific File Handling ------------------------------------------------


@pytest.mark.parametrize("kind", ["like", "closable", "memory"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_anything_with_read_is_sent(pep: Server, kind: str, version: str) -> None:
    events(pep)
    with Client(pep.address) as client:
        client.send(request(f"/wrapper?kind={kind}", version=version))
        assert client.read().body == DIGITS
    assert events(pep).count("file close") == (kind == "closable")


@pytest.mark.parametrize("kind", ["file", "middleware", "like", "memory", "closable"])
@pytest.mark.parametrize("length", [0, 1, 777, 9999, 10_000])
def test_a_file_ends_at_its_content_length(pep: Server, digits: Path, kind: str, length: int) -> None:
    events(pep)
    with Client(pep.address) as client:
        answer = client.get(f"/wrapper?kind={kind}&path={digits}&length={length}")
        assert (answer.framing, answer.body) == ("length", DIGITS[:length])
        client.assert_open()
    assert events(pep).count("file close") == (kind in ("file", "middleware", "closable"))


@pytest.mark.parametrize("kind", ["file", "like", "memory"])
def test_a_file_shorter_than_its_content_length_cuts_the_connection(
    pep: Server, digits: Path, kind: str
) -> None:
    with Client(pep.address) as client:
        client.send(request(f"/wrapper?kind={kind}&path={digits}&length=10001"))
        head = client.read_head()
        if head.status == 200:
            with pytest.raises(Cut):
                client.read_rest()


def test_a_file_is_sent_from_where_it_is_when_sending_begins(pep: Server, digits: Path) -> None:
    assert fetch(pep.address, f"/wrapper?kind=later&path={digits}").body == DIGITS[100:]


@pytest.mark.parametrize("block", ["", "yes"])
def test_a_real_file_whole_and_closed_once(pep: Server, digits: Path, block: str) -> None:
    events(pep)
    with Client(pep.address) as client:
        for _ in range(3):
            assert client.get(f"/wrapper?kind=file&path={digits}&block={block}").body == DIGITS
    assert events(pep).count("file close") == 3


def test_a_wrapper_that_is_not_returned_sends_nothing(pep: Server, digits: Path) -> None:
    events(pep)
    with Client(pep.address) as client:
        answer = client.get(f"/wrapper?kind=unused&path={digits}")
        assert answer.body == b"something else"
        client.assert_open()
    assert events(pep) == ["file close"]


def test_middleware_may_change_what_a_wrapper_gives(pep: Server, tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"letters " * 20_000)
    events(pep)
    assert fetch(pep.address, f"/wrapper?kind=middleware&path={path}").body == b"LETTERS " * 20_000
    assert events(pep) == ["file close"]


def test_a_file_that_fails_in_the_middle_cuts_the_connection_and_is_closed(pep: Server) -> None:
    events(pep)
    mark = pep.mark()
    with Client(pep.address) as client:
        client.send(request("/wrapper?kind=failing"))
        assert client.read_head().status == 200
        with pytest.raises(Cut):
            client.read_rest()
    pep.wait_log("file-like-broke", since=mark)
    assert events(pep).count("file close") == 1


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified"), ("GET", "204 No Content")]
)
def test_a_file_that_is_not_sent_is_closed_all_the_same(
    pep: Server, digits: Path, method: str, status: str
) -> None:
    events(pep)
    with Client(pep.address) as client:
        target = f"/wrapper?kind=file&path={digits}&status={status.replace(' ', '%20')}"
        answer = client.get(target, method=method)
        assert (answer.status, answer.body) == (int(status[:3]), b"")
        client.assert_open()
    assert events(pep).count("file close") == 1


def test_a_file_is_closed_when_the_client_leaves(pep: Server, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    events(pep)
    client = Client(pep.address, receive_buffer=4096)
    client.send(request(f"/wrapper?kind=file&path={path}"))
    client.read_head()
    client.read_piece()
    client.reset()
    for _ in range(200):
        if "file close" in events(pep):
            break
    else:
        raise AssertionError("the file is not closed after 200 further requests")
    assert "file close" not in events(pep)


# ---- The table -------------------------------------------------------------------------------


def test_the_table_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    cell = re.compile(r"`((?:test_)?\w+)\.(test_\w+)`")
    named = cell.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 100
    for module, test in named:
        where = folder / f"{module}.py"
        assert f"\ndef {test}(" in where.read_text(encoding="utf-8"), f"{module}.{test}"


def test_the_table_names_every_test_of_this_file() -> None:
    table = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    for test in re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE):
        assert test.startswith("test_the_table") or f"test_pep3333.{test}`" in table, test
