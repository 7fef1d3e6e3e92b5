"""A Flask application that sends files and looks at addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, jsonify, make_response, redirect, request, send_file, url_for

FOLDER = os.environ["FOLDER"]
application = Flask(__name__)
CLOSED: list[str] = []


@application.get("/where")
def where() -> Response:
    """Addresses as Flask puts them together."""
    return jsonify(
        url=request.url,
        root=request.script_root,
        path=request.path,
        host=request.host_url,
        outside=url_for("named", name="a b\u20ac", _external=True),
        inside=url_for("named", name="x"),
    )


@application.get("/name/<name>")
def named(name: str) -> str:
    """A path beyond ASCII."""
    return name


@application.get("/move/<int:code>")
def move(code: int) -> Any:
    """To another page; Location as Flask makes it."""
    return redirect(url_for("named", name="moved"), code)


@application.get("/file/<name>")
def file(name: str) -> Response:
    """By wsgi.file_wrapper, with ETag, Last-Modified and Range."""
    return send_file(os.path.join(FOLDER, name), conditional=True, etag=True, max_age=60)


@application.get("/whole/<name>")
def whole(name: str) -> Response:
    """The same without conditions."""
    return send_file(os.path.join(FOLDER, name), conditional=False)


@application.get("/tagged")
def tagged() -> Response:
    """A page that is made, with a tag of its content."""
    answer = make_response("tagged content")
    answer.add_etag()
    return answer.make_conditional(request)


@application.get("/closing")
def closing() -> Response:
    """A stream that tells when it is closed."""

    def generate() -> Iterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    answer = Response(generate(), mimetype="text/plain")
    name = request.args["n"]
    answer.call_on_close(lambda: CLOSED.append(name))
    return answer


@application.get("/closed")
def closed() -> Response:
    """What was closed."""
    return jsonify(CLOSED)


@application.post("/form")
def form() -> Response:
    """Fields and files."""
    files = {}
    for key, upload in request.files.items():
        digest = hashlib.sha256(upload.stream.read()).hexdigest()
        files[key] = [upload.filename, digest, type(upload.stream).__name__]
    return jsonify(form=request.form.to_dict(flat=False), files=files, length=request.content_length)


@application.post("/stream")
def stream() -> Response:
    """The content read piece by piece."""
    digest, total = hashlib.sha256(), 0
    while True:
        piece = request.stream.read(10_000)
        if not piece:
            return jsonify(total=total, digest=digest.hexdigest())
        digest.update(piece)
        total += len(piece)


@application.get("/cookie")
def cookie() -> Response:
    """A cookie with every attribute, and one that is taken away."""
    answer = make_response(jsonify(request.cookies))
    answer.set_cookie("full", "v\u00e9", max_age=60, path="/", secure=False, httponly=True, samesite="Lax")
    answer.delete_cookie("gone")
    return answer
