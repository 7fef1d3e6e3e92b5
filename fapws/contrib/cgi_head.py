"""What goes to a CGI script as its environment, and the head that comes back (RFC 3875). Pure."""

from __future__ import annotations

import os
import re
from http.client import responses
from typing import Any, NamedTuple

Environ = dict[str, Any]

MAX_HEAD = 32768
"""Bytes of a script's head; a script that has written more without an empty line is no CGI script."""
VARIABLES = (
    "AUTH_TYPE",
    "CONTENT_TYPE",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
)
"""Those of RFC 3875 section 4.1 that are as in WSGI. The others are worked out."""
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEPT = ("PATH", "LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL")
"""What a script gets from this process's own environment: what programs need to run at all."""
_WITHHELD = frozenset(
    (
        "HTTP_AUTHORIZATION",  # RFC 3875 section 4.1.18; see authorization
        "HTTP_PROXY_AUTHORIZATION",
        "HTTP_PROXY",  # a client could choose the proxy of the script's own requests (CVE-2016-5385)
        "HTTP_CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
        "HTTP_CONNECTION",
        "HTTP_TRANSFER_ENCODING",
    )
)
_NOT_PASSED = frozenset(
    (
        "status",
        "connection",  # the connection is the server's (PEP 3333, "Other HTTP Features")
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    )
)
_FIELD_KEY = re.compile(r"HTTP_[A-Z0-9_]+")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_STATUS = re.compile(r"[1-9][0-9]{2}")
_END_OF_HEAD = re.compile(rb"(?:^|\r?\n)\r?\n")


class BadRequest(Exception):
    """A request that cannot be put into CGI's variables; args: status, reason."""


class BadOutput(Exception):
    """What a script has written is no head of RFC 3875 section 6; the text says why."""


class Head(NamedTuple):
    """A document response, or a redirect of the client."""

    status: str
    headers: list[tuple[str, str]]


class LocalRedirect(NamedTuple):
    """Section 6.2.2: the server is to respond as if the client had asked for this path and query."""

    path: str
    query: str


# ---- To the script -------------------------------------------------------------------------------


def split_path(environ: Environ) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO as sections 4.1.5 and 4.1.13 want them. Raises BadRequest.

    Routing by fapws3's rule ends SCRIPT_NAME with a slash, or leaves none before PATH_INFO; then
    the slash changes sides, and ``/scriptX`` is not a request for ``/script``.
    """
    name, info = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    if name.endswith("/"):
        name, info = name[:-1], "/" + info
    if info and not info.startswith("/"):
        raise BadRequest("404 Not Found")
    return name, info


def variables(
    environ: Environ, length: int, document_root: str | None, authorization: bool
) -> dict[bytes, bytes]:
    """The whole environment of the script. length: bytes of the request's content. Raises BadRequest."""
    name, info = split_path(environ)
    given = {key: environ[key] for key in VARIABLES if key in environ}
    given["GATEWAY_INTERFACE"] = "CGI/1.1"
    given["SCRIPT_NAME"] = name
    given["PATH_INFO"] = info
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ.get("fapws.uri")
    if raw:
        given["REQUEST_URI"] = raw  # not of RFC 3875: Apache's, and what fapws3 gave
    given.setdefault("QUERY_STRING", "")  # section 4.1.7: always there
    if length or environ.get("CONTENT_LENGTH"):
        given["CONTENT_LENGTH"] = str(length)
    if info and document_root is not None and ".." not in info.split("/"):
        given["PATH_TRANSLATED"] = document_root + info
    for key, value in environ.items():
        if _FIELD_KEY.fullmatch(key) and key not in _WITHHELD:
            given[key] = value
    if authorization and "HTTP_AUTHORIZATION" in environ:
        given["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"]
    if any("\0" in value for value in given.values()):
        raise BadRequest("400 Bad Request")  # %00 in the path: an environment cannot hold it
    encoded = {key.encode("ascii"): _encode(value) for key, value in given.items()}
    for key in _KEPT:
        if key in os.environ:
            encoded[os.fsencode(key)] = os.fsencode(os.environ[key])
    encoded.setdefault(b"PATH", os.fsencode(DEFAULT_PATH))
    return encoded


def _encode(value: str) -> bytes:
    """The bytes that PEP 3333 has as latin-1; others come from a broken server or middleware."""
    return value.encode("latin-1", "replace")


# ---- From the script -----------------------------------------------------------------------------


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """The head and what follows it; None while there is no empty line. Raises BadOutput."""
    if data.startswith(b"HTTP/"):
        raise BadOutput("it is a non-parsed header script (NPH), which is not supported")
    end = _END_OF_HEAD.search(data)
    if end is None or end.start() > MAX_HEAD:
        if len(data) > MAX_HEAD:
            raise BadOutput(f"no empty line ends the head within {MAX_HEAD} bytes")
        return None
    return data[: end.start()], data[end.end() :]


def parse_head(head: bytes) -> Head | LocalRedirect:
    """A script's head (section 6.3). Raises BadOutput."""
    fields = [_field(line) for line in head.replace(b"\r\n", b"\n").split(b"\n")] if head else []
    names = [name.lower() for name, _ in fields]
    for single in ("status", "location", "content-type", "content-length"):
        if names.count(single) > 1:
            raise BadOutput(f"its head has several {single} fields")
    values = dict(zip(names, (value for _, value in fields)))
    if not re.fullmatch("[0-9]{1,18}", values.get("content-length", "0")):
        raise BadOutput(f"its Content-Length is {values['content-length'][:80]!r}")
    headers = [(name, value) for name, value in fields if name.lower() not in _NOT_PASSED]
    location = values.get("location", "")
    if location.startswith("/") and not location.startswith("//") and names == ["location"]:
        path, _, query = location.partition("?")
        return LocalRedirect(path, query)
    if not names or not {"content-type", "location", "status"} & set(names):
        raise BadOutput("its head has neither Content-Type nor Location nor Status")
    return Head(_status(values.get("status", "302" if location else "200")), headers)


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise BadOutput(f"{line[:80]!r} is no field of a head")
    return name.decode("ascii"), value.decode("latin-1")


def _status(value: str) -> str:
    code, _, reason = value.partition(" ")
    if not _STATUS.fullmatch(code) or int(code) < 200:
        raise BadOutput(f"{value[:80]!r} is no status of an answer")
    return f"{code} {reason.strip() or responses.get(int(code), 'Status')}"
