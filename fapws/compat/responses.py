"""What an object of PATHS returns becomes what a WSGI application returns."""

from __future__ import annotations

from fapws.base import CONTENT, Start_response, bad_content, encode
from fapws.lean import Any, Iterable, Iterator
from fapws.wsgi.file_wrapper import FileWrapper, file_span

BLOCK_SIZE = 65536
"""Bytes or characters read from a file object at once."""


def as_iterable(result: Any, start: Start_response) -> Iterable[bytes]:
    """What the server gets for what the object returned; the head is with it before this returns.

    Raises TypeError for what is no content, and what an iterable raises; a file or iterable is then
    closed.
    """
    if type(result) is str:  # the usual ones at once
        start.send_head(True)
        return [result.encode("utf-8")] if result else []
    if type(result) is list and len(result) == 1 and type(result[0]) is bytes:
        start.send_head(False)
        return result
    if result is None or isinstance(result, (str, bytes, bytearray, memoryview)):
        content = encode(result) if result else b""
        start.send_head(isinstance(result, str))
        return [content] if content else []
    if type(result) in (list, tuple):
        try:
            # One piece, so that the server can tell the length.
            content = b"".join([encode(piece) for piece in result])
        except TypeError:
            return _nested(result, start)
        start.send_head(any(isinstance(piece, str) for piece in result))
        return [content]
    file = result.file if type(result) is FileWrapper else result
    if file_span(file) is not None:
        return _file(result if type(result) is FileWrapper else FileWrapper(file), start)
    if not hasattr(result, "read") and not hasattr(result, "__iter__"):
        raise TypeError(bad_content(result))
    return Pieces(result, start)


def _nested(result: Any, start: Start_response) -> Iterable[bytes]:
    """A list with more in it than content: fapws3's programs return ``[django_handler.handler(...)]``,
    and it left out None."""
    pieces = [piece for piece in result if piece is not None]
    if len(pieces) == 1 and not isinstance(pieces[0], (list, tuple)):
        return as_iterable(pieces[0], start)
    if all(isinstance(piece, CONTENT) for piece in pieces):
        return as_iterable(pieces, start)
    return Pieces(Chain(pieces), start)


class Chain:
    """The content of each part of a list, and of what is iterable in it, one level deep."""

    def __init__(self, parts: list[Any]) -> None:
        self._parts = parts
        self._pieces = self._run()

    def _run(self) -> Iterator[Any]:
        for part in self._parts:
            if isinstance(part, CONTENT):
                yield part
            elif hasattr(part, "read"):
                yield from _blocks(part)
            elif hasattr(part, "__iter__"):
                # "yield from" would call its close() too, if this is ended before it is.
                for piece in part:  # noqa: UP028
                    yield piece
            else:
                raise TypeError(bad_content(part))

    def __iter__(self) -> Iterator[Any]:
        return self._pieces

    def close(self) -> None:
        """Closes every part that can be closed, also those that were not sent; raises the first failure."""
        failure: BaseException | None = None
        for part in self._parts:
            try:
                close = getattr(part, "close", None)
                if close is not None:
                    close()
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure


def _file(wrapper: FileWrapper, start: Start_response) -> Iterable[bytes]:
    """A regular file in binary: as it is, so that the server can have the system send it."""
    try:
        start.send_head(False)
    except BaseException:
        wrapper.file.close()
        raise
    return wrapper


class Pieces:
    """A file, generator or other iterable, encoded piece by piece.

    The first piece is fetched ahead: until then the object may still call start_response, and only
    then it is known whether a charset belongs into the Content-Type.
    """

    def __init__(self, result: Any, start: Start_response) -> None:
        self._close = getattr(result, "close", None)
        try:
            self._pieces: Iterator[Any] = _blocks(result) if hasattr(result, "read") else iter(result)
            first = next((piece for piece in self._pieces if piece is not None), None)
            self._ahead: bytes | None = None if first is None else encode(first)
            start.send_head(isinstance(first, str))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self._ahead = self._ahead, None
        if piece is not None:
            return piece
        while (found := next(self._pieces)) is None:
            pass  # no content: fapws3 left it out
        return encode(found)

    def close(self) -> None:
        """Called by the server however the response ends (PEP 3333)."""
        close, self._close = self._close, None
        if close is not None:
            close()


def _blocks(file: Any) -> Iterator[Any]:
    while block := file.read(BLOCK_SIZE):
        yield block
