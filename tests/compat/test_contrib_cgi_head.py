"""fapws.contrib.cgi_head: a script's environment and its head, by RFC 3875."""

from __future__ import annotations

from typing import Any

import pytest

from fapws.contrib.cgi_head import (
    MAX_HEAD,
    BadOutput,
    BadRequest,
    Head,
    LocalRedirect,
    parse_head,
    split_head,
    split_path,
    variables,
)


def environ(**more: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/cgi", "PATH_INFO": "", "SERVER_NAME": "here",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "::1", **more,
    }  # fmt: skip


def given(
    length: int = 0, root: str | None = None, authorization: bool = False, **more: str
) -> dict[str, str]:
    made = variables(environ(**more), length, root, authorization)
    return {key.decode(): value.decode("latin-1") for key, value in made.items()}


@pytest.mark.parametrize(
    ("name", "info", "wanted"),
    [
        ("/cgi", "", ("/cgi", "")),
        ("/cgi", "/a/b", ("/cgi", "/a/b")),
        ("", "/a", ("", "/a")),
        ("", "", ("", "")),
        ("/cgi/", "a/b", ("/cgi", "/a/b")),
        ("/cgi/", "", ("/cgi", "/")),
        ("/", "a", ("", "/a")),
        ("/", "", ("", "/")),
        ("/cgi", "X", None),
    ],
)
def test_the_slash_belongs_to_path_info(name: str, info: str, wanted: tuple[str, str] | None) -> None:
    asked = environ(SCRIPT_NAME=name, PATH_INFO=info)
    if wanted is None:
        with pytest.raises(BadRequest, match="404"):
            split_path(asked)
    else:
        assert split_path(asked) == wanted


def test_only_cgis_variables_and_the_fields_of_the_request_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    made = given(HTTP_ACCEPT="*/*", HTTP_X_Y="z", SERVER_ADMIN="a", RAW_URI="/cgi", LD_PRELOAD="/x")
    for key in ("DATABASE_PASSWORD", "SERVER_ADMIN", "RAW_URI", "LD_PRELOAD"):
        assert key not in made
    assert (made["HTTP_ACCEPT"], made["HTTP_X_Y"]) == ("*/*", "z")
    assert made["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert made["QUERY_STRING"] == ""
    assert made["PATH"]


@pytest.mark.parametrize("key", ["HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"])
def test_fields_that_a_script_must_not_see(key: str) -> None:
    assert key not in given(**{key: "http://evil:1/"})


def test_authorization_on_demand() -> None:
    assert given(authorization=True, HTTP_AUTHORIZATION="Basic x")["HTTP_AUTHORIZATION"] == "Basic x"
    assert "HTTP_PROXY" not in given(authorization=True, HTTP_PROXY="x")


@pytest.mark.parametrize("key", ["HTTP_A=B", "HTTP_a", "HTTP_", "HTTP_A\n", "HTTP_A B", "HTTP_Ä"])
def test_odd_names_of_fields_stay_outside(key: str) -> None:
    assert key not in given(**{key: "1"})


def test_a_nul_is_a_bad_request() -> None:
    for more in ({"PATH_INFO": "/a\0b"}, {"HTTP_X": "\0"}):
        with pytest.raises(BadRequest, match="400"):
            given(**more)


def test_the_length_is_that_of_the_content() -> None:
    assert given(5)["CONTENT_LENGTH"] == "5"  # also of a chunked request, which tells none
    assert given(0, CONTENT_LENGTH="0")["CONTENT_LENGTH"] == "0"
    assert "CONTENT_LENGTH" not in given(0)


def test_path_translated_stays_below_its_root() -> None:
    assert given(root="/srv", PATH_INFO="/a b/c")["PATH_TRANSLATED"] == "/srv/a b/c"
    for info in ("", "/..", "/a/../../etc/passwd"):
        assert "PATH_TRANSLATED" not in given(root="/srv", PATH_INFO=info)
    assert "PATH_TRANSLATED" not in given(PATH_INFO="/a")


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"A: b\n\nrest\n\n", (b"A: b", b"rest\n\n")),
        (b"A: b\r\n\r\nrest", (b"A: b", b"rest")),
        (b"A: b\r\nC: d\n\r\nrest", (b"A: b\r\nC: d", b"rest")),
        (b"\nrest", (b"", b"rest")),
        (b"A: b\n", None),
        (b"A: b\r\n\r", None),
        (b"", None),
    ],
)
def test_an_empty_line_ends_the_head(data: bytes, wanted: tuple[bytes, bytes] | None) -> None:
    assert split_head(data) == wanted


def test_a_head_is_bounded() -> None:
    for data in (b"A" * (MAX_HEAD + 1), b"A: " + b"b" * MAX_HEAD + b"\n\n"):
        with pytest.raises(BadOutput, match="no empty line"):
            split_head(data)
    assert split_head(b"A: b\n\n" + b"\n" * MAX_HEAD) is not None


def test_nph_is_told_plainly() -> None:
    with pytest.raises(BadOutput, match="NPH"):
        split_head(b"HTTP/1.0 200 OK\r\n")


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"Content-Type: text/plain", Head("200 OK", [("Content-Type", "text/plain")])),
        (b"content-type:x/y\nX-Z:  1 ", Head("200 OK", [("content-type", "x/y"), ("X-Z", "1")])),
        (b"Status: 404\nContent-Type: x/y", Head("404 Not Found", [("Content-Type", "x/y")])),
        (b"Status: 404 Gone fishing\r\nContent-Type: x/y",
         Head("404 Gone fishing", [("Content-Type", "x/y")])),
        (b"Status: 204 ", Head("204 No Content", [])),
        (b"Status: 799", Head("799 Status", [])),
        (b"Location: http://a/b", Head("302 Found", [("Location", "http://a/b")])),
        (b"Location: //a/b", Head("302 Found", [("Location", "//a/b")])),
        (b"Status: 301\nLocation: /b", Head("301 Moved Permanently", [("Location", "/b")])),
        (b"Location: /b?c=d?e", LocalRedirect("/b", "c=d?e")),
        (b"Set-Cookie: a=1\nSet-Cookie: b=2\nContent-Type: x/y",
         Head("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "x/y")])),
        (b"Content-Type: x/y\nConnection: close\nTransfer-Encoding: chunked",
         Head("200 OK", [("Content-Type", "x/y")])),
    ],
)  # fmt: skip
def test_a_head_of_the_rfc(head: bytes, wanted: Head | LocalRedirect) -> None:
    assert parse_head(head) == wanted


@pytest.mark.parametrize(
    "head",
    [
        b"", b"X: y", b"Traceback (most recent call last):", b"Content-Type x/y", b": x",
        b"Content Type: x/y", b"Content-Type: x/y\n folded", b"Content-Type: x\ry", b"Content-Type: a\0b",
        b"Content-Type: x/y\nStatus: abc", b"Status: 99", b"Status: 100 Continue", b"Status: 2000",
        b"Status: 200\nStatus: 200", b"Content-Type: a\nContent-Type: b",
        b"Content-Type: a\nContent-Length: x",
        b"Content-Type: a\nContent-Length: -1", b"Content-Type: a\nContent-Length: 1\nContent-Length: 1",
        "Status: ٢٠٠".encode(),
    ],
)  # fmt: skip
def test_what_is_no_head_is_refused(head: bytes) -> None:
    with pytest.raises(BadOutput):
        parse_head(head)
