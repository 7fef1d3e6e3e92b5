"""Percent-decoding: one rule for paths, prefixes and query strings, and the core's is the same."""

from __future__ import annotations

import socket

import pytest
from support.server import Server

from fapws import percent
from fapws.compat.query import parse_query

CASES = [
    ("", ""),
    ("/a%20b", "/a b"),
    ("%41%61", "Aa"),
    ("%c3%A9", "\xc3\xa9"),
    ("%a", "%a"),
    ("%", "%"),
    ("%%41", "%A"),
    ("%zz%4", "%zz%4"),
    ("%2541", "%41"),
    ("%+1%-1% 1%1_", "%+1%-1% 1%1_"),
    ("%٣٣", "%٣٣"),
]


@pytest.mark.parametrize(("text", "decoded"), CASES)
def test_what_is_no_code_stays(text: str, decoded: str) -> None:
    assert percent.decode(text) == decoded


@pytest.mark.parametrize(("text", "decoded"), [case for case in CASES if case[0].isascii()])
def test_bytes_are_decoded_alike(text: str, decoded: str) -> None:
    assert percent.decode_bytes(text.encode()) == decoded.encode("latin-1")


def test_query_strings_are_decoded_alike() -> None:
    assert parse_query("k=%a&%a=%41%a") == {"k": ["%a"], "%a": ["A%a"]}


APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]
"""


def test_the_core_decodes_alike() -> None:
    """A path is decoded in C, and in Python once it holds a line feed."""
    with Server(APP) as server:
        for text, _ in CASES:
            if not text.isascii() or " " in text or not text:
                continue
            for path in ("/" + text.lstrip("/"), "/%0A" + text.lstrip("/")):
                with socket.create_connection(server.address, timeout=30) as client:
                    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                    content = b"".join(iter(lambda: client.recv(65536), b""))
                status = content.split(b" ", 2)[1]
                if status == b"200":  # the core refuses some targets altogether
                    assert content.partition(b"\r\n\r\n")[2] == percent.decode(path).encode("latin-1")
