"""Framing and fields of answers (docs/http.md, "Response"; PEP 3333 "Handling the Content-Length Header")."""

from __future__ import annotations

import hashlib
import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from support.raw import Client, Cut, fetch, request
from support.server import Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"


def events(server: Server) -> list[str]:
    """Takes what the application recorded."""
    taken: list[str] = json.loads(fetch(server.address, "/events").body)
    return taken


# ---- Length known or not ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "tuple"])
def test_one_element_gives_a_length(server: Server, kind: str) -> None:
    with Client(server.address) as client:
        answer = client.get(f"/sequence?n=1&kind={kind}")
        assert answer.head.get("Content-Length") == "7"
        assert answer.body == b"part 0;"
        client.assert_open()


@pytest.mark.parametrize("kind", ["list", "tuple"])
@pytest.mark.parametrize("count", [0, 2, 50, 10_000])
def test_several_elements_or_none(server: Server, kind: str, count: int) -> None:
    with Client(server.address) as client:
        answer = client.get(f"/sequence?n={count}&kind={kind}")
        assert answer.body == b"".join(b"part %d;" % n for n in range(count))
        assert answer.framing in ("length", "chunked")
        client.assert_open()


def test_an_iterator_is_chunked_in_1_1(server: Server) -> None:
    with Client(server.address) as client:
        answer = client.get("/pieces")
        assert answer.framing == "chunked"
        assert answer.body == b"".join(b"piece %d\n" % n for n in range(5))
        client.assert_open()


def test_an_empty_piece_does_not_end_the_chunked_coding(server: Server) -> None:
    # An empty chunk is the end mark; /pieces yields one after each piece.
    assert fetch(server.address, "/pieces").body.endswith(b"piece 4\n")


def test_an_iterator_closes_in_1_0(server: Server) -> None:
    for fields in ([], ["Connection: keep-alive"]):
        with Client(server.address) as client:
            client.send(request("/pieces", *fields, version="1.0"))
            answer = client.read()
            assert answer.framing == "close"
            assert answer.body.endswith(b"piece 4\n")
            client.assert_ended()


def test_keep_alive_in_1_0_needs_a_length(server: Server) -> None:
    with Client(server.address) as client:
        for _ in range(3):
            client.send(request("/plain", "Connection: Keep-Alive", version="1.0"))
            answer = client.read()
            assert answer.framing == "length"
            assert "keep-alive" in answer.head.tokens("Connection")


def test_the_last_answer_says_close(server: Server) -> None:
    for target in ("/hello", "/pieces", "/status?line=204%20No%20Content", "/raises"):
        with Client(server.address) as client:
            client.send(request(target, "Connection: close"))
            assert "close" in client.read().head.tokens("Connection")
            client.assert_ended()


# ---- Content-Length of the application -------------------------------------------------------


def test_a_given_length_is_kept(server: Server) -> None:
    with Client(server.address) as client:
        answer = client.get("/length")
        assert answer.framing == "length"
        assert answer.body == b"0123456789"
        client.assert_open()


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize("sizes", ["11", "10,1", "5,6", "0,20", "5,5,5,5", "100000"])
def test_excess_content_is_cut_and_logged(server: Server, kind: str, sizes: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        answer = client.get(f"/length_wrong?given=10&sizes={sizes}&kind={kind}")
        assert answer.body == b"x" * 10
        if "close" in answer.head.tokens("Connection"):
            client.assert_ended()
        else:
            client.assert_open()
    server.wait_log(r"(?i)content-length", since=mark)


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize("sizes", ["0", "9", "4,5", "1,0,1"])
def test_short_content_closes_the_connection(server: Server, kind: str, sizes: str) -> None:
    mark = server.mark()
    with Client(server.address) as client:
        client.send(request(f"/length_wrong?given=10&sizes={sizes}&kind={kind}") * 2)
        head = client.read_head()
        if head.status == 200:
            with pytest.raises(Cut):
                client.read_rest()
        else:
            # Known to be short before anything was sent: a 500 is honest too.
            assert head.status == 500
    server.wait_log(r"(?i)content-length", since=mark)


def test_close_is_called_once_with_a_wrong_length(server: Server) -> None:
    events(server)
    for sizes in ("5,20", "1"):
        with Client(server.address) as client:
            client.send(request(f"/length_wrong?given=10&sizes={sizes}&kind=iterator"))
            if sizes == "1":
                client.read_to_end()
                seen = events(server)
            else:
                client.read()
                # On the same connection: close() may come a turn after the last byte of the answer.
                seen = json.loads(client.get("/events").body)
        assert seen.count("length close") == 1


# ---- No content ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/hello", "/pieces", "/length", "/sequence?n=3", "/large?n=80000"])
def test_head_has_the_fields_and_no_content(server: Server, target: str) -> None:
    whole = fetch(server.address, target)
    with Client(server.address) as client:
        answer = client.get(target, method="HEAD")
        assert answer.status == 200
        assert answer.body == b""
        if whole.framing == "length":
            assert answer.head.get("Content-Length") == str(len(whole.body))
        client.assert_open()


def test_head_in_a_pipeline(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/pieces", method="HEAD") + request("/hello"))
        assert client.read("HEAD").body == b""
        assert client.read().body == b"Hello world!!"


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_204_and_304_have_no_content(server: Server, line: str, version: str) -> None:
    with Client(server.address) as client:
        target = f"/status?line={line.replace(' ', '%20')}"
        client.send(request(target, "Connection: keep-alive", version=version))
        answer = client.read()
        assert f"{answer.status} {answer.head.reason}" == line
        assert not answer.head.all("Transfer-Encoding")
        client.assert_open()


@pytest.mark.parametrize("line", ["204%20No%20Content", "304%20Not%20Modified"])
@pytest.mark.parametrize("length", ["", "7"])
def test_content_of_204_and_304_is_not_sent(server: Server, line: str, length: str) -> None:
    events(server)
    with Client(server.address) as client:
        answer = client.get(f"/content_anyway?line={line}&length={length}")
        assert answer.status in (204, 304)
        client.assert_open()
    assert events(server).count("anyway close") == 1


def test_content_of_head_is_not_sent(server: Server) -> None:
    events(server)
    with Client(server.address) as client:
        answer = client.get("/content_anyway?line=200%20OK&length=7", method="HEAD")
        assert answer.head.get("Content-Length") == "7"
        client.assert_open()
    assert events(server).count("anyway close") == 1


def test_an_endless_iterator_ends_with_head(server: Server) -> None:
    events(server)
    with Client(server.address) as client:
        client.get("/flood?n=100000000&label=endless", method="HEAD")
        client.assert_open()
    seen = events(server)
    assert seen.count("endless close") == 1
    assert seen.count("endless piece") <= 2


# ---- Status and fields -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["200 OK", "201 Created", "299 Odd", "404 Not Found", "418 I'm a teapot", "599 Last", "999 Own"],
)
def test_the_status_line_is_the_applications(server: Server, line: str) -> None:
    answer = fetch(server.address, f"/status?line={line.replace(' ', '%20')}")
    assert f"{answer.status} {answer.head.reason}" == line


def test_an_empty_reason(server: Server) -> None:
    answer = fetch(server.address, "/split?where=status&text=")
    assert answer.status == 200
    assert answer.head.reason == ""


def test_fields_keep_order_number_and_bytes(server: Server) -> None:
    head = fetch(server.address, "/fields").head
    assert head.all("Set-Cookie") == ["a=1", "b=2"]
    assert head.get("X-Latin") == "caf\xe9"
    assert head.get("X-Empty") == ""
    assert head.get("X-Tab") == "a\tb"
    own = [name for name, _ in head.fields if name in ("Set-Cookie", "X-Latin", "X-Empty", "X-Tab")]
    assert own == ["Set-Cookie", "X-Latin", "Set-Cookie", "X-Empty", "X-Tab"]


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(("size", "cookies"), [(16_384, 1), (70_000, 0), (10, 2000), (1_000_000, 3)])
def test_a_large_head_of_the_application(server: Server, size: int, cookies: int, kind: str) -> None:
    # fapws3 died of a response head over 16 KB.
    with Client(server.address) as client:
        for _ in range(2):
            answer = client.get(f"/big_head?size={size}&cookies={cookies}&kind={kind}")
            assert answer.head.get("X-Big") == "b" * size
            assert answer.head.all("Set-Cookie") == [f"c{n}=v" for n in range(cookies)]
            assert answer.body == b"onetwo"


def test_the_applications_server_field_stands_alone(server: Server) -> None:
    assert fetch(server.address, "/fields").head.get("Server") == "own/1"


def test_the_server_field_is_there_by_default(server: Server) -> None:
    assert fetch(server.address, "/hello").head.get("Server")


def test_the_server_field_is_configured() -> None:
    with Server(BEHAVIOURS, options="server_header = Own Server/1.0") as own:
        assert fetch(own.address, "/hello").head.get("Server") == "Own Server/1.0"
        assert fetch(own.address, "/fields").head.get("Server") == "own/1"


def test_an_own_date_is_not_doubled(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/date", "Connection: close"))
        text = client.read_to_end()
        assert text.lower().count(b"\r\ndate:") == 1


def test_the_date_is_of_this_second(server: Server) -> None:
    for target in ("/hello", "/pieces", "/nowhere", "/raises"):
        asked = time.time()
        date = fetch(server.address, target).head.get("Date")
        assert date is not None
        assert asked - 2.5 < parsedate_to_datetime(date).timestamp() <= time.time() + 0.5


def test_date_in_the_cores_own_errors(server: Server) -> None:
    # Client.read checks it in every answer; here for those that no application gave.
    with Client(server.address) as client:
        client.send(b"GET / HTTP/9.9\r\n\r\n")
        assert client.read().head.get("Date")


# ---- Size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize("count", [8192, 65536, 65536 * 2, 1_000_000, 10 * 2**20])
def test_large_content_arrives_whole(server: Server, kind: str, count: int) -> None:
    with Client(server.address) as client:
        answer = client.get(f"/large?n={count}&kind={kind}")
        assert len(answer.body) == count // 8 * 8
        assert hashlib.sha256(answer.body).hexdigest() == answer.head.get("X-Digest")
        client.assert_open()


def test_large_content_to_a_client_that_reads_late(server: Server) -> None:
    with Client(server.address, receive_buffer=4096) as slow:
        slow.send(request(f"/large?n={10 * 2**20}"))
        for _ in range(5):
            assert fetch(server.address, "/hello").body == b"Hello world!!"
        answer = slow.read()
        assert hashlib.sha256(answer.body).hexdigest() == answer.head.get("X-Digest")


def test_a_file_through_file_wrapper(server: Server, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    path = tmp_path / "file"
    path.write_bytes(content)
    with Client(server.address) as client:
        assert client.get(f"/file?path={path}").body == content
        assert client.get(f"/file?path={path}&start=1000").body == content[1000:]
        assert client.get(f"/file?path={path}&start=10&length=100").body == content[10:110]
        assert client.get(f"/file?path={path}", method="HEAD").body == b""
        assert client.get(f"/file?path={path}&start={len(content)}").body == b""
        client.assert_open()


def test_a_part_of_a_large_file_is_that_part_however_it_is_cut_up(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"".join(b"%07d\n" % number for number in range(500_000))
    path.write_bytes(content)
    mark = server.mark()
    with Client(server.address) as client:
        # Several turns of sendfile; each must begin where the one before it ended.
        assert client.get(f"/file?path={path}&start=8000&length=2500000").body == content[8000:2508000]
        assert client.get(f"/file?path={path}&start=8&length=100").body == content[8:108]
        client.assert_open()
    assert "more content" not in server.log_since(mark)
