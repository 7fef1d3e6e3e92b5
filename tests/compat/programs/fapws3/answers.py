"""What an object may be and return, in the form of fapws3's documentation."""

import os

import fapws._evwsgi as evwsgi
from fapws import base

HERE = os.path.dirname(os.path.abspath(__file__))


def env(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [f"{key}:{value}\n" for key, value in environ.items()]


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return ["Hello", " world!!"]


def plain(environ, start_response):
    return "Hello plain"


def nothing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield "Hello"
    yield " "
    yield "generator"


def empty(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([])


def tuplehello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return ("Hello", " tuple")


def file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return open(os.path.join(HERE, "static", "long.txt"), "rb")


def split(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with open(os.path.join(HERE, "static", "long.txt"), "rb") as long:
        return base.split_len(long.read(), 32768)


class Instance:
    def __init__(self):
        self.count = 0

    def __call__(self, environ, start_response):
        self.count += 1
        start_response("200 OK", [("Content-Type", "text/html"), ("X-Count", str(self.count))])
        return [b"Hello class"]


def wrong(environ, start_response):
    return start_reponse("200 OK", [])  # noqa: F821  # a slip of the pen, as they happen


def generic(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return ["no ", environ["PATH_INFO"]]


def start():
    evwsgi.start("127.0.0.1", os.environ.get("PORT", "8080"))
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/env", env))
    evwsgi.wsgi_cb(("/hello", hello))
    evwsgi.wsgi_cb(("/plain", plain))
    evwsgi.wsgi_cb(("/nothing", nothing))
    evwsgi.wsgi_cb(("/generator", generator))
    evwsgi.wsgi_cb(("/empty", empty))
    evwsgi.wsgi_cb(("/tuple", tuplehello))
    evwsgi.wsgi_cb(("/file", file))
    evwsgi.wsgi_cb(("/split", split))
    evwsgi.wsgi_cb(("/class", Instance()))
    evwsgi.wsgi_cb(("/wrong", wrong))
    evwsgi.wsgi_gen_cb(generic)
    evwsgi.set_debug(0)
    evwsgi.run()
    print("run() has returned", flush=True)


if __name__ == "__main__":
    start()
