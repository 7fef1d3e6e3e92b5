"""multipart/form-data (RFC 7578), the form of uploads: read in pieces, in bounded memory.

    from fapws.contrib import multipart

    def upload(environ, start_response):
        form = multipart.parse(environ, basepath="/srv/uploads")
        return [f"{f.filename}: {f.size} bytes\\n" for f in form.get("file")]

    PATHS = [("/upload", upload)]

Fields are str, files are ``Upload``; getvalue() is a dict of lists of them, as ``fapws.params`` is. A file
goes to a file of the basepath, under a name made here, or without basepath to a temporary file without a
name. What the client calls its file is information and no path.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Union

from fapws.contrib.disposition import Disposition, parse_disposition, parse_parameters

_BLOCK_SIZE = 65536
_PADDING_MAX = 64
"""Blanks behind a boundary (RFC 2046 section 5.1.1); with more the line is content."""
_BOUNDARY_MAX = 70
"""Characters (RFC 2046 section 5.1.1)."""


class MultipartError(ValueError):
    """The content is no form, or goes beyond a limit; the text says why. Worth a 400 or 413."""


class Limits(NamedTuple):
    """How much a form may bring. More raises MultipartError."""

    parts: int = 256
    files: int = 32
    """Without basepath each holds a descriptor until it is closed."""
    header: int = 8192
    """Bytes of the head of a part."""
    fields: int = 2**20
    """Bytes of all fields that are no files; they are held in memory."""
    total: int = 2**30
    """Bytes of the whole content."""


class Upload:
    """One file of a form. It unpacks as what fapws3 had in its place: ``path, info = upload``, where info has
    Content-Type and size."""

    def __init__(self, filename: str, content_type: str, folder: str | None) -> None:
        self.filename = filename
        """The last part of the client's name for it, without control characters; may be empty."""
        self.content_type = content_type
        """The type that the client states; not to be relied on."""
        self.size = 0
        """Bytes."""
        self.path: str | None = None
        """Where it lies, if the form was given a basepath: it stays until the application removes it."""
        self._folder = folder
        self._file: Any = None

    def __iter__(self) -> Iterator[Any]:
        yield self.path
        yield {"Content-Type": self.content_type, "size": self.size}

    @property
    def file(self) -> BinaryIO:
        """The content, open for reading; the same object each time, closed by close()."""
        if self._file is None:
            self._file = io.BytesIO() if self.path is None else open(self.path, "rb")  # noqa: SIM115
        file: BinaryIO = self._file
        return file

    def close(self) -> None:
        """Gives the descriptor back; a temporary file is gone with it."""
        if self._file is not None:
            self._file.close()

    def write(self, data: bytes) -> None:
        """Takes content; the file is made when the first comes, or by finish(). Raises OSError."""
        if self._file is None:
            self._make()
        self._file.write(data)
        self.size += len(data)

    def finish(self) -> None:
        """The content is complete."""
        if self._file is None and self.filename:
            self._make()
        if self._file is None:  # a form in which no file was chosen
            return
        if self.path is None:
            self._file.seek(0)
        else:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """The form failed: nothing stays."""
        self.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def _make(self) -> None:
        if self._folder is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        else:
            # Readable for the owner alone; the name is random and new.
            descriptor, self.path = tempfile.mkstemp(prefix="upload-", dir=self._folder)
            self._file = open(descriptor, "wb")  # noqa: SIM115  # closed by finish()


Value = Union[str, Upload]


class MultipartFormData:
    """A form in the making: write() what comes, then getvalue(). fapws3's class of this name.

    basepath: the folder for files. boundary: of the Content-Type; without one the first line tells it.
    """

    def __init__(
        self,
        basepath: str | os.PathLike[str] | None = None,
        boundary: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._folder = None if basepath is None else os.path.abspath(basepath)
        self._limits = limits or Limits()
        self._values: dict[str, list[Value]] = {}
        self._uploads: list[Upload] = []
        self._parts = self._total = self._field_bytes = 0
        self._buffer = bytearray(b"\r\n")  # so that the first boundary looks like the others
        self._step = self._first_line
        self._boundary: re.Pattern[bytes] | None = None
        self._longest = 0
        if boundary is not None:
            self._look_for(boundary)
        self._head = Disposition("", None)
        self._field = bytearray()
        self._upload: Upload | None = None
        self._complete = False
        self._error: MultipartError | None = None

    def write(self, data: bytes) -> int:
        """Takes a piece of the content, of any length; returns that. Raises MultipartError, OSError."""
        if self._error is not None:
            raise self._error
        try:
            self._total += len(data)
            if self._total > self._limits.total:
                raise MultipartError(f"the form is longer than {self._limits.total} bytes")
            # In pieces: the buffer must not grow with the size of a call.
            for start in range(0, len(data), _BLOCK_SIZE):
                if self._complete:
                    break  # the epilogue has no meaning (RFC 2046 section 5.1.1)
                self._buffer += data[start : start + _BLOCK_SIZE]
                while self._step():
                    pass
        except BaseException as error:
            self._fail(error)
            raise
        return len(data)

    def getvalue(self) -> dict[str, list[Value]]:
        """All fields and files by name, each in a list. Raises MultipartError if the end is missing."""
        if self._boundary is None and not self._total:
            return {}  # no content came: fapws3's programs ask all the same
        if self._error is None and not self._complete:
            self._fail(MultipartError("the form is cut off before its last boundary"))
        if self._error is not None:
            raise self._error
        return self._values

    def get(self, name: str, default: Any = None) -> Any:
        """The list of one name. Raises MultipartError if the form is not complete."""
        return self.getvalue().get(name, default)

    def keys(self) -> list[str]:
        """The names. Raises MultipartError if the form is not complete."""
        return list(self.getvalue())

    def seek(self, position: int, /) -> None:
        """Nothing; fapws3's class had it."""

    def close(self) -> None:
        """Gives back what temporary files hold."""
        for upload in self._uploads:
            upload.close()

    def __enter__(self) -> MultipartFormData:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fail(self, error: BaseException) -> None:
        self._error = error if isinstance(error, MultipartError) else MultipartError(f"failed: {error!r}")
        for upload in self._uploads:
            upload.discard()
        self._buffer.clear()

    # ---- The states: each takes what it can from the buffer; False: more is needed, or it is over -----

    def _first_line(self) -> bool:
        """No boundary was given: the content must begin with it."""
        end = self._buffer.find(b"\r\n", 2)
        if not self._buffer[2:4] == b"--"[: len(self._buffer) - 2]:
            raise MultipartError("the form does not begin with a boundary")
        if end < 0:
            if len(self._buffer) > _BOUNDARY_MAX + _PADDING_MAX + 4:
                raise MultipartError("the first boundary does not end")
            return False
        line = bytes(self._buffer[4:end]).rstrip(b" \t")
        self._look_for(line.decode("latin-1"))
        return True

    def _look_for(self, boundary: str) -> None:
        # One search in C for the whole line: content full of what only begins like it costs no more.
        delimiter = b"\r\n--" + check_boundary(boundary)
        line = rb"%b(--|[ \t]{0,%d}\r\n)" % (re.escape(delimiter), _PADDING_MAX)
        self._boundary = re.compile(line)
        self._longest = len(delimiter) + _PADDING_MAX + 1
        self._step = self._preamble

    def _preamble(self) -> bool:
        """What comes before the first boundary has no meaning."""
        return self._until_boundary(lambda data: None)

    def _content(self) -> bool:
        return self._until_boundary(self._take)

    def _until_boundary(self, take: Any) -> bool:
        assert self._boundary is not None
        found = self._boundary.search(self._buffer)
        if found is None:
            # The last bytes may be the beginning of a boundary's line; all before them is content.
            self._give(take, len(self._buffer) - self._longest)
            return False
        start, end = found.span()
        last = found[1] == b"--"
        del found  # it holds the buffer
        self._give(take, start)
        self._end_part(take)
        if last:
            self._complete = True
            self._buffer.clear()
            return False
        # The CRLF stays: a part without fields ends with it at once.
        del self._buffer[: end - start - 2]
        self._step = self._part_head
        return True

    def _give(self, take: Any, size: int) -> None:
        if size > 0:
            take(bytes(self._buffer[:size]))
            del self._buffer[:size]

    def _part_head(self) -> bool:
        """The fields of a part. The buffer begins with the CRLF of the boundary's line."""
        end = self._buffer.find(b"\r\n\r\n")
        if (len(self._buffer) if end < 0 else end) > self._limits.header:
            raise MultipartError(f"the head of a part is longer than {self._limits.header} bytes")
        if end < 0:
            return False
        head = bytes(self._buffer[2:end]) if end else b""
        del self._buffer[: end + 4]
        self._begin_part(head)
        self._step = self._content
        return True

    # ---- The parts ---------------------------------------------------------------------------------

    def _begin_part(self, head: bytes) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise MultipartError(f"the form has more than {self._limits.parts} parts")
        try:
            self._head = parse_disposition(head)
        except ValueError as error:
            raise MultipartError(f"part {self._parts}: {error}") from None
        self._field = bytearray()
        self._upload = None
        self._spend(len(self._head.name))
        if self._head.filename is not None:
            if len(self._uploads) >= self._limits.files:
                raise MultipartError(f"the form has more than {self._limits.files} files")
            self._upload = Upload(self._head.filename, self._head.content_type, self._folder)
            self._uploads.append(self._upload)

    def _take(self, data: bytes) -> None:
        if self._upload is not None:
            self._upload.write(data)
        else:
            self._spend(len(data))
            self._field += data

    def _spend(self, size: int) -> None:
        self._field_bytes += size
        if self._field_bytes > self._limits.fields:
            raise MultipartError(f"the fields of the form are longer than {self._limits.fields} bytes")

    def _end_part(self, take: Any) -> None:
        if take != self._take:
            return  # it was the preamble
        value: Value = self._field.decode("utf-8", "replace") if self._upload is None else self._upload
        if self._upload is not None:
            self._upload.finish()
        self._values.setdefault(self._head.name, []).append(value)


def check_boundary(boundary: str) -> bytes:
    """A boundary as bytes. Raises MultipartError for what RFC 2046 section 5.1.1 does not allow."""
    if not 1 <= len(boundary) <= _BOUNDARY_MAX or boundary.endswith(" "):
        raise MultipartError(f"a boundary has 1 to {_BOUNDARY_MAX} characters, not {boundary[:100]!r}")
    # More than the RFC's characters: what else is printable does no harm, and is seen.
    if not (boundary.isascii() and boundary.isprintable()):
        raise MultipartError(f"a boundary is printable ASCII, not {boundary!r}")
    return boundary.encode("ascii")


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names. Raises MultipartError if it is not one of a form."""
    kind, parameters = parse_parameters(content_type)
    if kind != "multipart/form-data":
        raise MultipartError(f"the content is {kind or 'nothing that is named'}, not multipart/form-data")
    if not parameters.get("boundary"):
        raise MultipartError("the Content-Type names no boundary")
    return parameters["boundary"]


def parse(
    environ: dict[str, Any], basepath: str | os.PathLike[str] | None = None, limits: Limits | None = None
) -> MultipartFormData:
    """The whole form of a request, read from wsgi.input. Raises MultipartError, OSError."""
    form = MultipartFormData(basepath, boundary_of(environ.get("CONTENT_TYPE", "")), limits)
    for block in _blocks(environ):
        form.write(block)
    form.getvalue()
    return form


def _blocks(environ: dict[str, Any]) -> Iterator[bytes]:
    """The content: as far as Content-Length, or where the server says that it ends, to its end."""
    read = environ["wsgi.input"].read
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        while environ.get("wsgi.input_terminated") and (block := read(_BLOCK_SIZE)):
            yield block
        return
    left = int(length)
    while left > 0 and (block := read(min(_BLOCK_SIZE, left))):
        left -= len(block)
        yield block
