"""What the workloads beyond hello ask of an application. Every WSGI server runs this file."""

import os

PIECE = b"x" * 8192
PIECES = 100
BIG = b"x" * (4 << 20)  # the kernel takes up to 4 MB for each of 1,000; so may the server
READ = 65536
FILES = os.environ.get("BENCH_FILES", "")


def baseline(environ, start_response):  # type: ignore[no-untyped-def]
    """The sum of the numbers in the query and of the one in the content."""
    total = sum(int(pair.partition("=")[2]) for pair in environ["QUERY_STRING"].split("&"))
    if environ["REQUEST_METHOD"] == "POST":
        total += int(_content(environ))
    body = b"%d" % total
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def _content(environ):  # type: ignore[no-untyped-def]
    """By Content-Length where there is one, else up to the end of the input.

    PEP 3333 says nothing of chunked contents. Servers that take them end the input where the content
    ends (wsgi.input_terminated), or work out the length.
    """
    length = environ.get("CONTENT_LENGTH")
    return environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read()


def upload(environ, start_response):  # type: ignore[no-untyped-def]
    """How many bytes came, read in pieces."""
    read, left = environ["wsgi.input"].read, int(environ["CONTENT_LENGTH"])
    got = 0
    while left > 0:
        piece = read(min(READ, left))
        if not piece:
            break
        got += len(piece)
        left -= len(piece)
    body = b"%d" % got
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def stream(environ, start_response):  # type: ignore[no-untyped-def]
    """Content of unknown length, piece by piece: what a template or a database cursor gives."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (PIECE for _ in range(PIECES))


def file(environ, start_response):  # type: ignore[no-untyped-def]
    """A file through wsgi.file_wrapper, or piece by piece where the server has none."""
    opened = open(FILES + environ["PATH_INFO"], "rb")  # noqa: SIM115 (the server closes it)
    size = os.fstat(opened.fileno()).st_size
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]
    start_response("200 OK", headers)
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(opened, READ) if wrapper else _pieces(opened)


def _pieces(opened):  # type: ignore[no-untyped-def]
    """A generator, because it has close(): fastpysgi takes no iterator without it."""
    with opened:
        while piece := opened.read(READ):
            yield piece


def slow(environ, start_response):  # type: ignore[no-untyped-def]
    """/big for clients that read slowly, anything else for clients that wait behind them."""
    body = BIG if environ["PATH_INFO"] == "/big" else b"Hello world!"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
