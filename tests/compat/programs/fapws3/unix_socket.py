"""A unix socket, in the form of fapws3's documentation."""

import os

import fapws._evwsgi as evwsgi
from fapws import base


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return ["Hello", " socket"]


def start():
    evwsgi.start(os.environ.get("SOCKET", "/tmp/hello.sock"), "unix")
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/hello", hello))
    evwsgi.set_debug(0)
    evwsgi.run()


if __name__ == "__main__":
    start()
