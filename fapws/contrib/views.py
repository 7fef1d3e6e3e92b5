"""Files of a folder, as they are.

    from fapws.contrib.views import Staticfile

    PATHS = [("/static", Staticfile("/srv/static", maxage=3600))]

    # or as a WSGI application of its own: application = Staticfile("/srv/static")

GET and HEAD; ETag, Last-Modified and the conditions on them; one range at a time (several: the whole, as
RFC 9110 section 14.2 permits); ``index.html`` for a folder, whose listing is never shown.

What is not served, always 404: files outside the folder, also by way of symbolic links (those that stay
inside are followed), anything but regular files, paths with empty names, ``.`` or ``..``, and names that
begin with a dot, except ``/.well-known`` (RFC 8615). What the system does not allow to read is 403.
"""

from __future__ import annotations

import io
import mimetypes
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from fapws.contrib.beneath import Found, Outside, Walk
from fapws.contrib.conditions import Span, Version, http_date, precondition, wanted_span

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]

INDEX = b"index.html"
_WELL_KNOWN = b".well-known"
_BLOCK_SIZE = 65536
_STATUS = {
    200: "200 OK",
    206: "206 Partial Content",
    301: "301 Moved Permanently",
    304: "304 Not Modified",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    412: "412 Precondition Failed",
    416: "416 Range Not Satisfiable",
}
_MAXAGE_MAX = 100 * 365 * 86400
"""Seconds: what is longer means nothing else, and Expires must be a date that can be written."""
_CODINGS = frozenset(("gzip", "br", "compress", "zstd"))
"""Content codings of HTTP; other compressed files are shown as what they are."""
_PACKED_TYPES = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


class Staticfile:
    """Serves the files below rootpath; the folder in which the program started if that is empty.

    rootpath may also be a file, which is then what the prefix itself shows, as fapws3's programs have it.
    maxage: seconds that a client may keep a response without asking again (Cache-Control and Expires);
    None says nothing about it. Raises ValueError if it is negative or above 100 years. The folder need
    not exist yet.
    """

    def __init__(
        self, rootpath: str | bytes | os.PathLike[str] = "", maxage: float | None = None
    ) -> None:
        if maxage is not None and not 0 <= maxage <= _MAXAGE_MAX:
            raise ValueError(f"maxage is a number of seconds, not {maxage}")
        self.rootpath = os.path.abspath(os.fsdecode(rootpath))
        self.maxage = None if maxage is None else int(maxage)
        self._root = os.fsencode(self.rootpath)
        if not mimetypes.inited:
            mimetypes.init()  # reads files: not while a client waits, nor after a chroot

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _page(environ, start_response, 405, [("Allow", "GET, HEAD")])
        try:
            if not environ.get("PATH_INFO") and os.path.isfile(self._root):
                return self._answer(environ, start_response, os.path.basename(self._root), self._single())
            names, folder = requested_names(environ)
            found = Walk(self._root).find(names)
            if found.descriptor < 0:
                if not folder:
                    return _page(environ, start_response, 301, [("Location", _with_slash(environ))])
                names = [*names, INDEX]
                found = Walk(self._root).find(names)
            elif folder:
                os.close(found.descriptor)
                raise Outside("a file has no slash behind it")
        except Outside:
            return _page(environ, start_response, 404)
        except PermissionError:
            return _page(environ, start_response, 403)
        if found.descriptor < 0:
            return _page(environ, start_response, 404)
        return self._answer(environ, start_response, names[-1] if names else INDEX, found)

    def _single(self) -> Found:
        """rootpath, if it is a file. The program names it, so a link may lead anywhere."""
        folder, name = os.path.split(os.path.realpath(self._root))
        return Walk(folder).find([name])

    def _answer(
        self, environ: dict[str, Any], start_response: StartResponse, name: bytes, found: Found
    ) -> Any:
        """The response for an open file; the descriptor is closed with it."""
        now = time.time()
        with_file = False
        try:
            version = file_version(found.status)
            span = Span(0, version.size)
            code = precondition(environ, version)
            headers = self._validators(version, now)
            if code == 200:
                try:
                    part = wanted_span(environ, version, now)
                except ValueError:
                    return _page(environ, start_response, 416, [("Content-Range", f"bytes */{version.size}")])
                if part is not None:
                    code, span = 206, part
                    last = span.start + span.size - 1
                    headers.append(("Content-Range", f"bytes {span.start}-{last}/{version.size}"))
                headers += [*content_headers(name), ("Content-Length", str(span.size))]
                headers.append(("Accept-Ranges", "bytes"))
            elif code == 412:
                return _page(environ, start_response, 412)
            start_response(_STATUS[code], headers)
            if code == 304 or environ["REQUEST_METHOD"] == "HEAD":
                return []
            with_file = True
        finally:
            if not with_file:
                os.close(found.descriptor)
        file = PartOfFile(found.descriptor, span)
        return environ.get("wsgi.file_wrapper", _Blocks)(file, _BLOCK_SIZE)

    def _validators(self, version: Version, now: float) -> Headers:
        """What 200 and 304 have in common (RFC 9110 section 15.4.5)."""
        headers = [("ETag", version.etag), ("Last-Modified", http_date(max(0, min(version.modified, now))))]
        if self.maxage is not None:
            headers.append(("Cache-Control", f"max-age={self.maxage}"))
            headers.append(("Expires", http_date(now + self.maxage)))
        return headers


# ---- The request -----------------------------------------------------------------------------------


def requested_names(environ: dict[str, Any]) -> tuple[list[bytes], bool]:
    """The names of the path behind SCRIPT_NAME, and whether a slash says that it means a folder.

    Raises Outside for a path that is not served. PATHS has no boundary between segments: what follows
    its prefix must begin with a slash, unless the prefix ends with one.
    """
    script, text = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    if not text:
        return [], script == "" or script.endswith("/")
    try:
        path: bytes = text.encode("latin-1")
    except UnicodeEncodeError:
        raise Outside("not a native string of WSGI") from None
    if path.startswith(b"/"):
        path = path[1:]
    elif not script.endswith("/"):
        raise Outside("another path that only begins like the prefix")
    names = path.split(b"/")
    folder = names[-1] == b""
    if folder:
        names.pop()
    for place, name in enumerate(names):
        hidden = name.startswith(b".") and not (place == 0 and name == _WELL_KNOWN)
        if not name or hidden or b"\0" in name:
            raise Outside("a name that is not served")
    return names, folder


def _with_slash(environ: dict[str, Any]) -> str:
    """Where a folder is. Never begins with two slashes, which would name another host."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = "/" + quote(path.strip("/"), safe="/:@!$&'()*+,;=~", encoding="latin-1") + "/"
    query = environ.get("QUERY_STRING", "")
    return path + ("?" + quote(query, safe="/?:@!$&'()*+,;=~%[]", encoding="latin-1") if query else "")


# ---- The content -----------------------------------------------------------------------------------


def file_version(status: os.stat_result) -> Version:
    """A strong validator: another file, another size or another time of writing is another tag."""
    tag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
    return Version(tag, status.st_mtime, status.st_size)


def content_headers(name: bytes) -> Headers:
    """Content-Type and Content-Encoding by the name; ``mimetypes.add_type()`` adds to what is known."""
    # The slash keeps guess_type from taking a name with a colon for a URL.
    kind, coding = mimetypes.guess_type("/" + name.decode("latin-1"))
    if coding is not None and (coding not in _CODINGS or kind is None):
        kind, coding = _PACKED_TYPES.get(coding), None
    kind = kind or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/javascript":
        kind += "; charset=utf-8"
    return [("Content-Type", kind), *([("Content-Encoding", coding)] if coding else [])]


class PartOfFile(io.FileIO):
    """A file that ends where its part does, for any server: those that read and those that send the
    descriptor from its position on, as far as Content-Length (PEP 3333)."""

    def __init__(self, descriptor: int, span: Span) -> None:
        super().__init__(descriptor, "rb")
        self.seek(span.start)
        self._left = span.size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most as much as is left of the part."""
        data = super().read(self._left if size is None or size < 0 else min(size, self._left)) or b""
        self._left -= len(data)
        return data

    def readall(self) -> bytes:
        """All that is left of the part."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """As read(), into a buffer."""
        data = self.read(len(memoryview(buffer).cast("B")))
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)


class _Blocks:
    """For servers without wsgi.file_wrapper."""

    def __init__(self, file: PartOfFile, size: int) -> None:
        self._file = file
        self._size = size
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._size), b"")


def _page(
    environ: dict[str, Any], start_response: StartResponse, code: int, headers: Headers | None = None
) -> list[bytes]:
    """A response that is no file."""
    reason = _STATUS[code].partition(" ")[2]
    page = f"<!DOCTYPE html><title>{_STATUS[code]}</title><h1>{reason}</h1>\n".encode()
    own = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]
    start_response(_STATUS[code], [*own, *(headers or [])])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [page]
