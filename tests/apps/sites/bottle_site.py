"""A Bottle application."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from bottle import BaseRequest, Bottle, HTTPError, abort, redirect, request, response, static_file

BaseRequest.MEMFILE_MAX = 4_000_000
application = Bottle()
FOLDER = os.environ.get("FOLDER", "")


@application.get("/")
def index() -> str:
    """Text."""
    return "index \u20ac"


@application.get("/still-open")
def still_open() -> str:
    """What the tests ask for to see whether a connection is open."""
    return "/still-open"


@application.get("/json")
def as_json() -> dict[str, Any]:
    """A dict becomes JSON."""
    return {"query": request.query.getall("q"), "method": request.method}


@application.get("/bytes/<count:int>")
def count_bytes(count: int) -> bytes:
    """Bytes."""
    return b"b" * count


@application.get("/stream")
def stream() -> Iterator[bytes]:
    """A generator."""
    response.content_type = "text/plain"
    for number in range(1000):
        yield b"row %d\n" % number


@application.get("/nothing")
def nothing() -> None:
    """No content."""
    response.status = 204


@application.get("/where")
def where() -> dict[str, str]:
    """Addresses as Bottle puts them together."""
    return {
        "url": request.url,
        "path": request.path,
        "fullpath": request.fullpath,
        "script": request.script_name,
        "remote": request.remote_addr,
        "elsewhere": application.get_url("named", name="a b"),
    }


@application.get("/name/<name>", name="named")
def named(name: str) -> str:
    """A path beyond ASCII."""
    return f"name {name}"


@application.get("/move")
def move() -> None:
    """To another page of this site."""
    redirect("/json?q=moved")


@application.get("/cookies")
def cookies() -> dict[str, str]:
    """Two cookies, one of them signed."""
    response.set_cookie("plain", "value", httponly=True, path="/")
    response.set_cookie("signed", "va lue", secret="for tests only", digestmod=hashlib.sha256)
    return dict(request.cookies)


@application.get("/signed")
def signed() -> str:
    """The signed one again."""
    return str(request.get_cookie("signed", secret="for tests only", digestmod=hashlib.sha256))


@application.post("/form")
def form() -> dict[str, Any]:
    """Fields and files."""
    files = {}
    for key, upload in request.files.items():
        data = upload.file.read()
        files[key] = [upload.raw_filename, len(data), hashlib.sha256(data).hexdigest()]
    return {"form": {key: request.forms.getall(key) for key in request.forms}, "files": files}


@application.route("/echo", method=["PUT", "POST", "PATCH", "DELETE"])
def echo() -> bytes:
    """The content as it came."""
    data: bytes = request.body.read()
    return data


@application.get("/file/<name>")
def file(name: str) -> Any:
    """By wsgi.file_wrapper, with Range and conditions as Bottle does them."""
    return static_file(name, root=FOLDER)


@application.get("/save/<name>")
def save(name: str) -> Any:
    """As an attachment."""
    return static_file(name, root=FOLDER, download=True)


@application.get("/teapot")
def teapot() -> None:
    """An error page."""
    abort(418, "short and stout")


@application.get("/header")
def header() -> HTTPError:
    """An error with fields of its own."""
    return HTTPError(401, "who are you", **{"WWW-Authenticate": 'Basic realm="x"'})


@application.get("/boom")
def boom() -> None:
    """An exception that Bottle handles."""
    raise RuntimeError("bottle-boom")
