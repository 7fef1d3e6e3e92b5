"""What fapws3 and fapws4 gave to programs: Environ, Start_response, and helpers.

Names and arguments are fapws3's. Unlike there, repeated fields (Set-Cookie) are all sent, and a field
name or value that would begin another field is a ValueError.

For each request of a program with PATHS or fapws._evwsgi the server makes one Start_response, and one
Environ if the program has a class of its own; see fapws.compat.paths.
"""

from __future__ import annotations

import sys

from fapws import config as config
from fapws.compat.fields import Fields, check_field, check_parameter, format_date, native
from fapws.lean import Any, Callable, Iterable, Sequence

supported_HTTP_command = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
"""Methods that the program takes; others are refused with 501. A program may append, say, "PROPFIND"."""

DEFAULT_TYPE = "text/html"
"""Content-Type of a response for which start_response was not called."""
CAPTURED_MAX = 65536
"""Characters that redirectStdErr() keeps, the last ones."""


class Environ(dict[str, Any]):
    """The environ of a request. A subclass may look at it while it is filled, and change it.

    The server calls, each with a dict of what comes next: update_headers (the request's fields),
    update_uri (method, target, path, query), update_from_request (connection, content, wsgi.*).
    What a method does not put into the dict itself, or hand on to this class, is not in the environ.
    """

    def update_headers(self, data: dict[str, Any]) -> None:
        """HTTP_*, CONTENT_TYPE, CONTENT_LENGTH and fapws.raw_header."""
        dict.update(self, data)

    def update_uri(self, data: dict[str, Any]) -> None:
        """Method, protocol, SCRIPT_NAME, PATH_INFO, QUERY_STRING, fapws.uri, fapws.params."""
        dict.update(self, data)

    def update_from_request(self, data: dict[str, Any]) -> None:
        """All the rest; fapws.params again if the content was a form."""
        dict.update(self, data)


class Start_response:
    """The start_response of PEP 3333, with what fapws3 had besides.

    Status and fields may be set until the head is sent, which is when the first content is known.
    """

    status_code: Any = "200"
    status_reasons: Any = "OK"
    sent = False
    """The head is with the server: what is changed from now on is not seen."""
    started = False
    """It has been called, so that calling it again needs exc_info."""
    exc_info: Any = None
    """As it was given, until the head is sent."""
    cookies: Any = None
    """An http.cookies.SimpleCookie once a cookie was set; it may be changed directly."""
    config: Any = config
    """Where SERVER_IDENT is looked up."""
    server_start: Callable[..., Callable[[bytes], Any]] | None = None
    """The server's own start_response; None: this object is not of a request."""
    server_write: Callable[[bytes], Any] | None = None
    """What that returned."""
    text = False
    """The content began with a str, so that a text type without a charset is UTF-8."""

    _headers: Any = None
    """None: no field has been set, so that none is made for an object that only returns its content."""

    @property
    def response_headers(self) -> Any:
        """A mapping that keeps repeated fields; a program may put a dict in its place."""
        if self._headers is None:
            self._headers = Fields()
        return self._headers

    @response_headers.setter
    def response_headers(self, given: Any) -> None:
        self._headers = given

    def __call__(
        self, status: str, response_headers: Iterable[tuple[Any, Any]], exc_info: Any = None
    ) -> Callable[[Any], None]:
        """PEP 3333, "The start_response() Callable". For fapws3's sake numbers are taken as values, bytes
        as text, and another call without exc_info while nothing is sent: it gives the status anew, and its
        fields take the place of those of the same name, but for Set-Cookie.

        Fields that add_header() gave before are kept. With exc_info, all that was given is replaced, cookies
        too. Raises TypeError, ValueError; AssertionError for another call when the head is sent.
        """
        try:
            again = self.started and exc_info is None
            if again and self.sent:
                raise AssertionError("start_response was called twice without exc_info")
            if type(status) is not str:
                status = native(status)
            if not isinstance(status, str):
                raise TypeError(f"the status must be a str, not {type(status).__name__}: {status!r}")
            if not status.isprintable():
                raise ValueError(f"the status has control characters: {status!r}")
            self.started = True
            if exc_info is not None:
                self._headers = self.cookies = None
                self.exc_info = exc_info
            self.status_code, _, self.status_reasons = status.partition(" ")
            if again:
                self._fields().merge(response_headers)
            else:
                self._fields().extend(response_headers)
            if self.sent and self.server_start is not None:
                self.exc_info = None
                # It raises what exc_info holds, or that it was called twice, or replaces the head.
                self.server_start(*self._complete_head(), exc_info)
        finally:
            exc_info = None  # PEP 3333: no circular reference through the traceback
        return self.write

    def write(self, data: Any) -> None:
        """PEP 3333, "The write() Callable"; also takes a str, sent as UTF-8."""
        self.send_head(isinstance(data, str))(encode(data))

    def add_header(self, key: str, val: Any) -> None:
        """Adds a field. One that may stand only once, such as Content-Type, takes the other's place.

        Raises ValueError for a name that is none, or a value with control characters.
        """
        self._fields().add(key, val)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: Any = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool | None = None,
    ) -> None:
        """Sends a Set-Cookie field; a cookie set before under this name is replaced.

        max_age: seconds; 0 deletes it. expires: a str, seconds since 1970, or a datetime (without
        time zone: local time). Raises ValueError for what would break out of the field.
        """
        from http.cookies import CookieError, SimpleCookie  # only a program with cookies pays for it

        key = check_field("Set-Cookie", key)[1]
        value = check_field("Set-Cookie", str(native(value)))[1]
        parameters: dict[str, Any] = {"path": path, "domain": domain, "secure": secure}
        if max_age is not None:
            parameters["max-age"] = int(max_age)
        if expires:
            parameters["expires"] = expires if isinstance(expires, str) else format_date(expires)
        made: Any = SimpleCookie()
        try:
            made[key] = value
        except CookieError as error:
            raise ValueError(f"a cookie cannot be called {key!r}: {error}") from None
        for name, content in parameters.items():
            check_parameter(name, content)
            if content is not None and content is not False and content != "":
                try:
                    made[key][name] = content
                except CookieError as error:  # newer Pythons refuse control characters themselves
                    raise ValueError(f"{name} of a cookie cannot be {content!r}: {error}") from None
        if self.cookies is None:
            self.cookies = SimpleCookie()
        self.cookies.pop(key, None)  # with its parameters
        self.cookies[key] = made[key]

    def delete_cookie(self, key: str, path: str | None = "/", domain: str | None = None) -> None:
        """Has the client forget a cookie; path and domain as it was set with."""
        self.set_cookie(key, "", 0, None, path, domain)

    def send_head(self, text: bool) -> Callable[[bytes], Any]:
        """Hands the head to the server, once; text: the content begins with a str. For the server.

        Returns its write(). Raises ValueError, TypeError, RuntimeError outside of a request.
        """
        if self.server_write is None:
            if self.server_start is None:
                raise RuntimeError("this start_response does not belong to a request")
            self.text = text
            self.server_write = self.server_start(*self._complete_head())
            self.sent = True
            if self.exc_info is not None:
                self.exc_info = None  # PEP 3333: no circular reference through the traceback
        return self.server_write

    def _complete_head(self) -> tuple[str, list[tuple[str, str]]]:
        """Status and fields, with what the server adds to them. Raises ValueError, TypeError."""
        status, fields = self.status_and_fields()
        if self.text or not self.started:
            self._settle_type(fields)
        if getattr(self.config, "SERVER_IDENT", "") is _DEFAULT_IDENT:
            return status, fields
        return status, with_ident(fields, self.config)

    def _settle_type(self, fields: list[tuple[str, str]]) -> None:
        """Content-Type with its charset; DEFAULT_TYPE if there is none and start_response was not called."""
        text = self.text
        for at, (name, value) in enumerate(fields):
            if len(name) == _TYPE_LENGTH and name.lower() == "content-type":
                if text:
                    fields[at] = (name, _charsets.get(value) or _with_charset(value))
                return  # there is but one
        if not self.started:
            kind = DEFAULT_TYPE
            if text:
                kind = _charsets.get(kind) or _with_charset(kind)
            fields.insert(0, ("Content-Type", kind))

    def status_and_fields(self) -> tuple[str, list[tuple[str, str]]]:
        """The head as PEP 3333's start_response takes it, cookies included. Raises ValueError, TypeError."""
        given, cookies = self._headers, self.cookies
        if given is None:
            fields: list[tuple[str, str]] = []
        else:
            fields = (given if type(given) is Fields else self._fields()).pairs()
        if cookies:
            for morsel in cookies.values():
                fields.append(check_field("Set-Cookie", morsel.OutputString()))
        code, reasons = self.status_code, self.status_reasons
        if type(code) is bytes or type(reasons) is bytes:  # set by a program that has taken care of Python 3
            code, reasons = native(code), native(reasons)
        status = f"{code} {reasons}".rstrip()
        if not status.isprintable():
            raise ValueError(f"the status has control characters: {status!r}")
        return status, fields

    def __str__(self) -> str:
        """The head as text, for a log."""
        status, fields = self.status_and_fields()
        return "".join(
            (f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n")
        )

    def _fields(self) -> Fields:
        """response_headers, made ours if a program has put something else there."""
        given = self._headers
        if type(given) is not Fields:
            given = self._headers = Fields() if given is None else Fields.of(given)
        return given


def _with_charset(kind: str) -> str:
    """A Content-Type for content that is a str."""
    lowered = kind.lower()
    needs = lowered.startswith("text/") and "charset" not in lowered
    sent = kind + "; charset=utf-8" if needs else kind
    if len(_charsets) < _CHARSETS_MAX and len(kind) < _CHARSET_LENGTH:
        _charsets[kind] = sent
    return sent


_TYPE_LENGTH = len("content-type")
_CHARSET_LENGTH = 64
_CHARSETS_MAX = 50
"""Content-Types that are remembered; a program uses a handful."""
_charsets: dict[str, str] = {}
"""Content-Type of an object: the one that is sent."""


def with_ident(fields: list[tuple[str, str]], settings: Any) -> list[tuple[str, str]]:
    """The fields with a Server field, if settings.SERVER_IDENT was changed and there is none. For the
    server. Raises ValueError, TypeError."""
    ident = getattr(settings, "SERVER_IDENT", "")
    if ident and ident != _DEFAULT_IDENT and not any(name.lower() == "server" for name, _ in fields):
        fields.append(check_field("Server", ident))
    return fields


CONTENT = (str, bytes, bytearray, memoryview)
"""What encode() takes."""


def encode(piece: Any) -> bytes:
    """A piece of content as bytes, a str as UTF-8. Raises TypeError for what is neither."""
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if type(piece) is bytes:
        return piece
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(bad_content(piece))


def bad_content(what: Any) -> str:
    """Why something is no content, as a sentence."""
    return f"an object of PATHS answers with str or bytes, not with {type(what).__name__}"


def watches(environ_class: Any) -> bool:
    """Whether an Environ class wants to see a request's environ being filled. For the server."""
    hooks = tuple(getattr(environ_class, hook.__name__, None) for hook in _HOOKS)
    return hooks != _HOOKS or environ_class.__qualname__ != "Environ" or environ_class.__module__ != __name__


_HOOKS = (Environ.update_headers, Environ.update_uri, Environ.update_from_request)
_DEFAULT_IDENT = config.SERVER_IDENT


def get_status(code: int | str) -> str:
    """``404 Not Found`` for 404. Raises KeyError for a code that has no name."""
    from http import HTTPStatus

    try:
        return f"{int(code)} {HTTPStatus(int(code)).phrase}"
    except ValueError:
        raise KeyError(code) from None


class _Captured:
    """A text stream that passes on what is written, and keeps the end of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._kept = ""

    def write(self, text: str) -> int:
        """Passes it on and keeps it."""
        self._kept = (self._kept + text)[-CAPTURED_MAX:]
        self._stream.write(text)
        return len(text)

    def getvalue(self) -> str:
        """What was written, the last CAPTURED_MAX characters of it."""
        return self._kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redirectStdErr() -> None:
    """From now on ``sys.stderr.getvalue()`` tells what was written there; the log gets it as well."""
    if not isinstance(sys.stderr, _Captured):
        sys.stderr = _Captured(sys.stderr)


def split_len(seq: Sequence[Any], length: int) -> list[Any]:
    """The pieces of a sequence, each so long but the last. Raises ValueError if length is below 1."""
    if length < 1:
        raise ValueError("the length of a piece must be 1 or more")
    return [seq[at : at + length] for at in range(0, len(seq), length)]


def parse_cookies(environ: dict[str, Any]) -> Any:
    """The request's cookies as an http.cookies.SimpleCookie; None if there is no Cookie field.

    A cookie that is malformed is left out, and the others are kept.
    """
    line = environ.get("HTTP_COOKIE")
    if not line:
        return None
    from http.cookies import CookieError, SimpleCookie

    jar: Any = SimpleCookie()
    for pair in line.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            try:
                jar[name.strip()] = jar.value_decode(value.strip())[0]
            except CookieError:
                continue
    return jar
