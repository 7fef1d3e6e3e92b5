"""wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling")."""

from __future__ import annotations

import io
import os
import stat
import sys

from fapws.lean import Any, Iterator


class FileWrapper:
    """Iterates over the blocks of anything with read(); closes it when it has a close().

    The server itself does not iterate over a regular file: it has the system send it.
    """

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.file.read(self.block_size)
        if not block:
            raise StopIteration
        return block


def file_span(file: Any) -> tuple[int, int, int] | None:
    """Descriptor, offset and size of what is left of a plain file from its current position.

    None for anything whose read() might give other bytes than the descriptor: classes of the application's
    own, files that another layer decodes (gzip), methods set on the object, pipes, sockets; and for files
    of size 0, as those of /proc say of themselves.
    """
    file = _unwrapped(file)
    if not _is_plain(file):
        return None
    try:
        descriptor = file.fileno()
        status = os.fstat(descriptor)
        offset = file.tell()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or not 0 <= offset < status.st_size:
        return None
    return descriptor, offset, status.st_size - offset


def _is_plain(file: Any) -> bool:
    """Whether it is one of the standard library's own, all the way down to the descriptor."""
    kind = type(file)
    if kind is io.FileIO:
        return _as_made(file)
    if kind is not io.BufferedReader and kind is not io.BufferedRandom:
        return False
    return _as_made(file) and type(file.raw) is io.FileIO and _as_made(file.raw)


def _as_made(file: Any) -> bool:
    """Whether no method was set on the object itself."""
    return not any(callable(value) for value in vars(file).values())


def _unwrapped(file: Any) -> Any:
    """tempfile.NamedTemporaryFile() wraps a binary file without being one."""
    tempfile = sys.modules.get("tempfile")
    wrapper = getattr(tempfile, "_TemporaryFileWrapper", None)
    return file.file if wrapper is not None and type(file) is wrapper else file


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """So many bytes of a file, or all that it has: some file systems give less at once."""
    data = os.pread(descriptor, size, offset)
    while 0 < len(data) < size:
        more = os.pread(descriptor, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
