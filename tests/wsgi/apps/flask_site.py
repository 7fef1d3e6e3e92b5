"""A Flask application of the usual kind: sessions, forms, upload, streaming, static files, errors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from flask import (
    Flask,
    Response,
    abort,
    flash,
    get_flashed_messages,
    jsonify,
    redirect,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)

application = Flask(__name__, static_folder=os.environ["STATIC"], static_url_path="/static")
application.secret_key = "for tests only"


@application.get("/")
def index() -> str:
    """Shows who is logged in."""
    return f"user={session.get('user', '-')} messages={get_flashed_messages()}"


@application.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """A form that sets the session and redirects."""
    if request.method == "POST":
        session["user"] = request.form["user"]
        flash("welcome")
        return redirect(url_for("index"))
    return '<form method="post"><input name="user"></form>'


@application.post("/logout")
def logout() -> Any:
    """Clears the session."""
    session.clear()
    return redirect("/", 303)


@application.post("/upload")
def upload() -> Any:
    """A form with files; large ones go through werkzeug's own spooling."""
    sizes = {}
    for name, file in request.files.items(multi=True):
        data = file.read()
        sizes[name] = [file.filename, len(data), hashlib.sha256(data).hexdigest()]
    return jsonify(files=sizes, form=request.form.to_dict(flat=False))


@application.route("/json", methods=["POST", "PUT", "PATCH", "DELETE"])
def echo_json() -> Any:
    """Gives JSON back."""
    return jsonify(method=request.method, got=request.get_json(), args=request.args)


@application.get("/stream")
def stream() -> Response:
    """A generator that needs the request while it runs."""

    @stream_with_context
    def generate() -> Iterator[str]:
        for number in range(100):
            yield f"{request.args['word']} {number}\n"

    return Response(generate(), mimetype="text/plain")


@application.get("/download")
def download() -> Response:
    """A file, with conditional and range requests as werkzeug does them."""
    return send_file(os.environ["STATIC"] + "/big.bin", as_attachment=True, conditional=True)


@application.get("/cookies")
def cookies() -> Response:
    """Sets two cookies and shows those that came."""
    response = jsonify(request.cookies)
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "zwei drei", max_age=60)
    return response


@application.get("/teapot")
def teapot() -> None:
    """An error page."""
    abort(418)


@application.get("/boom")
def boom() -> None:
    """An exception that Flask handles."""
    raise RuntimeError("flask-boom")


@application.get("/unicode/<name>")
def unicode_path(name: str) -> str:
    """A path beyond ASCII."""
    return f"name={name} query={request.args.get('q')}"


@application.get("/host")
def host() -> str:
    """What Flask makes of the address."""
    return f"{request.url} {request.remote_addr} {request.is_secure}"
