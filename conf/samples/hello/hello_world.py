"""The same and a little more, in the form of fapws3's programs.

    python hello_world.py                       # this process serves, until Ctrl-C
    fapws hello_world.py                        # a master with workers; --reload, -w and -b work too
    curl http://127.0.0.1:8888/hello

start() binds, set_base_module() says how environ and start_response are made, wsgi_cb() adds a
prefix and what serves it, run() serves and comes back when the process is told to end. Under the
master start() takes over the master's sockets, so its address counts only without one.
"""

import html
import os

import fapws._evwsgi as evwsgi
from fapws import base


def hello(environ, start_response):
    """The least there is: a str, sent as UTF-8, with status 200 and text/html."""
    return "Hello world!!"


def env(environ, start_response):
    """What a request looks like, as a table."""
    rows = (f"<tr><td>{html.escape(key)}<td>{html.escape(str(environ[key]))}\n" for key in sorted(environ))
    return ["<!doctype html><title>environ</title><table>\n", *rows, "</table>\n"]


def form(environ, start_response):
    """A form, and what was written into it: fapws.params has the query, or the form of a POST."""
    names = environ["fapws.params"].get("name", [])
    greeting = f"<p>Hello {html.escape(names[0])}!\n" if names else ""
    return f'<!doctype html><title>Hello</title>{greeting}<form method="post"><input name="name"></form>\n'


class Plain:
    """An object with __call__ serves as well, and keeps what it was made with."""

    def __init__(self, text):
        self.text = text

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [self.text]


def source(environ, start_response):
    """A file object: sent piece by piece and closed afterwards."""
    start_response("200 OK", [("Content-Type", "text/x-python; charset=utf-8")])
    return open(__file__, "rb")


def otherwise(environ, start_response):
    """What no prefix matches."""
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return ["There is /hello, /env, /form, /plain and /source.\n"]


def start():
    evwsgi.start("127.0.0.1", os.environ.get("PORT", "8888"))
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/hello", hello))
    evwsgi.wsgi_cb(("/env", env))
    evwsgi.wsgi_cb(("/form", form))
    evwsgi.wsgi_cb(("/plain", Plain("Hello from an object\n")))
    evwsgi.wsgi_cb(("/source", source))
    evwsgi.wsgi_gen_cb(otherwise)
    evwsgi.run()


start()
