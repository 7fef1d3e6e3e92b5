"""CGI scripts and sessions under wsgiref's server, which sends the head even with an empty piece."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest

from fapws.contrib.cgiapp import CGIApplication
from fapws.contrib.sessions import MemoryStorage, Sessions


class Quiet(WSGIRequestHandler):
    def log_message(self, *given: Any) -> None:
        """Nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A server whose scripts take their time before their head."""
    for name, text in {
        "cat": "sleep 0.1; echo Content-Type: text/plain; echo; sleep 0.1; cat",
        "away": "sleep 0.1; echo Location: /cat; echo",
        "bad": "sleep 0.1; echo nonsense",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def route(environ: dict[str, Any], start_response: Any) -> Any:
        script = tmp_path / environ["PATH_INFO"].strip("/")
        return CGIApplication(script, local=route)(environ, start_response)

    application = validator(Sessions(MemoryStorage())(route))
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address  # type: ignore[misc]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "content", "wanted"),
    [
        ("/cat", b"", (200, b"")),
        ("/cat", b"x" * 200_000, (200, b"x" * 200_000)),
        ("/away", b"x", (200, b"")),
        ("/bad", b"", (502, b"Bad Gateway\n")),
    ],
    ids=["empty", "content", "redirect", "bad"],
)
def test_slow_scripts_answer(
    address: tuple[str, int], path: str, content: bytes, wanted: tuple[int, bytes]
) -> None:
    connection = HTTPConnection(*address, timeout=20)
    connection.request("POST", path, body=content, headers={"Content-Type": "text/plain"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == wanted
    connection.close()
