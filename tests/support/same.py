"""The same request to an application in this process, by WebTest, and to it behind a socket."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.raw import Answer, Client, chunked
from support.server import Server

with warnings.catch_warnings():
    # WebOb uses a module of the standard library that Python 3.13 no longer has; then it brings its own.
    warnings.simplefilter("ignore", DeprecationWarning)
    import webtest

SERVERS_OWN = frozenset(("date", "server", "connection", "transfer-encoding"))
"""Fields that only the server sends."""


def load_application(path: Path, name: str = "application") -> Any:
    """The application of a file, in this process."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


class Same:
    """An application twice. Every request goes to both; the answers must agree."""

    def __init__(self, application: Any, server: Server) -> None:
        self.server = server
        self._fields: list[tuple[str, str]] = []

        def recorded(environ: dict[str, Any], start_response: Any) -> Any:
            def start(status: str, fields: list[tuple[str, str]], *info: Any) -> Any:
                self._fields = list(fields)
                return start_response(status, fields, *info)

            return application(environ, start)

        self._inside = webtest.TestApp(recorded, lint=True)

    def ask(
        self,
        target: str,
        method: str = "GET",
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        prefix: str = "",
    ) -> Answer:
        """The answer that came through the socket, after it was compared. prefix: SCRIPT_NAME."""
        request = self._request(target, method, fields, body, prefix)
        self._inside.reset()
        inside = self._inside.do_request(request, status="*", expect_errors=True)
        with Client(self.server.address) as client:
            lines = [f"{method} {prefix}{target} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in request.headers.items()]
            client.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            outside = client.read(method)
            if "close" not in outside.head.tokens("Connection"):
                client.assert_open()
        compare(inside.status, self._fields, inside.body, outside)
        return outside

    def post_form(self, target: str, fields: Iterable[tuple[str, Any]], **files: tuple[str, bytes]) -> Answer:
        """A form as WebTest encodes it: multipart when there are files."""
        kind, body = self.encode(fields, **files)
        return self.ask(target, "POST", {"Content-Type": kind}, body)

    def encode(self, fields: Iterable[tuple[str, Any]], **files: tuple[str, bytes]) -> tuple[str, bytes]:
        """Content-Type and content of a multipart form."""
        uploads = [(name, filename, content) for name, (filename, content) in files.items()]
        kind, body = self._inside.encode_multipart(list(fields), uploads)
        return str(kind), bytes(body)

    def send_chunked(
        self, target: str, kind: str, body: bytes, size: int = 1000, method: str = "POST"
    ) -> Answer:
        """Content in the chunked coding, by the socket only: in-process there is no coding."""
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        with Client(self.server.address) as client:
            client.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(pieces))
            answer = client.read()
            client.assert_open()
        return answer

    def _request(
        self, target: str, method: str, fields: Mapping[str, str] | None, body: bytes, prefix: str
    ) -> Any:
        request = webtest.TestRequest.blank(
            target,
            base_url=self.server.url + prefix,
            method=method,
            headers=dict(fields or {}),
            body=body,
        )
        request.environ["REMOTE_ADDR"] = "127.0.0.1"
        request.environ["SERVER_PROTOCOL"] = "HTTP/1.1"
        return request


def compare(status: str, fields: list[tuple[str, str]], body: bytes, outside: Answer) -> None:
    """Asserts that the application's answer came through whole, and nothing but a server's own with it."""
    assert f"{outside.status} {outside.head.reason}" == status
    assert outside.body == body
    mine, theirs = _fields(outside.head.fields), _fields(fields)
    if not any(name == "content-length" for name, _ in theirs):
        mine = [field for field in mine if field[0] != "content-length"]
    if outside.status == 204:
        theirs = [field for field in theirs if field[0] != "content-length"]  # RFC 9110 8.6
    assert mine == theirs, f"outside {mine}\ninside {theirs}"


def _fields(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value.strip()) for name, value in fields if name.lower() not in SERVERS_OWN)
