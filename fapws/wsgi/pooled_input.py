"""wsgi.input over a block of the core's memory: a large content that has come fast enough.

Imported when the first one comes.
"""

from __future__ import annotations

import io
from _thread import allocate_lock

from fapws._core import ffi, lib
from fapws.lean import Any, BinaryIO
from fapws.wsgi.input import SpooledInput


class PooledContent(io.RawIOBase):
    """A file to read and to position. The core gets its memory back when this is closed, or forgotten."""

    def __init__(self, memory: Any, size: int) -> None:
        """memory: a pointer that gives itself back when the last who refers to it has gone."""
        self._memory = memory
        self._view = memoryview(ffi.buffer(memory, size))
        self._at = 0
        self._reading = allocate_lock()

    def readable(self) -> bool:
        """It can be read and positioned, not written."""
        return True

    def seekable(self) -> bool:
        """See readable()."""
        return True

    def readinto(self, room: Any, /) -> int:
        """0 at the end."""
        into = memoryview(room).cast("B")
        with self._reading:
            self._open()
            piece = self._view[self._at : self._at + len(into)]
            size = len(piece)
            into[:size] = piece
            self._at += size
        return size

    def readall(self) -> bytes:
        """From here to the end, at once."""
        with self._reading:
            self._open()
            rest = bytes(self._view[self._at :])
            self._at += len(rest)
        return rest

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As in a file: behind the end is allowed."""
        self._open()
        base = (0, self._at, len(self._view))[whence]
        if base + offset < 0:
            raise OSError(22, "Invalid argument")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where the next byte is read."""
        self._open()
        return self._at

    def close(self) -> None:
        """Gives the memory back; while another thread is reading, that is done when it has read."""
        if self.closed:
            return
        super().close()
        memory, view = self._memory, self._view
        del self._memory, self._view
        if self._reading.acquire(False):
            view.release()
            ffi.release(memory)  # else the last who refers to it does
            self._reading.release()

    def _open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")


def pooled_input(server: Any, connection: int) -> BinaryIO | None:
    """The content of a request, which has all come; None: the client has left."""
    size = ffi.new("uint64_t *")
    memory = lib.fw_take_memory(server.core, connection, size)
    if memory == ffi.NULL:
        return None
    # The server may be closed before: it then has no core any more.
    owned = ffi.gc(memory, lambda pointer: lib.fw_release_memory(server.core, pointer))
    return SpooledInput(PooledContent(owned, size[0]))
