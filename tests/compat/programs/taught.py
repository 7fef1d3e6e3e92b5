"""A program as fapws3's documentation built it up, in fapws4's form."""

import time

from fapws4.base import Environ, Start_response  # imported by habit, and never used
from fapws4.contrib import headers, views

__all__ = ["Environ", "Start_response"]


def hello(environ, start_response):
    return ["Hello world!!"]


def env(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    result = []
    for key, val in environ.items():
        result.append(f"{key} => {val}\n")
    return result


class Test:
    """An object that is called, with what it was made with."""

    def __init__(self, word):
        self.word = word

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{self.word}: {time.strftime('%Y', time.gmtime(0))}"]


class Test2:
    def __init__(self, environ=None, start_response=None):
        self.environ = environ

    def __iter__(self):
        for number in range(3):
            yield f"line {number}\n"


def iteration(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield "Hello"
    yield " "
    yield "world!!"


def a_tuple(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ("Hello", " world!!")


def a_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return open(__file__, "rb")


def testpost(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    if environ["REQUEST_METHOD"] == "POST":
        fields = environ["fapws.params"]
        return ["OK. params are:", ", ".join(f"{key}={values}" for key, values in sorted(fields.items()))]
    return ["<form method='post'><input name='name' /></form>"]


def redirect_codes(environ, start_response):
    return headers.redirect(start_response, "/hello", permanent=True)


def redirect(environ, start_response):
    return headers.redirect(start_response, "/hello")


def badscript(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return ["Hello world", this_is_not_defined]  # noqa: F821


PATHS = [
    ("/env", env),
    ("/hello", hello),
    ("/class2", Test2),
    ("/class", Test("word")),
    ("/iteration", iteration),
    ("/tuple", a_tuple),
    ("/file", a_file),
    ("/testpost", testpost),
    ("/redirectcodes", redirect_codes),
    ("/redirect", redirect),
    ("/badscript", badscript),
    ("/static", views.Staticfile(__file__.rpartition("/")[0])),
]
SERVER = "127.0.0.1:0"
