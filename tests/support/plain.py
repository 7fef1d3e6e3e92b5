"""A WSGI application asked without a server, with wsgiref.validate around it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator


class Plain(NamedTuple):
    """What came back."""

    status: str
    fields: list[tuple[str, str]]
    body: bytes
    result: Any
    """What the application returned."""

    @property
    def code(self) -> int:
        """The status code."""
        return int(self.status[:3])

    def get(self, name: str) -> str | None:
        """A field's value; it must not be repeated."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        assert len(values) < 2, f"{name} is repeated: {values}"
        return values[0] if values else None


def ask(
    application: Callable[..., Any],
    path: str = "/",
    *,
    method: str = "GET",
    content: bytes = b"",
    valid: bool = True,
    **environ: Any,
) -> Plain:
    """One request. environ: more of it, request fields as HTTP_NAME; valid: the validator looks on."""
    filled: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.input": io.BytesIO(content),
        **environ,
    }
    if content:
        filled["CONTENT_LENGTH"] = str(len(content))
    setup_testing_defaults(filled)
    head: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info is not None and written:
            raise exc_info[1]
        assert exc_info is not None or not head, "start_response was called twice"
        head[:] = [status, list(headers)]
        return written.append

    called = validator(application) if valid else application
    result = called(filled, start_response)
    try:
        body = b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return Plain(head[0], head[1], b"".join(written) + body, result)
