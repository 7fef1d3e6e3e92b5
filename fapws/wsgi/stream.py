"""Responses that come piece by piece: each piece is with the kernel before the next is asked for.

A slow reader holds its own iterator back and no other: a stream whose piece was not taken whole
waits for FW_WRITABLE while the others go on.
"""

from __future__ import annotations

import os
import time

from fapws._core import lib
from fapws.lean import Any, Iterable, Iterator, deque
from fapws.wsgi import errors
from fapws.wsgi.response import Response, check_piece, code_fault

TURN_BYTES = 262144
"""A stream that has sent so much lets the others have their turn."""
TURN_SECONDS = 0.002
"""The same for one whose pieces take their time to make."""
ROUND_SECONDS = 0.005
"""All streams together let requests in after this, however many may send."""


class Stream:
    """One response on its way: what is to be sent, and where the next piece comes from."""

    __slots__ = ("ahead", "connection", "gone", "piece", "pieces", "request", "response", "result", "taken")

    def __init__(
        self, response: Response, result: Iterable[bytes], piece: bytes = b"", taken: int = 0
    ) -> None:
        self.response = response
        self.connection = response.connection
        """By which it is found again, whatever the application does to its response."""
        self.request: errors.Request = (None, None)
        self.result: Any = result
        """The application's object; its close() is owed."""
        self.pieces: Iterator[bytes] = iter(result)
        self.piece = piece
        """The piece in hand, never copied: a thousand streams may share one of 10 MB."""
        self.taken = taken
        """Bytes of it that are with the kernel."""
        self.ahead: tuple[Any, ...] = ()
        """A piece that was taken from the iterator before, and is still to be looked at."""
        self.gone = False
        """Taken out by Streams.forget(), while it waited for its turn perhaps."""

    def end(self) -> None:
        """It has been forgotten: gives back what is the stream's own."""

    def advance(self) -> bool:
        """Sends until the turn is over, the kernel takes no more (False) or the content ends.

        True: there may be more to send at once; after the end, raises StopIteration. Other
        exceptions are the application's, or ClientGone.
        """
        response = self.response
        if self.piece and not self._send(self.piece, self.taken):
            return False
        sent = 0
        ends = time.monotonic() + TURN_SECONDS
        while sent < TURN_BYTES:
            given = self._next_piece(TURN_BYTES - sent, ends - time.monotonic())
            if given is None:
                break
            piece, rest = given
            if rest is not None:
                rest = response.without_notes(rest)
            elif piece:
                if not response.begun:
                    response.begin()
                rest = response.send(piece)
            if rest:
                self.piece, self.taken = piece, len(piece) - rest
                return False
            if response.full or response.empty:
                raise StopIteration
            sent += len(piece)
            if time.monotonic() > ends:
                break  # also where empty pieces say that the iterator waits (PEP 3333)
        return True

    def _next_piece(self, most: int, seconds: float) -> tuple[bytes, int | None] | None:
        """A piece and what fw_send() said of it, None if it was not sent; None when the turn is over.

        It comes from write() if that was called, else from the application, whose plain pieces are sent at
        once. Empty when write() was called meanwhile, which goes first.
        """
        response = self.response
        if response.unsent:
            return response.unsent.take(), None
        try:
            if self.ahead:
                piece, self.ahead = self.ahead[0], ()
            elif response.begun:
                send_pieces = response.server.send_pieces
                given: tuple[Any, int | None] | None = send_pieces(response, self.pieces, most, seconds)
                if given is None or given[1] is not None:
                    return given
                piece = given[0]
            else:
                piece = next(self.pieces)
        except StopIteration:
            self.pieces = iter(())
            if response.unsent:
                return b"", None
            raise
        if type(piece) is not bytes:
            piece = check_piece(piece)
        if response.unsent:
            response.keep(piece)
            return b"", None
        return piece, None

    def _send(self, piece: bytes, start: int) -> bool:
        rest = self.response.send(piece, start)
        self.piece = piece if rest else b""
        self.taken = len(piece) - rest
        return not rest


class FileStream(Stream):
    """Part of a regular file on its way, by sendfile where the system has it.

    By a descriptor of its own: the application may close the file meanwhile, and its number may go to
    another one.
    """

    __slots__ = ("descriptor", "left", "offset")

    def __init__(self, response: Response, result: Any, descriptor: int, offset: int, size: int) -> None:
        """descriptor: owned from now on."""
        super().__init__(response, ())
        self.result = result
        self.descriptor = descriptor
        self.offset = offset
        self.left = size

    def end(self) -> None:
        """See Stream.end()."""
        os.close(self.descriptor)

    def advance(self) -> bool:
        """See Stream.advance()."""
        response = self.response
        rest = lib.fw_send_file(
            response.server.core, response.connection, self.descriptor, self.offset, self.left
        )
        if rest < 0:
            raise code_fault(rest)
        rest &= lib.FW_REST_MASK
        self.offset += self.left - rest
        self.left = rest
        if not rest:
            raise StopIteration
        return False


class Streams:
    """The responses on their way. ``ready`` may send now; the others wait for FW_WRITABLE."""

    def __init__(self) -> None:
        self.ready: deque[Stream] = deque()
        self.by_connection: dict[int, Stream] = {}

    def add(self, stream: Stream) -> None:
        """Takes a stream that may send at once."""
        self.by_connection[stream.connection] = stream
        self.ready.append(stream)

    def writable(self, connection: int) -> None:
        """FW_WRITABLE came."""
        stream = self.by_connection.get(connection)
        if stream is not None:
            self.ready.append(stream)

    def forget(self, connection: int) -> Stream | None:
        """Takes a stream out, finished or not; None if there is none."""
        stream = self.by_connection.pop(connection, None)
        if stream is not None:
            stream.gone = True  # advance() passes over it: no search among those that are ready
            stream.end()
        return stream

    def advance(self, server: Any) -> None:
        """Gives the streams that may send their turn, as many as the round's time allows."""
        ends = time.monotonic() + ROUND_SECONDS
        for _ in range(len(self.ready)):
            if time.monotonic() > ends:
                break  # requests come first; the next round begins with those left over
            stream = self.ready.popleft()
            if stream.gone:
                continue
            ended = more = False
            try:
                more = stream.advance()
            except StopIteration:
                ended = True  # dropped here, so that close() does not see it as its context
            except BaseException as error:  # the application's: logged with its traceback
                self.forget(stream.connection)
                server.fail(stream.response, error, stream.result, stream.request)
            if ended:
                self.finish(stream, server)
            elif more:
                self.ready.append(stream)

    def finish(self, stream: Stream, server: Any) -> None:
        """The iterator has ended, and all of it is with the kernel. Never raises."""
        response = stream.response
        try:
            if not response.begun:
                response.begin()
            notes = lib.fw_end(server.core, response.connection)
            if notes < 0:
                raise code_fault(notes)
            server.handler.tell_notes(notes)
        except BaseException as error:
            self.forget(stream.connection)
            server.fail(response, error, stream.result, stream.request)
            return
        self.forget(stream.connection)
        server.close(response, stream.result)
