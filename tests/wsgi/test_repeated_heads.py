"""A head that an application gives again and again is sent as at first, framed for each request."""

from __future__ import annotations

from support.raw import Client, request
from support.server import Server

APPLICATION = """
from urllib.parse import unquote

HEADS = [
    ("200 OK", []),
    ("200 OK", [("Content-Length", "5")]),
    ("200 OK", [("Content-Length", "9")]),
    ("200 OK", [("Date", "then"), ("Server", "me"), ("X", " y ")]),
    ("200", [("Connection", "close")]),
    ("200 OK", [("Keep-Alive", "1")]),
    ("204 No Content", []),
    ("205 Reset", [("A", "b")]),
    ("304 Not Modified", [("Content-Length", "5")]),
    ("426 Upgrade Required", [("Upgrade", "x")]),
    ("407 No", [("Proxy-Authenticate", "Basic")]),
    ("200 OK", [("Content-Length", "x")]),
    ("200 OK", [("A", "b\\nC")]),
    ("2000 OK", []),
]


def application(environ, start_response):
    start_response(*HEADS[int(environ["PATH_INFO"][1:])])
    if environ["QUERY_STRING"] == "stream":
        return (piece for piece in [b"he", b"llo"])
    return [b"hello"]
"""
WAYS = (
    lambda path: request(path, "Connection: close"),
    lambda path: request(path, "Connection: close", method="HEAD"),
    lambda path: (
        f"GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode() + request("/0", "Connection: close")
    ),
    lambda path: request(path + "?stream", "Connection: close"),
    lambda path: request(path) + request(path, "Connection: close"),
)


def answers(server: Server) -> list[bytes]:
    out = []
    for number in range(14):
        for way in WAYS:
            with Client(server.address) as client:
                client.send(way(f"/{number}"))
                lines = client.read_to_end().split(b"\r\n")
            out.append(b"\r\n".join(line for line in lines if not line.endswith(b" GMT")))
    return out


def test_a_repeated_head_is_sent_as_at_first() -> None:
    with Server(APPLICATION) as server:
        first = answers(server)
        for _ in range(3):
            assert answers(server) == first
    assert len(set(first)) > 30
