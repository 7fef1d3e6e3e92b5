"""wsgi.input: the content of a request, which is always complete when the application starts.

It is one kind of object for every size, a binary file that can be read and positioned, not written: over
nothing, over memory, or over an unlinked temporary file (which alone has a descriptor).
"""

from __future__ import annotations

import io

from fapws.lean import Any, BinaryIO


class MemoryInput(io.BytesIO):
    """A content in memory."""

    __slots__ = ()

    def writable(self) -> bool:
        """It is the client's."""
        return False

    def write(self, data: Any, /) -> int:
        """Raises UnsupportedOperation, as do the others that would change it."""
        raise io.UnsupportedOperation("write")

    def writelines(self, lines: Any, /) -> None:
        """See write()."""
        raise io.UnsupportedOperation("write")

    def truncate(self, size: int | None = None, /) -> int:
        """See write()."""
        raise io.UnsupportedOperation("truncate")


class EmptyInput(MemoryInput):
    """No content. One object for all requests without content, so that they cost nothing: it can neither be
    closed nor moved from its one position."""

    __slots__ = ()

    def close(self) -> None:
        """Others will read it."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Stays at 0."""
        if whence == 0 and offset < 0:
            raise ValueError(f"negative seek value {offset}")
        return 0


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

    def truncate(self, size: int | None = None, /) -> int:
        """See MemoryInput.write()."""
        raise io.UnsupportedOperation("truncate")


EMPTY = EmptyInput()


def memory_input(content: memoryview | bytes) -> MemoryInput:
    """A content in memory; a view is copied, because the core reuses its buffer."""
    return MemoryInput(content)


def spooled_input(descriptor: int) -> BinaryIO:
    """A content that the core has written to an unlinked temporary file; owns the descriptor."""
    return SpooledInput(io.FileIO(descriptor))
