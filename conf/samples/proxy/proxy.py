"""A forwarding proxy for one upstream, with the standard library alone.

    python -m http.server 8000 &
    UPSTREAM=http://127.0.0.1:8000 fapws -w 8 proxy.py       # or: fapws -c fapws.ini

Content goes through in pieces in both directions, the fields that concern one connection only stay
behind (RFC 9110 section 7.6.1), an upstream that is not there is a 502, one that is silent for
TIMEOUT a 504. A worker waits with the upstream, so run as many workers as requests at a time.
"""

import contextlib
import http.client
import os
import socket
from urllib.parse import urlsplit

UPSTREAM = urlsplit(os.environ.get("UPSTREAM", "http://127.0.0.1:8000"))
TIMEOUT = float(os.environ.get("TIMEOUT", "30"))
"""Seconds for the connection, and again for every piece that is awaited."""
BLOCK_SIZE = 65536
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
NOT_FORWARDED = {"Expect", "Forwarded", "Content-Type", "Content-Length"}
"""The core responds to the first itself, the second would be the client's word; the last two have names of
their own in the environ."""


def application(environ, start_response):
    """Hands the request on and the response back."""
    connect = http.client.HTTPSConnection if UPSTREAM.scheme == "https" else http.client.HTTPConnection
    upstream = connect(UPSTREAM.hostname, UPSTREAM.port, timeout=TIMEOUT)
    try:
        send_request(upstream, environ)
        answer = upstream.getresponse()
    except (TimeoutError, socket.timeout):  # the same class from Python 3.10 on
        upstream.close()
        return refuse(start_response, "504 Gateway Timeout", "the upstream took too long")
    except (OSError, http.client.HTTPException) as error:
        upstream.close()
        print(f"proxy: {error!r}", file=environ["wsgi.errors"])
        return refuse(start_response, "502 Bad Gateway", "the upstream cannot be reached")
    start_response(f"{answer.status} {answer.reason or 'Unknown'}", end_to_end(answer.getheaders()))
    return Pieces(upstream, answer)


def send_request(upstream, environ):
    """Head and content. The core has taken chunked content apart, so its length is always known."""
    upstream.putrequest(environ["REQUEST_METHOD"], target(environ), skip_host=True, skip_accept_encoding=True)
    for name, value in end_to_end(request_fields(environ)):
        upstream.putheader(name, value.encode("latin-1"))
    upstream.putheader("X-Forwarded-For", environ.get("REMOTE_ADDR") or "unknown")
    upstream.putheader("X-Forwarded-Proto", environ["wsgi.url_scheme"])
    upstream.putheader("Via", "1.1 fapws")
    upstream.putheader("Connection", "close")
    upstream.endheaders()
    # An upstream that refuses the content may respond and hang up before it has read it all.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while block := environ["wsgi.input"].read(BLOCK_SIZE):
            upstream.send(block)


def target(environ):
    """The request target as the client wrote it; of http://host/path only the path."""
    raw = environ["REQUEST_URI"]
    if raw.startswith("/") or raw == "*":
        return raw
    parts = urlsplit(raw)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def request_fields(environ):
    """The request's fields. What a client says of its own forwarding is not believed."""
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").title()
            if name not in NOT_FORWARDED and not name.startswith("X-Forwarded-"):
                yield name, value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield key.replace("_", "-").title(), value


def end_to_end(fields):
    """Without those that concern one connection, or that Connection names."""
    fields = list(fields)
    named = ",".join(value for name, value in fields if name.lower() == "connection")
    dropped = HOP_BY_HOP | {name.strip().lower() for name in named.split(",")}
    return [(name, value) for name, value in fields if name.lower() not in dropped]


class Pieces:
    """The response's content, each piece as soon as it is there; close() is called however it ends."""

    def __init__(self, upstream, answer):
        self._upstream = upstream
        self._answer = answer

    def __iter__(self):
        left = self._answer.length  # None: chunked, or it ends with the connection
        while left != 0:
            block = self._answer.read1(BLOCK_SIZE if left is None else min(left, BLOCK_SIZE))
            if not block and left:
                # Raising ends the client's connection, which tells it that the content is not whole.
                raise http.client.IncompleteRead(b"", left)
            if not block:
                return
            left = None if left is None else left - len(block)
            yield block

    def close(self):
        self._answer.close()
        self._upstream.close()


def refuse(start_response, status, why):
    """A response of the proxy's own."""
    start_response(status, [("Content-Type", "text/plain")])
    return [f"{why}\n".encode()]
