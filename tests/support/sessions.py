"""A browser without a network, for the tests of sessions: it calls the application and keeps its cookie."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from fapws.contrib.sessions import FileStorage, MemoryStorage, Sessions, SignedCookie, SqliteStorage, Storage

KEY = b"only for these tests, 32 bytes.."
KEPT_HERE = ("file", "memory", "sqlite")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def make_storage(kind: str, folder: Path) -> Storage:
    if kind == "sqlite":
        pytest.importorskip("sqlite3", reason="needs a Python with sqlite3", exc_type=ImportError)
    made: dict[str, Callable[[], Storage]] = {
        "file": lambda: FileStorage(folder / "sessions"),
        "memory": MemoryStorage,
        "sqlite": lambda: SqliteStorage(folder / "sessions.db"),
        "signed": lambda: SignedCookie(KEY),
    }
    return made[kind]()


class Browser:
    """Calls an application and keeps its cookie."""

    def __init__(self, application: Callable[..., Any], cookie: str = "", scheme: str = "http") -> None:
        self.application, self.cookie, self.scheme = application, cookie, scheme
        self.set_cookie = ""
        self.errors = io.StringIO()

    def get(self) -> str:
        """The answer's content."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
            "SERVER_NAME": "test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0), "wsgi.url_scheme": self.scheme, "wsgi.input": io.BytesIO(),
            "wsgi.errors": self.errors, "wsgi.multithread": False, "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }  # fmt: skip
        if self.cookie:
            environ["HTTP_COOKIE"] = f"other=1; sessionid={self.cookie}; last=2"
        headers: list[tuple[str, str]] = []

        def start_response(status: str, given: Any, exc_info: Any = None) -> Callable[[bytes], Any]:
            headers[:] = given
            return lambda data: None

        result = self.application(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        assert len(cookies) <= 1
        self.set_cookie = cookies[0] if cookies else ""
        if cookies:
            self.cookie = cookies[0].partition("=")[2].partition(";")[0]
        return content.decode()


def application(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A WSGI application that answers with what ``change`` makes of the session."""

    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        answer = json.dumps(change(environ["fapws.session"])).encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [answer]

    return run


def count(session: Any) -> int:
    session["count"] = session.get("count", 0) + 1
    return int(session["count"])


def browser(sessions: Sessions, change: Callable[[Any], Any], cookie: str = "") -> Browser:
    return Browser(validator(sessions(application(change))), cookie)
