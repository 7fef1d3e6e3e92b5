"""What a program of fapws3 asks beside WSGI: the head as it was received and the client's descriptor."""

from __future__ import annotations

from support.raw import Client
from support.server import Server

ASKING = """
import socket

def hello(environ, start_response):
    client = socket.socket(fileno=environ["fapws.socket_fd"])
    port = client.getpeername()[1]
    client.detach()
    return [str(port), "\\n", environ["fapws.raw_header"]]

PATHS = [("/", hello)]
"""
PLAIN = """
def application(environ, start_response):
    start_response("200 OK", [])
    try:
        start_response.__self__.raw_head()
    except Exception as error:
        return [repr(error).encode()]
"""
HEADS = (
    b"GET /a%20b?c HTTP/1.1\r\nHost:  x \r\nX-ODD: \t\xe9\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\nContent-Length: 3\r\n\r\n",
    b"GET /last HTTP/1.1\r\nHost: x\r\nunder_score: kept here\r\n\r\n",
)


def test_pipelined_requests_are_told_their_own_heads_and_the_descriptor_of_their_client() -> None:
    with Server(ASKING) as server, Client(server.address) as client:
        port = str(client.socket.getsockname()[1]).encode()
        client.send(HEADS[0] + HEADS[1] + b"abc" + HEADS[2])
        for head in HEADS:
            seen, _, raw = client.read().body.partition(b"\n")
            assert seen == port
            assert raw.decode().encode("latin-1") == head


def test_a_plain_application_does_not_pay_for_heads_and_has_none() -> None:
    with Server(PLAIN) as server, Client(server.address) as client:
        client.send(HEADS[0])
        assert b"Fault" in client.read().body
