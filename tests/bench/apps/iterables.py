"""The same page as an iterable and as a list. Every WSGI server runs this file.

Both make the same object and call the same methods of it once: `iterable` leaves that to the server,
`listed` does it itself and returns the list. What the two differ by is the server's own work.
"""

BODY = b"Hello world!"


class Page:
    """What a framework returns: something with close() that gives its pieces when it is iterated."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((BODY,))

    def close(self):  # type: ignore[no-untyped-def]
        pass


def iterable(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return Page()


def listed(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    page = Page()
    pieces = list(page)
    page.close()
    return pieces
