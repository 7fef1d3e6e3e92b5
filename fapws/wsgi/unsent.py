"""What an application gave to write() and the client has not read yet (PEP 3333 lets write() not wait)."""

from __future__ import annotations

from fapws.lean import BinaryIO

MEMORY_MAX = 65536
"""Bytes; what is beyond goes to an unlinked temporary file."""
PIECE_SIZE = 65536
"""Bytes handed out at once."""


class Unsent:
    """A queue of bytes: memory first, then a file. False when it is empty."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._memory = b""
        self._file: BinaryIO | None = None
        self._read_at = 0
        self._written = 0

    def __bool__(self) -> bool:
        return bool(self._memory) or self._read_at < self._written

    def add(self, data: bytes) -> None:
        """Appends. Raises OSError, e.g. when the disk is full."""
        if self._file is None and len(self._memory) + len(data) <= MEMORY_MAX:
            self._memory += data
            return
        if self._file is None:
            import tempfile  # rarely needed, and large

            self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
        self._file.seek(self._written)
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            self._written += count
            view = view[count:]

    def take(self) -> bytes:
        """The next bytes, at most PIECE_SIZE of a file; empty when there are none."""
        if self._memory:
            data, self._memory = self._memory, b""
            return data
        if self._file is None or self._read_at >= self._written:
            return b""
        self._file.seek(self._read_at)
        data = self._file.read(PIECE_SIZE)
        self._read_at += len(data)
        if self._read_at >= self._written:
            self._read_at = self._written = 0
            self._file.truncate(0)
        return data

    def close(self) -> None:
        """Gives the file back to the system."""
        if self._file is not None:
            self._file.close()
