"""write() belongs to the thread of its request (docs/http.md), whether or not something waits to be sent."""

from __future__ import annotations

import pytest
from support.raw import Client, request
from support.server import Server

APPLICATION = """
import threading


def application(environ, start_response):
    write = start_response("200 OK", [])
    write(b"x" * int(environ["QUERY_STRING"]))
    told = []

    def other():
        try:
            write(b"OTHER")
        except Exception as error:
            told.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    return [repr(told).encode()]
"""


@pytest.mark.parametrize("before", [0, 1, 32 << 20])
@pytest.mark.parametrize("pure", ["0", "1"])
def test_another_thread_is_refused(before: int, pure: str) -> None:
    with Server(APPLICATION, env={"FAPWS_PURE": pure}) as server, Client(server.address) as client:
        client.send(request(f"/?{before}"))
        body = client.read().body
    assert body[:before] == b"x" * before
    assert body[before:] == b"['write() was called in another thread than that of the request']"
