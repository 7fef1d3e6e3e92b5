"""A program in fapws4's form with everything an object of PATHS may be and may return."""

import functools
import io
import os
import tempfile

from fapws4.base import get_status

FOLDER = tempfile.mkdtemp()
CLOSED = []


def text(environ, start_response):
    return "é"


def octets(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return b"\x00\xff"


def several(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ("a", b"b", "é")


def mixed(environ, start_response):
    return [b"a", "b"]


def nothing(environ, start_response):
    return None


def only_status(environ, start_response):
    start_response(get_status(404), [])


def binary_file(environ, start_response):
    path = os.path.join(FOLDER, "binary")
    with open(path, "wb") as file:
        file.write(b"0123456789" * 20000)
    return Watched(open(path, "rb"))


def system_file(environ, start_response):
    path = os.path.join(FOLDER, "system")
    with open(path, "wb") as file:
        file.write(b"0123456789" * 20000)
    return open(path, "rb")


def text_file(environ, start_response):
    path = os.path.join(FOLDER, "text")
    with open(path, "w", encoding="utf-8") as file:
        file.write("é" * 100000)
    return Watched(open(path, encoding="utf-8"))


def string_file(environ, start_response):
    return io.StringIO("from memory")


def generator(environ, start_response):
    start_response("202 Accepted", [("Content-Type", "text/plain")])
    try:
        yield "one "
        yield b"two "
        yield "é"
    finally:
        CLOSED.append("generator")


def endless(environ, start_response):
    try:
        while True:
            yield b"x" * 10000
    finally:
        CLOSED.append("endless")


def closed(environ, start_response):
    names, CLOSED[:] = list(CLOSED), []
    return " ".join(names)


def writing(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return ["returned"]


class Watched:
    """A file that tells when it is closed."""

    def __init__(self, file):
        self.read = file.read
        self._file = file

    def close(self):
        self._file.close()
        CLOSED.append("file")


class Counter:
    """An object with a state of its own."""

    def __init__(self):
        self.count = 0

    def __call__(self, environ, start_response):
        self.count += 1
        return str(self.count)

    def method(self, environ, start_response):
        return "method"


class Instance:
    """A class as WSGI allows it: making it is calling it, and it is iterated over."""

    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])

    def __iter__(self):
        return iter([b"instance"])


def greet(word, environ, start_response):
    return word


def fail(environ, start_response):
    raise LookupError("on purpose")


def fail_late(environ, start_response):
    yield "begun"
    raise LookupError("too late")


counter = Counter()
PATHS = [
    ("/text_file", text_file),
    ("/text", text),
    ("/octets", octets),
    ("/several", several),
    ("/mixed", mixed),
    ("/nothing", nothing),
    ("/only_status", only_status),
    ("/binary_file", binary_file),
    ("/system_file", system_file),
    ("/string_file", string_file),
    ("/generator", generator),
    ("/endless", endless),
    ("/closed", closed),
    ("/writing", writing),
    ("/counter", counter),
    ("/method", counter.method),
    ("/class", Instance),
    ("/partial", functools.partial(greet, "partial")),
    ("/lambda", lambda environ, start_response: "lambda"),
    ("/fail_late", fail_late),
    ("/fail", fail),
]
SERVER = "127.0.0.1:0"
