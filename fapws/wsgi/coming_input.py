"""wsgi.input with request_buffering = no: the content is read from the client while the application runs.

Imported only where the option is set.
"""

from __future__ import annotations

import io
from functools import partial

from fapws._core import ffi, lib
from fapws.lean import Any, BinaryIO, Callable
from fapws.wsgi.accelerated import accelerator
from fapws.wsgi.response import ClientGone, core_text

_PIECE = 65536
"""Bytes that readall() asks for at once."""
_BUFFER = 8192
"""Bytes; a read() of so many has nothing from being buffered."""
_MORE = -20
"""FW_MORE of csrc/error.h: a signal came, and its handler shall run."""
Direct = Callable[[int], "bytes | int"]

_uncleared = ffi.new_allocator(should_clear_after_alloc=False)


class ComingContent(io.RawIOBase):
    """Reads what the core receives, and waits for it. Only for the thread of the request."""

    def __init__(self, server: Any, connection: int, direct: Direct | None) -> None:
        """server: whose core has the connection, while its request is in hand."""
        self.server = server  # not its core, which this may outlive when the application detaches it
        self._connection = connection
        self.direct = direct
        """Reads past any buffer. None once a buffer may hold some of the content, and after the request."""

    def readable(self) -> bool:
        """It can be read, and neither positioned nor written."""
        return True

    def readinto(self, room: Any, /) -> int:
        """Waits for the client. Raises ClientGone, an OSError, when the content ends before its end."""
        if self.closed:
            raise ValueError("the request is over")
        self.direct = None
        bytes_of_room = memoryview(room).cast("B")
        size = len(bytes_of_room)
        got = _MORE if size else 0
        while got == _MORE:
            into = ffi.from_buffer(bytes_of_room)
            got = lib.fw_read_content(self.server.core, self._connection, into, size)
        if got < 0:
            raise _fault(got)
        return got

    def close(self) -> None:
        """The request is over."""
        self.direct = None
        super().close()

    def readall(self) -> bytes:
        """In large pieces."""
        pieces = []
        while piece := self.read(_PIECE):
            pieces.append(piece)
        return b"".join(pieces)


def _direct(core: Any, connection: int) -> Direct:
    """A function of a size, while there is the core: so many bytes of the content, which are waited for,
    and fewer only at its end. Or a code of the core."""
    if accelerator is not None:
        address, function = (
            int(ffi.cast("uintptr_t", each)) for each in (core, ffi.addressof(lib, "fw_read_content"))
        )
        direct: Direct = partial(accelerator.read_coming, function, address, connection)
        return direct

    def read(size: int) -> bytes | int:
        room = _uncleared("char[]", size)
        got = 0
        while got < size:
            came: int = lib.fw_read_content(core, connection, room + got, size - got)
            if came == 0:
                break
            if came < 0 and came != _MORE:
                return came
            got += max(came, 0)
        return bytes(ffi.buffer(room, got))

    return read


def _fault(code: Any) -> ClientGone:
    return ClientGone(f"the content cannot be read: {core_text(lib.fw_error_text(code))}")


class ComingInput(io.BufferedReader):
    """Lines and small pieces by way of a buffer, large ones without."""

    raw: ComingContent

    def read(self, size: int | None = -1, /) -> bytes:
        """Waits until there are so many bytes, or no more."""
        raw = self.raw
        if size is None or size < _BUFFER or raw.direct is None or not raw.server.core:
            return super().read(size)
        got = raw.direct(size)
        if type(got) is not bytes:
            raise _fault(got)
        return got


def coming_input(server: Any, connection: int) -> BinaryIO:
    """The content of a request that the client is still sending."""
    return ComingInput(ComingContent(server, connection, _direct(server.core, connection)), _BUFFER)
