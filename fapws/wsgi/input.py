"""wsgi.input: the content of a request, which is always complete when the application starts."""

from __future__ import annotations

import io

from fapws.lean import BinaryIO, Iterator


class EmptyInput:
    """wsgi.input of every request without content: shared, because it holds nothing."""

    def read(self, size: int = -1, /) -> bytes:
        """No bytes."""
        return b""

    def readline(self, size: int = -1, /) -> bytes:
        """No bytes."""
        return b""

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        """No lines."""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def getvalue(self) -> bytes:
        """No bytes; see SpooledInput."""
        return b""

    def close(self) -> None:
        """Nothing to close."""


class SpooledInput(io.BufferedReader):
    """A content in a file, with the method that fapws3's wsgi.input had, and io.BytesIO has."""

    def getvalue(self) -> bytes:
        """All of it, in memory, wherever reading has come to."""
        at = self.tell()
        self.seek(0)
        try:
            return self.read()
        finally:
            self.seek(at)


EMPTY = EmptyInput()


def memory_input(content: memoryview) -> io.BytesIO:
    """A content that the core held in memory; copied, because the core reuses its buffer."""
    return io.BytesIO(content)


def spooled_input(descriptor: int) -> BinaryIO:
    """A content that the core has written to an unlinked temporary file; owns the descriptor."""
    return SpooledInput(io.FileIO(descriptor))
