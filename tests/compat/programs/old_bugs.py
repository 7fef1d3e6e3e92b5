"""What made fapws3 fail, in its form."""

import os
import sys
import threading

CLOSED = []


def pid(environ, start_response):
    return str(os.getpid())


def fail(environ, start_response):
    raise LookupError("on purpose")


def empty(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter(())


def long_head(environ, start_response):
    start_response("200 OK", [(f"X-{number}", "x" * 1000) for number in range(40)])
    return ["body"]


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    print("echo is called:", environ.get("QUERY_STRING"), file=sys.stderr, flush=True)
    return [environ["wsgi.input"].read()]


def field(environ, start_response):
    return environ.get("HTTP_X_LATER", "missing")


def large(environ, start_response):
    return [b"x" * 20_000_000]


def nothing(environ, start_response):
    return None


def generator(environ, start_response):
    try:
        yield "x"
    finally:
        CLOSED.append("generator")


def closed(environ, start_response):
    return " ".join(CLOSED)


def peer(environ, start_response):
    return f"{environ['REMOTE_ADDR']}:{environ['REMOTE_PORT']}"


def thread(environ, start_response):
    def run():
        for _ in range(3):
            threading.Event().wait(0.01)
        print("the thread has run", file=sys.stderr, flush=True)

    threading.Thread(target=run, daemon=True).start()
    return "started"


def scheme(environ, start_response):
    return environ["wsgi.url_scheme"]


def method(environ, start_response):
    return environ["REQUEST_METHOD"] + ":" + environ["wsgi.input"].read().decode()


def wrapped(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"), 1000)


PATHS = [
    ("/pid", pid),
    ("/fail", fail),
    ("/empty", empty),
    ("/long_head", long_head),
    ("/echo", echo),
    ("/field", field),
    ("/large", large),
    ("/nothing", nothing),
    ("/generator", generator),
    ("/closed", closed),
    ("/peer", peer),
    ("/thread", thread),
    ("/scheme", scheme),
    ("/method", method),
    ("/wrapped", wrapped),
]
SERVER = "127.0.0.1:0"
