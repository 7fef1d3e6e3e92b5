"""What fapws3 and fapws4 put into environ beyond WSGI, seen by a program with PATHS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.raw import Client, chunked, fetch, request
from support.server import Server

from fapws.compat.extras import FORM_FIELDS_MAX, FORM_SIZE_MAX, add_extras, read_form
from fapws.wsgi.response import ClientGone

PROGRAM = Path(__file__).parent / "programs" / "environ.py"
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(PROGRAM) as running:
        yield running


def ask(server: Server, target: str, *fields: str, method: str = "GET", body: bytes = b"") -> dict[str, Any]:
    answer = fetch(server.address, target, *fields, method=method, body=body)
    assert answer.status == 200, answer
    told: dict[str, Any] = json.loads(answer.body)
    return told


def test_request_as_the_client_wrote_it(server: Server) -> None:
    with Client(server.address) as client:
        head = b"GET /env%2fa%20b?x=%41 HTTP/1.1\r\nHost:  h \r\nX-Odd:\t1\r\n\r\n"
        client.send(head)
        told = json.loads(client.read().body)
        name, port = client.socket.getsockname()
    assert told["fapws.raw_header"] == head.decode()
    assert told["fapws.uri"] == told["RAW_URI"] == "/env%2fa%20b?x=%41"
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/env", "/a b")
    assert (told["fapws.remote_addr"], told["fapws.remote_port"]) == (name, port)
    assert (told["REMOTE_ADDR"], told["REMOTE_PORT"]) == (name, str(port))
    assert isinstance(told["fapws.socket_fd"], int) and told["fapws.socket_fd"] > 2
    assert (told["REQUEST_PROTOCOL"], told["fapws.major_minor"]) == ("HTTP/1.1", "1.1")
    assert told["wsgi.url_scheme"] == "http"


def test_version_of_an_old_client(server: Server) -> None:
    with Client(server.address) as client:
        client.send(b"GET /env HTTP/1.0\r\n\r\n")
        told = json.loads(client.read().body)
    assert (told["REQUEST_PROTOCOL"], told["fapws.major_minor"]) == ("HTTP/1.0", "1.0")


def test_content_fields_stand_under_both_names(server: Server) -> None:
    told = ask(server, "/env", "Content-Type: text/x", method="PUT", body=b"abc")
    assert told["CONTENT_TYPE"] == told["HTTP_CONTENT_TYPE"] == "text/x"
    assert told["CONTENT_LENGTH"] == told["HTTP_CONTENT_LENGTH"] == "3"
    told = ask(server, "/env")
    assert "HTTP_CONTENT_TYPE" not in told and "HTTP_CONTENT_LENGTH" not in told


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", {}),
        ("?", {}),
        ("?a=1&a=2&b=", {"a": ["1", "2"], "b": [""]}),
        ("?a=%C3%A9+%zz%2", {"a": ["é %zz%2"]}),
    ],
)
def test_params_are_the_query(server: Server, query: str, params: dict[str, list[str]]) -> None:
    assert ask(server, "/env" + query)["fapws.params"] == params


@pytest.mark.parametrize("kind", [FORM, FORM + "; charset=utf-8", FORM.upper()])
def test_form_takes_the_place_of_the_query_and_can_be_read_again(server: Server, kind: str) -> None:
    told = ask(server, "/env?q=1", kind, method="POST", body=b"a=1+2&b=%26")
    assert told["fapws.params"] == {"a": ["1 2"], "b": ["&"]}
    assert told["content"] == "a=1+2&b=%26"


def test_form_in_chunks(server: Server) -> None:
    with Client(server.address) as client:
        client.send(
            request("/env", FORM, "Transfer-Encoding: chunked", method="POST") + chunked([b"a=", b"1&b=2"])
        )
        told = json.loads(client.read().body)
    assert (told["fapws.params"], told["content"]) == ({"a": ["1"], "b": ["2"]}, "a=1&b=2")


def test_form_in_a_temporary_file(server: Server) -> None:
    body = b"a=" + b"x" * 200_000
    told = ask(server, "/env?q=1", FORM, method="POST", body=body)
    assert told["fapws.params"] == {"a": ["x" * 200_000]}
    assert told["content"] == body.decode()


def test_empty_form(server: Server) -> None:
    assert ask(server, "/env?q=1", FORM, "Content-Length: 0", method="POST")["fapws.params"] == {}


@pytest.mark.parametrize(
    "body",
    [b"a=" + b"x" * (FORM_SIZE_MAX - 1), b"&".join([b"a=1"] * (FORM_FIELDS_MAX + 1))],
    ids=["bytes", "fields"],
)
def test_form_that_is_too_large_is_left_alone(server: Server, body: bytes) -> None:
    told = ask(server, "/env?q=1", FORM, method="POST", body=body)
    assert told["fapws.params"] == {"q": ["1"]}
    assert told["content"] == body.decode()


@pytest.mark.parametrize(
    "body",
    [b"a=" + b"x" * (FORM_SIZE_MAX - 2), b"&".join([b"a=1"] * FORM_FIELDS_MAX)],
    ids=["bytes", "fields"],
)
def test_form_of_the_largest_size_is_read(server: Server, body: bytes) -> None:
    assert list(ask(server, "/env?q=1", FORM, method="POST", body=body)["fapws.params"]) == ["a"]


@pytest.mark.parametrize(
    ("method", "fields"), [("POST", ()), ("POST", ("Content-Type: text/plain",)), ("PUT", (FORM,))]
)
def test_other_content_is_no_form(server: Server, method: str, fields: tuple[str, ...]) -> None:
    told = ask(server, "/env?q=1", *fields, method=method, body=b"a=1")
    assert (told["fapws.params"], told["content"]) == ({"q": ["1"]}, "a=1")


def test_on_a_unix_socket_there_is_no_port() -> None:
    with Server(PROGRAM, unix=True) as server:
        told = ask(server, "/env")
    assert (told["fapws.remote_addr"], told["fapws.remote_port"]) == ("", 0)


def test_proxy_tells_the_client() -> None:
    with Server(PROGRAM, options="trusted_proxies = 127.0.0.1") as server:
        told = ask(server, "/env", "X-Forwarded-For: 192.0.2.1:99")
    assert (told["fapws.remote_addr"], told["fapws.remote_port"]) == ("192.0.2.1", 99)


def test_strict_paths_of_the_ini_file() -> None:
    with Server(PROGRAM, options="strict_paths = yes") as server:
        told = ask(server, "/env/x")
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/env", "/x")
        assert fetch(server.address, "/envx").status == 404
    with Server(PROGRAM, options="strict_paths = no\nscript_name = /mount") as server:
        told = ask(server, "/mount/envx")
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/mount/env", "x")


def test_query_of_very_many_fields_is_not_read(server: Server) -> None:
    most = "&".join(["a=1"] * FORM_FIELDS_MAX)
    assert ask(server, f"/env?{most}")["fapws.params"] == {"a": ["1"] * FORM_FIELDS_MAX}
    told = ask(server, f"/env?{most}&b")
    assert (told["fapws.params"], told["QUERY_STRING"]) == ({}, most + "&b")


def test_without_our_server_they_are_there_as_well() -> None:
    environ: dict[str, Any] = {"SERVER_PROTOCOL": "HTTP/1.0", "QUERY_STRING": "a=\xc3\xa9"}
    add_extras(environ, lambda status, fields: None)
    assert (environ["fapws.socket_fd"], environ["fapws.raw_header"]) == (-1, "")
    assert environ["fapws.params"] == {"a": ["é"]}
    assert read_form(environ) is None


def test_client_that_has_left_has_no_descriptor() -> None:
    class Answer:
        def asked(self) -> tuple[str, int]:
            raise ClientGone("the client has left")

        def start_response(self, status: str, fields: Any) -> None:
            """Found by its __self__."""

    environ: dict[str, Any] = {}
    add_extras(environ, Answer().start_response)
    assert (environ["fapws.socket_fd"], environ["fapws.raw_header"]) == (-1, "")
