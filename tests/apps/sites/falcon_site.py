"""A Falcon application."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import falcon

FOLDER = Path(os.environ.get("FOLDER", "."))


class StillOpen:
    """What the tests ask for to see whether a connection is open."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Text."""
        response.content_type = falcon.MEDIA_TEXT
        response.text = "/still-open"


class Media:
    """JSON both ways."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The query."""
        response.media = {"q": request.get_param_as_list("q"), "n": request.get_param_as_int("n")}

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """What was sent: JSON or a form, by its type."""
        response.media = request.get_media()
        response.status = falcon.HTTP_201
        response.location = request.relative_uri + "/1"

    on_put = on_post


class Content:
    """The stream of a request."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """By bounded_stream, which knows CONTENT_LENGTH."""
        data = request.bounded_stream.read()
        response.media = [len(data), hashlib.sha256(data).hexdigest(), request.content_length]

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        """By stream, which is wsgi.input itself."""
        data = b"".join(iter(lambda: request.stream.read(4096), b""))
        response.media = [len(data), hashlib.sha256(data).hexdigest(), request.content_length]


class Parts:
    """A multipart form."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Its parts."""
        response.media = [
            [part.name, part.filename, hashlib.sha256(part.stream.read()).hexdigest()]
            for part in request.get_media()
        ]


class Where:
    """Addresses as Falcon puts them together."""

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str = "") -> None:
        """All of them."""
        response.media = {
            "uri": request.uri,
            "prefix": request.prefix,
            "relative": request.relative_uri,
            "path": request.path,
            "host": request.host,
            "port": request.port,
            "netloc": request.netloc,
            "forwarded": request.forwarded_uri,
            "root": request.root_path,
            "remote": request.remote_addr,
            "route": request.access_route,
            "name": name,
        }


class Streams:
    """Answers that come in pieces."""

    def on_get(self, request: falcon.Request, response: falcon.Response, kind: str) -> None:
        """A generator, a file through wsgi.file_wrapper with and without a length."""
        response.content_type = "application/octet-stream"
        if kind == "rows":
            response.stream = self._rows()
        elif kind == "file":
            response.stream = (FOLDER / "big.bin").open("rb")
        elif kind == "sized":
            path = FOLDER / "big.bin"
            response.set_stream(path.open("rb"), path.stat().st_size)
        else:
            response.stream = io.BytesIO(b"memory" * 50_000)

    @staticmethod
    def _rows() -> Iterator[bytes]:
        for number in range(1000):
            yield b"row %d\n" % number


class Cookies:
    """Cookies, an ETag and a cache."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Sets two, shows those that came."""
        response.set_cookie("one", "1", secure=False, http_only=True)
        response.set_cookie("two", "2", secure=False, path="/", same_site="Lax")
        response.append_header("X-Many", "a")
        response.append_header("X-Many", "b")
        response.vary = ["Accept", "Cookie"]
        response.media = request.cookies


class Moved:
    """Redirects."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """To an address beyond ASCII, which goes out as Latin-1."""
        raise falcon.HTTPMovedPermanently("/where/caf\u00e9")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """See other."""
        raise falcon.HTTPSeeOther("/media?q=moved")


class Boom:
    """An exception that Falcon handles, and errors with fields."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Not handled by anybody."""
        raise RuntimeError("falcon-boom")

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """An error page with fields of its own."""
        raise falcon.HTTPTooManyRequests(title="Slow down", retry_after=30)


def make(**options: Any) -> falcon.App[Any, Any]:
    """The application."""
    app = falcon.App(**options)
    app.add_route("/still-open", StillOpen())
    app.add_route("/media", Media())
    app.add_route("/content", Content())
    app.add_route("/parts", Parts())
    app.add_route("/where", Where())
    app.add_route("/where/{name}", Where())
    app.add_route("/streams/{kind}", Streams())
    app.add_route("/cookies", Cookies())
    app.add_route("/moved", Moved())
    app.add_route("/boom", Boom())
    app.add_static_route("/files", str(FOLDER.resolve()))
    return app


application = make()
