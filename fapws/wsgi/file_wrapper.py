"""wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling")."""

from __future__ import annotations

import io
import os
import stat

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
    """Descriptor, offset and size of what is left of a regular file from its current position.

    None for anything else: pipes, sockets, objects that only look like files, text files, and files
    that another layer decodes (gzip), whose bytes are not those of the descriptor.
    """
    if not isinstance(file, (io.BufferedReader, io.BufferedRandom, io.FileIO)) and not _temporary(file):
        return None
    try:
        descriptor = file.fileno()
        status = os.fstat(descriptor)
        offset = file.tell()
    except (OSError, ValueError, AttributeError):
        return None
    if not stat.S_ISREG(status.st_mode) or offset < 0:
        return None
    return descriptor, offset, max(status.st_size - offset, 0)


def _temporary(file: Any) -> bool:
    """tempfile.NamedTemporaryFile() wraps a binary file without being one."""
    inner = getattr(file, "file", None)
    return type(file).__name__ == "_TemporaryFileWrapper" and isinstance(
        inner, (io.BufferedReader, io.BufferedRandom)
    )
