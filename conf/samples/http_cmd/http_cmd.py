"""A method of one's own: PURGE, which makes a page forget what it has worked out.

    python http_cmd.py                          # or: fapws http_cmd.py
    curl http://127.0.0.1:8888/squares          # worked out
    curl http://127.0.0.1:8888/squares          # remembered
    curl -X PURGE http://127.0.0.1:8888/squares # forgotten

base.supported_HTTP_command lists the methods that reach a program; others are refused with 501.
"""

import os

import fapws._evwsgi as evwsgi
from fapws import base

PLAIN = [("Content-Type", "text/plain")]

cache = {}


def squares(number=100):
    """Stands for something that takes long."""
    return "".join(f"{n * n}\n" for n in range(1, number + 1))


def page(environ, start_response):
    """GET responds from the cache, PURGE empties it (204, or 404 if there is nothing to forget)."""
    method = environ["REQUEST_METHOD"]
    if method == "PURGE":
        # A cache is nobody's to empty but this machine's.
        if environ["REMOTE_ADDR"] not in ("127.0.0.1", "::1"):
            start_response("403 Forbidden", PLAIN)
        elif cache.pop("squares", None) is None:
            start_response("404 Not Found", PLAIN)
        else:
            start_response("204 No Content", [])
        return []
    if method not in ("GET", "HEAD"):
        start_response("405 Method Not Allowed", [*PLAIN, ("Allow", "GET, HEAD, PURGE")])
        return []
    state = "hit" if "squares" in cache else "miss"
    if state == "miss":
        cache["squares"] = squares()
    start_response("200 OK", [*PLAIN, ("X-Cache", state)])
    return cache["squares"]


base.supported_HTTP_command.append("PURGE")
evwsgi.start("127.0.0.1", os.environ.get("PORT", "8888"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/squares", page))
evwsgi.run()
