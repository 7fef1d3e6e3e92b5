"""What an exchange leaves to Python: events of the core, requests and responses that are not the usual ones.

Its methods are called by name from csrc/python/ too, where the usual ones end.
"""

from __future__ import annotations

import os

from fapws import percent
from fapws._core import lib
from fapws.lean import TYPE_CHECKING, Any, Callable, Iterator
from fapws.wsgi import errors, forks
from fapws.wsgi.environ import Environ, join_fields, make_shape
from fapws.wsgi.exchange import make_content_reader
from fapws.wsgi.file_wrapper import FileWrapper, file_span, read_at
from fapws.wsgi.input import memory_input, spooled_input
from fapws.wsgi.response import Fault, Response, check_piece, code_fault, head_fault, request_fault
from fapws.wsgi.stream import FileStream, Stream

if TYPE_CHECKING:
    from fapws.wsgi.serve import Server
    from fapws.wsgi.traceback_page import Page

SMALL_FILE = lib.FW_FILE_WHOLE
"""Bytes; up to here a file is read and sent with its head in one write."""
_NOTES = (
    (lib.FW_NOTE_EXCESS, "the application gave more content than its Content-Length; it was cut"),
    (lib.FW_NOTE_SHORT, "the application gave less content than its Content-Length; connection closed"),
    (lib.FW_NOTE_HOP, "the application set a hop-by-hop header field; it was left out (PEP 3333)"),
)


class Handler:
    """One for each server. What its methods raise while a response is made fails the request."""

    def __init__(self, server: Server, content: memoryview) -> None:
        """content: of all requests of a batch, see fw_batch_view."""
        self._server = server
        self._streams = server.streams
        self._content = content
        self._read_content = make_content_reader(server.core)
        self.event: Callable[[int, int, Iterator[str]], None] = server.event
        self.close: Callable[[Response, Any], None] = server.close
        self.request_of = errors.request_of

    # ---- Requests --------------------------------------------------------------------------------

    def uncached_environ(self, kind: int, fields: Iterator[str]) -> Environ:
        """The environ of a request that the core names no shape of."""
        shape = make_shape(next(fields), self._server.bases)
        environ = join_fields(shape, fields)
        if kind == lib.FW_REQUEST_RAW:
            environ["PATH_INFO"] = percent.decode(environ["PATH_INFO"])
        environ["REQUEST_URI"] = environ["RAW_URI"]
        return environ

    def take_content(self, environ: Environ, response: Response, content: int, at: int) -> None:
        """Puts wsgi.input into an environ; content: its record's third word, not 0. at: where it begins."""
        if content > 0:
            environ["wsgi.input"] = memory_input(self._content[at : at + content])
        else:
            self._take_from_elsewhere(environ, response, content)

    def _take_from_elsewhere(self, environ: Environ, response: Response, content: int) -> None:
        if content == lib.FW_SPOOLED:
            descriptor = lib.fw_take_content(self._server.core, response.connection)
            if descriptor >= 0:
                environ["wsgi.input"] = response.spooled = spooled_input(descriptor)
                return
            if descriptor != lib.FW_CLIENT_GONE:
                raise request_fault(descriptor)
        elif content == lib.FW_UNREAD:
            # int() refuses more than some thousand digits, and a client may begin with so many zeros.
            size = int(environ["CONTENT_LENGTH"].lstrip("0"))
            whole = self._read_content(response.connection, size)
            if whole is not None:
                environ["wsgi.input"] = memory_input(whole)
                return
        elif content == lib.FW_POOLED:
            from fapws.wsgi.pooled_input import pooled_input

            pooled = pooled_input(self._server, response.connection)
            if pooled is not None:
                environ["wsgi.input"] = response.spooled = pooled
                return
        # Not there any more, with a client that has just left: then reading raises. Never is it empty.
        from fapws.wsgi.coming_input import coming_input

        environ["wsgi.input"] = response.spooled = coming_input(self._server, response.connection)

    # ---- Responses ---------------------------------------------------------------------------------

    def respond_otherwise(self, response: Response, result: Any, environ: Environ) -> None:
        """A response that is not one piece of bytes in a list."""
        server = self._server
        if server.forked:
            forks.leave(server.errors, None)
        if isinstance(result, (list, tuple)) and not response.begun:
            body = b"".join([piece if type(piece) is bytes else check_piece(piece) for piece in result])
            self._respond(response, result, body)
            return
        if isinstance(result, (str, bytes)):
            raise Fault(f"the application must return an iterable of bytes, not {type(result).__name__}")
        if type(result) is FileWrapper and not response.begun:
            span = file_span(result.file)
            if span is not None:
                self._respond_with_file(response, result, environ, *span)
                return
        stream = Stream(response, result)
        stream.request = self.request_of(environ)
        self._streams.add(stream)

    def _respond_with_file(
        self, response: Response, result: Any, environ: Environ, descriptor: int, offset: int, size: int
    ) -> None:
        """A regular file: one write for a small one, the system's sendfile for others.

        It ends at Content-Length if that comes first, and that is no excess (PEP 3333).
        """
        response.head()  # what is wrong with it is told first
        for name, value in response.headers:
            if name.lower() == "content-length" and value.strip().isdecimal():
                size = min(size, int(value.strip()[:18]))
        if size <= SMALL_FILE:
            body = read_at(descriptor, size, offset)
            self._respond(response, result, body)
            return
        stream = FileStream(response, result, os.dup(descriptor), offset, size)
        stream.request = self.request_of(environ)
        try:
            response.begin(size)
        except BaseException:
            stream.end()
            raise
        self._streams.add(stream)

    def _respond(self, response: Response, result: Any, body: bytes) -> None:
        """A whole response that the exchange has no way for."""
        head, count = response.head()
        if count != 2 * len(response.headers) + 1:
            raise TypeError("a header is not a pair")
        rest = lib.fw_respond(self._server.core, response.connection, head, len(head), count, body, len(body))
        self.after_respond(response, result, body, rest)

    def respond_with_page(self, response: Response, result: Any, page: Page) -> bool:
        """500 with a page on what has failed, in place of whatever the application wanted. False: there is a
        response already."""
        fields = [("500 Internal Server Error", ""), *response.own_headers(page.headers)]
        words = [word.encode("latin-1") for field in fields for word in field if word]
        head, body = b"\n".join(words), page.content
        response.begun = True
        core, connection = self._server.core, response.connection
        rest: int = lib.fw_respond(core, connection, head, len(head), len(words), body, len(body))
        if rest < 0:
            return False
        self.after_respond(response, result, body, rest)
        return True

    def after_respond(self, response: Response, result: Any, body: bytes, rest: int) -> None:
        """What is left to do when fw_respond() did not take everything silently."""
        if rest < 0:
            if any(len(header) != 2 for header in response.headers):
                raise head_fault(response.status, response.headers)
            raise code_fault(rest)
        if rest > lib.FW_REST_MASK:
            self.tell_notes(rest)
            rest &= lib.FW_REST_MASK
        if not rest:
            self.close(response, result)
            return
        response.begun = True
        stream = Stream(response, (), body, len(body) - rest)
        stream.result = result
        self._streams.by_connection[stream.connection] = stream

    def stream_on(
        self,
        response: Response,
        result: Any,
        environ: Environ,
        pieces: Iterator[Any] | None,
        ahead: tuple[Any, ...],
        rest: int | None,
    ) -> None:
        """A response that came piece by piece so far goes on as a stream.

        pieces: its iterator, None once it has ended. ahead: what it has given last, if that is not sent;
        rest: what fw_begin() or fw_send() said of that, None if they were not asked.
        """
        stream = Stream(response, ())
        stream.result = result
        stream.request = self.request_of(environ)
        if pieces is not None:
            stream.pieces = pieces
        if rest is None:
            stream.ahead = ahead
            self._streams.add(stream)
            return
        left = response.without_notes(rest)
        self._streams.by_connection[stream.connection] = stream
        if left:
            stream.piece, stream.taken = ahead[0], len(ahead[0]) - left
        elif response.full:
            self._streams.finish(stream, self._server)
        else:
            self._streams.ready.append(stream)

    def file_on(
        self,
        response: Response,
        result: Any,
        environ: Environ,
        descriptor: int,
        offset: int,
        size: int,
        waits: bool,
    ) -> None:
        """A file that is being sent goes on as a stream, which owns descriptor; waits: for FW_WRITABLE."""
        stream = FileStream(response, result, descriptor, offset, size)
        stream.request = self.request_of(environ)
        if waits:
            self._streams.by_connection[stream.connection] = stream
        else:
            self._streams.add(stream)

    def ended(self, notes: int) -> None:
        """What fw_end() returned."""
        if notes < 0:
            raise code_fault(notes)
        self.tell_notes(notes)

    def tell_notes(self, notes: int) -> None:
        """Logs what the core says about a response beside its length."""
        for bit, sentence in _NOTES:
            if notes & bit:
                self._server.log(sentence)
