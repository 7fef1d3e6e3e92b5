"""wsgi.input with request_buffering = no: the content is read from the client while the application runs.

Imported only where the option is set.
"""

from __future__ import annotations

import io

from fapws._core import ffi, lib
from fapws.lean import Any, BinaryIO
from fapws.wsgi.response import ClientGone, core_text

_PIECE = 65536
"""Bytes that readall() asks for at once."""
_MORE = -20
"""FW_MORE of csrc/error.h: a signal came, and its handler shall run."""


class ComingContent(io.RawIOBase):
    """Reads what the core receives, and waits for it. Only for the thread of the request."""

    def __init__(self, server: Any, connection: int) -> None:
        """server: whose core has the connection, while its request is in hand."""
        self._server = server  # not its core, which this may outlive when the application detaches it
        self._connection = connection

    def readable(self) -> bool:
        """It can be read, and neither positioned nor written."""
        return True

    def readinto(self, room: Any, /) -> int:
        """Waits for the client. Raises ClientGone, an OSError, when the content ends before its end."""
        if self.closed:
            raise ValueError("the request is over")
        bytes_of_room = memoryview(room).cast("B")
        size = len(bytes_of_room)
        got = _MORE if size else 0
        while got == _MORE:
            into = ffi.from_buffer(bytes_of_room)
            got = lib.fw_read_content(self._server.core, self._connection, into, size)
        if got < 0:
            raise ClientGone(f"the content cannot be read: {core_text(lib.fw_error_text(got))}")
        return got

    def readall(self) -> bytes:
        """In large pieces."""
        pieces = []
        while piece := self.read(_PIECE):
            pieces.append(piece)
        return b"".join(pieces)


def coming_input(server: Any, connection: int) -> BinaryIO:
    """The content of a request that the client is still sending."""
    return io.BufferedReader(ComingContent(server, connection))
