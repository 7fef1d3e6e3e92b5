"""The requests that the status address takes, and those that it refuses."""

from __future__ import annotations

import pytest

from fapws.supervisor.monitor import http


@pytest.mark.parametrize(
    ("request_bytes", "question"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ("/", False)),
        (b"GET /livez HTTP/1.1\r\n\r\n", ("/livez", False)),
        (b"GET /livez HTTP/1.0\r\n\r\n", ("/livez", False)),
        (b"HEAD /readyz/blog?x=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", ("/readyz/blog", True)),
        (b"GET http://status.example:9117/metrics HTTP/1.1\r\nHost: x\r\n\r\n", ("/metrics", False)),
        (b"GET http://status.example HTTP/1.1\r\nContent-Length: 0\r\n\r\n", ("/", False)),
        (b"GET /a HTTP/1.1\r\nX:\r\nUser-Agent: \xe9\t!\r\n\r\n", ("/a", False)),
    ],
)
def test_requests_of_probes_and_browsers_are_understood(
    request_bytes: bytes, question: tuple[str, bool]
) -> None:
    assert http.parse(request_bytes) == question
    for cut in range(len(request_bytes)):
        assert http.parse(request_bytes[:cut]) is None, request_bytes[:cut]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.10\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET livez HTTP/1.1\r\n\r\n", 400),
        (b"GET ftp://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x7f HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b" GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: 1\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * http.HEAD_MAX, 431),
    ],
)
def test_anything_else_is_refused_with_a_status_of_4xx(request_bytes: bytes, status: int) -> None:
    with pytest.raises(http.Refusal) as refused:
        http.parse(request_bytes[: http.HEAD_MAX])
    assert refused.value.reply.status == status


def test_response_to_head_has_the_head_and_no_content() -> None:
    reply = http.Reply(200, b"ok\n")
    whole, head = http.render(reply), http.render(reply, head_only=True)
    assert whole == head + b"ok\n"
    assert b"\r\nContent-Length: 3\r\n" in head
    assert b"\r\nConnection: close\r\n" in head
