"""One response: start_response and write() of PEP 3333, and how the head goes to the core."""

from __future__ import annotations

from _thread import get_ident
from itertools import chain

from fapws._core import ffi, lib
from fapws.lean import TYPE_CHECKING, Any, Callable
from fapws.wsgi.exchange import Headers, PureResponse, ResponseBase
from fapws.wsgi.unsent import Unsent

if TYPE_CHECKING:
    from fapws.wsgi.serve import Server


class Fault(Exception):
    """The application broke a rule of WSGI; the text names it."""


class ClientGone(ConnectionError):
    """The client has left; what remains of its response is not wanted."""


class Response(ResponseBase):
    """The response to one request: its attributes are those of PureResponse."""

    __slots__ = ()
    server: Server

    def start_response_checked(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """PEP 3333, "The start_response() Callable". The accelerator comes here with unusual calls only."""
        if self.status is not None or exc_info is not None:
            self._restart(exc_info)
        if type(status) is not str or type(headers) is not list:
            self._check(check_types, status, headers)
        for header in headers:
            if type(header) is not tuple:
                self._check(check_header, header)
        self.status = status
        self.headers = headers
        return self.write

    if ResponseBase is PureResponse:
        start_response = start_response_checked

    def _check(self, check: Callable[..., None], *given: object) -> None:
        """A call that fails counts as a call: another one needs exc_info (PEP 3333)."""
        try:
            check(*given)
        except TypeError:
            self.status, self.headers = "", []  # never sent: the core refuses it
            raise

    def _restart(self, exc_info: Any) -> None:
        if exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        if not isinstance(exc_info, tuple) or len(exc_info) != 3:
            raise TypeError(f"exc_info must be a tuple as sys.exc_info() returns it, not {exc_info!r}")
        try:
            if self.begun:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # PEP 3333: no circular reference through the traceback

    def head(self) -> tuple[bytes, int]:
        """The head as fw_respond() and fw_begin() want it: joined fields, and their number.

        Raises Fault.
        """
        if self.status is None:
            raise Fault("start_response was not called before the first content")
        try:
            fields = [self.status, *chain.from_iterable(self.headers)]
            head = "\n".join(fields).encode("latin-1")
        except (TypeError, UnicodeEncodeError) as error:
            raise head_fault(self.status, self.headers) from error
        if len(fields) != 2 * len(self.headers) + 1:
            raise head_fault(self.status, self.headers)
        return head, len(fields)

    def begin(self, size: int | None = None) -> None:
        """Gives the head to the core, for a response that comes in pieces; size: of all, if it is known.

        Raises Fault, ClientGone.
        """
        head, count = self.head()
        server = self.server
        if size is None:
            notes = lib.fw_begin(server.core, self.connection, head, len(head), count)
        else:
            notes = lib.fw_begin_sized(server.core, self.connection, head, len(head), count, size)
        if notes < 0:
            raise code_fault(notes)
        self.begun = True
        if notes:
            self.empty = bool(notes & lib.FW_NOTE_NO_CONTENT)
            server.handler.tell_notes(notes)

    def socket_fd(self) -> int:
        """The client's descriptor, which stays the server's (fapws3's ``fapws.socket_fd``).

        Raises ClientGone, or Fault once the response is complete.
        """
        descriptor: int = lib.fw_connection_fd(self.server.core, self.connection)
        if descriptor < 0:
            raise request_fault(descriptor)
        return descriptor

    def raw_head(self) -> str:
        """The request's head as it was received, from the request line to the empty line, as latin-1.

        Only after Server.keep_heads() (fapws3's ``fapws.raw_header``). Raises ClientGone, or Fault once
        the response is complete.
        """
        return self.original_request()[0]

    def original_request(self) -> tuple[str, int]:
        """raw_head() and socket_fd() at once. Raises as they do."""
        told: Any = self.server.original_request(self)
        if type(told) is int:
            raise request_fault(told)
        pair: tuple[str, int] = told
        return pair

    def name_client(self, address: str) -> None:
        """For the access log: the client that a trusted proxy has named."""
        client = address.encode("ascii")
        lib.fw_name_client(self.server.core, self.connection, client, len(client))

    def request_name(self) -> str:
        """Of the request, by which others know it (request_id); only after Server.name_requests()."""
        return core_text(lib.fw_request_name(self.server.core, self.connection))

    def own_headers(self, headers: Headers) -> Headers:
        """Those of a page of the server's own, with the request's name if requests have names."""
        return [*headers, ("X-Request-ID", self.request_name())] if self.server.named else headers

    def early_hints(self, headers: Headers) -> None:
        """``wsgi.early_hints``: sends 103 with these fields at once (RFC 8297). Raises ClientGone."""
        for header in headers:
            check_header(header)
        fields = ["103 Early Hints", *chain.from_iterable(headers)]
        try:
            head = "\n".join(fields).encode("latin-1")
        except (TypeError, UnicodeEncodeError) as error:
            raise head_fault("103 Early Hints", headers) from error
        code = lib.fw_inform(self.server.core, self.connection, head, len(head), len(fields))
        if code < 0:
            raise code_fault(code)

    def send(self, piece: bytes, start: int = 0) -> int:
        """Sends a piece; returns how many bytes at its end the kernel did not take. Raises ClientGone.

        start: bytes at its beginning that were sent before; they are passed over, not copied.
        """
        content: Any = ffi.from_buffer("char[]", piece) + start if start else piece
        return self.without_notes(lib.fw_send(self.server.core, self.connection, content, len(piece) - start))

    def without_notes(self, rest: int) -> int:
        """What fw_send() returned, without the notes that come with it. Raises ClientGone."""
        if rest > lib.FW_REST_MASK:
            if not self.full:
                self.server.handler.tell_notes(rest)
            self.full = self.full or bool(rest & lib.FW_NOTE_EXCESS)
            rest &= lib.FW_REST_MASK
        if rest < 0:
            raise code_fault(rest)
        return rest

    def write(self, data: bytes) -> None:
        """PEP 3333, "The write() Callable". What the kernel does not take waits; see Unsent.

        Raises ClientGone when it cannot be kept: the response is cut then. Raises Fault in another thread
        than the server's, always: what it sends could come between the pieces of another response.
        """
        if get_ident() != self.server.thread:
            raise Fault("write() was called in another thread than that of the request")
        if type(data) is not bytes:
            data = check_piece(data)
        if self.status is None:
            raise Fault("write() was called before start_response")
        if not data:
            return
        if not self.begun:
            self.begin()
        if self.empty or self.full:
            return
        rest = len(data) if self.unsent else self.send(data)
        if rest:
            self.keep(data[-rest:])

    def keep(self, data: bytes) -> None:
        """Puts bytes behind what is unsent already."""
        if self.unsent is None:
            self.unsent = Unsent(self.server.spool_directory)
        try:
            self.unsent.add(data)
        except OSError as error:
            lib.fw_abort(self.server.core, self.connection)
            self.server.log(f"what write() was given cannot be kept, the connection is cut: {error}")
            raise ClientGone("the response is cut") from error


def check_types(status: object, headers: object) -> None:
    """Raises TypeError for a status or headers that start_response does not take."""
    if not isinstance(status, str):
        raise TypeError(f"the status must be a str, not {type(status).__name__}: {status!r}")
    if not isinstance(headers, list):
        raise TypeError(f"the headers must be a list, not {type(headers).__name__}")


def check_header(header: object) -> None:
    """Raises TypeError for what is no (name, value) pair."""
    if not isinstance(header, (tuple, list)) or len(header) != 2:
        raise TypeError(f"a header must be a (name, value) tuple, not {header!r}")


def check_piece(piece: Any) -> bytes:
    """A piece of content as bytes. Raises TypeError for what is none."""
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"the content must be bytes, not {type(piece).__name__}: {str(piece)[:80]!r}")


def head_fault(status: Any, headers: Any) -> Fault:
    """Why status and headers could not be joined, as a sentence."""
    for text in (status, *headers):
        if text is status:
            pieces: tuple[Any, ...] = (text,)
        elif isinstance(text, (tuple, list)) and len(text) == 2:
            pieces = tuple(text)
        else:
            return Fault(f"a header must be a (name, value) tuple, not {text!r}")
        for piece in pieces:
            if not isinstance(piece, str):
                return Fault(
                    f"status, header names and values must be str, not {type(piece).__name__}: {text!r}"
                )
            if any(char > "\xff" for char in piece):
                return Fault(f"a header holds characters beyond latin-1: {text!r}")
    return Fault("the response head is malformed")


def code_fault(code: int) -> Exception:
    """The exception for a negative code of the core."""
    if code == lib.FW_CLIENT_GONE:
        return ClientGone("the client has left")
    return Fault(f"the response is refused: {core_text(lib.fw_error_text(code))}")


def request_fault(code: int) -> Exception:
    """The exception for a question about a request that has no response any more."""
    if code == lib.FW_CLIENT_GONE:
        return ClientGone("the client has left")
    return Fault(f"the request cannot be asked: {core_text(lib.fw_error_text(code))}")


def core_text(text: Any) -> str:
    """A C string of the core."""
    return "unknown" if text == ffi.NULL else bytes(ffi.string(text)).decode()
