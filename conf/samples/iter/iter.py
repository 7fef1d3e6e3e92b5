"""What an object may return, from a list to an endless stream.

    python iter.py                              # or: fapws iter.py
    curl -N http://127.0.0.1:8888/count?to=5

Whatever can be iterated is sent piece by piece, each as soon as it is there, and only when the
client has taken what came before: a slow client costs no memory and holds nobody up.
"""

import itertools
import os

import fapws._evwsgi as evwsgi
from fapws import base

PLAIN = [("Content-Type", "text/plain; charset=utf-8")]


def pieces(environ, start_response):
    """A list or a tuple, str and bytes mixed: joined and sent at once, with a Content-Length."""
    start_response("200 OK", PLAIN)
    return ("one\n", b"two\n", "trois\u00a0!\n")


def count(environ, start_response):
    """A generator: this function runs while the response is being sent."""
    start_response("200 OK", PLAIN)
    end = environ["fapws.params"].get("to", ["10"])[0]
    for number in range(1, int(end) + 1 if end.isdecimal() else 11):
        yield f"{number}\n"


class Alphabet:
    """An object with __iter__, and with close(), which is called however the response ends."""

    def __init__(self, environ, start_response):
        start_response("200 OK", PLAIN)

    def __iter__(self):
        return (chr(code) for code in range(ord("a"), ord("z") + 1))

    def close(self):
        print("alphabet: closed", flush=True)


def endless(environ, start_response):
    """Until the client has enough. What `finally` holds is done when it leaves."""
    start_response("200 OK", PLAIN)
    sent = 0
    try:
        for number in itertools.count(1):
            yield f"{number:>63}\n" * 64
            sent = number
    finally:
        print(f"endless: stopped after {sent} pieces", flush=True)


evwsgi.start("127.0.0.1", os.environ.get("PORT", "8888"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/pieces", pieces))
evwsgi.wsgi_cb(("/count", count))
evwsgi.wsgi_cb(("/alphabet", Alphabet))
evwsgi.wsgi_cb(("/endless", endless))
evwsgi.run()
