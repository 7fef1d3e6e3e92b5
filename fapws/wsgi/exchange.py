"""The way from the core's batch to the application, and from its response back to the core.

There are two of them with the same contract: this one in Python, and fapws._accelerator (csrc/python/), an
extension for CPython that takes more than half off the instructions of a request. It is used where it was
built and wanted (accelerated.py).
"""

from __future__ import annotations

import time
from itertools import chain

from fapws._core import ffi, lib
from fapws.lean import TYPE_CHECKING, Any, Callable, Iterator
from fapws.wsgi.accelerated import accelerator
from fapws.wsgi.environ import Shape
from fapws.wsgi.file_wrapper import FileWrapper

Headers = list[tuple[str, str]]
FOREVER = -1
NOBODY = -1
"""The connection of a response that is over: a write() kept by the application must not reach the next."""


Failed = tuple[Any, Any, Any]
"""Response, the application's result, environ."""
_OVER = b"", 0
"""A response of which nothing is left."""
TAKEN = -1
"""In the place of the text's size, once take() has the batch: see fw_batch_view in fapws.h."""


class PureResponse:
    """What a response remembers. Attributes start as the class has them, because that costs nothing."""

    connection: int
    status: str | None = None
    headers: Headers
    """Set together with status."""
    begun = False
    """The head has been given to the core: it cannot be changed any more."""
    empty = False
    """This response has no content (HEAD, 204, 304), whatever the application yields."""
    full = False
    """More content than Content-Length was given: the rest is not wanted."""
    unsent: Any = None
    """What write() was given and the kernel has not taken (fapws.wsgi.unsent.Unsent), or None."""
    spooled: Any = None
    """The file behind wsgi.input, to be closed at the end; None when there is none."""
    start_response: Callable[..., Callable[[bytes], None]]


class PureExchange:
    """One for each core: from a batch (fw_poll() of csrc/fapws.h) to calls of the application, and from what
    it returns to the core. What is not usual, it leaves to a Handler.

    shapes may be filled while run() does.
    """

    def __init__(
        self, responses: type[PureResponse], shapes: list[Shape | None], view: Any, core: Any
    ) -> None:
        self._responses = responses
        self._shapes = shapes
        self._core = core
        self._records = memoryview(ffi.buffer(view.records, view.record_words * 8)).cast("q")
        self._text = memoryview(ffi.buffer(view.text, view.text_size))
        self.wait = FOREVER
        """Milliseconds for the next poll; FOREVER: nobody wants to be asked before it, and run() polls."""
        self._content_at = 0
        """Where the content of the next request begins."""
        self.count = 0
        """How many records the batch has ..."""
        self.left = 0
        """... and how many of them are still to come."""
        self._numbers: Iterator[tuple[int, int, int]] = iter(())
        self._fields: Iterator[str] = iter(())
        self._failed: Failed | None = None

    def take(self, count: int) -> None:
        """Begins the batch that fw_poll() has just returned the number of records of."""
        numbers = iter(self._records[1 : 1 + 3 * count].tolist())
        self._numbers = zip(numbers, numbers, numbers)
        self._fields = iter(str(self._text[: self._records[0]], "latin-1").split("\n"))
        self.count = self.left = count
        self._content_at = 0
        self._records[0] = TAKEN

    def run(self, application: Callable[..., Any], handler: Any, ready: Any) -> int:
        """Serves what is left of the batch, and then batch after batch until something else is to be done:
        ready (with a length) is not empty, or wait is not FOREVER. 0, or what fw_poll() returned below it.

        Raises what the application raises, or what comes between requests; take_failed() tells which. The
        next call goes on behind it.
        """
        while True:
            self._serve(application, handler)
            if ready or self.wait != FOREVER:
                return 0
            count: int = lib.fw_poll(self._core, FOREVER)
            if count < 0:
                return count
            self.take(count)

    def _serve(self, application: Callable[..., Any], handler: Any) -> None:
        responses, shapes, fields = self._responses, self._shapes, self._fields
        self._failed = None
        while self.left:
            kind, connection, content = next(self._numbers)
            self.left -= 1
            content_at = self._content_at
            if content > 0:
                self._content_at = content_at + content
            if kind < -2:
                handler.event(kind, connection, fields)
                continue
            response = responses()
            response.connection = connection
            if kind < 0:
                environ = handler.uncached_environ(kind, fields)
            else:
                base, keys = shapes[kind]  # type: ignore[misc]  # FW_SHAPE came before
                environ = base.copy()
                environ.update(zip(keys, fields))
                environ["REQUEST_URI"] = environ["RAW_URI"]
            if content:
                handler.take_content(environ, response, content, content_at)
            result: Any = None
            try:
                result = application(environ, response.start_response)
                over = self._respond(response, result)
                if over is None:
                    handler.respond_otherwise(response, result, environ)
                elif over is not _OVER:
                    handler.after_respond(response, result, *over)
                    over = _OVER  # else a large content would stay in memory
                elif content:
                    handler.close(response, result)
            except BaseException:
                self._failed = response, result, environ
                raise

    def take_failed(self) -> Failed | None:
        """The request whose exception came out of run(); None: it came between two.

        Without its response when that is out, and it was close() that failed.
        """
        failed, self._failed = self._failed, None
        return failed

    def _respond(self, response: PureResponse, result: Any) -> tuple[bytes, int] | None:
        """fw_respond() for a list with one bytes object; None: result or head are something else.

        _OVER: all is done. Otherwise the bytes object, because the list may hold another one by now, and
        what fw_respond() returned. A head that cannot be joined raises nothing here, but returns None: the
        caller then joins it by Response.head(), which says what is wrong.
        """
        if type(result) is not list or len(result) != 1 or response.status is None or response.begun:
            return None
        body = result[0]
        if type(body) is not bytes:
            return None
        fields = [response.status]
        try:
            fields += chain.from_iterable(response.headers)
            head = "\n".join(fields).encode("latin-1")
        except (TypeError, UnicodeEncodeError):
            return None
        if len(fields) != 2 * len(response.headers) + 1:
            return None
        rest: int = lib.fw_respond(
            self._core, response.connection, head, len(head), len(fields), body, len(body)
        )
        if rest:
            return body, rest
        response.connection = NOBODY
        return _OVER

    def send_pieces(
        self, response: PureResponse, pieces: Iterator[bytes], most: int, seconds: float
    ) -> tuple[Any, int | None] | None:
        """Sends what an iterator gives, one fw_send() for each piece; the head is with the core already.

        None: at least ``most`` bytes were sent or the time is over. (piece, what fw_send() returned) when it
        was not 0; (piece, None) for one that was not sent: no bytes, empty, or behind what write() was given.
        Raises StopIteration at the end, and what the application raises.
        """
        send, core, connection = lib.fw_send, self._core, response.connection
        ends = time.monotonic() + seconds
        sent = 0
        while True:
            piece = next(pieces)
            if type(piece) is not bytes or not piece or response.full or response.unsent is not None:
                return piece, None
            rest = send(core, connection, piece, len(piece))
            if rest:
                return piece, rest
            sent += len(piece)
            if sent >= most or time.monotonic() >= ends:
                return None

    def original_request(self, response: PureResponse) -> tuple[str, int] | int:
        """The request's head as it was received, and the client's descriptor; or a negative code."""
        head = ffi.new("const char **")
        size: int = lib.fw_request_head(self._core, response.connection, head)
        descriptor: int = size if size < 0 else lib.fw_connection_fd(self._core, response.connection)
        if descriptor < 0:
            return descriptor
        return bytes(ffi.buffer(head[0], size)).decode("latin-1"), descriptor

    def release(self) -> None:
        """Before the core is freed: a program may keep a response, and with it this, for longer."""
        self._core = ffi.NULL
        self.count = self.left = 0
        self._records.release()
        self._text.release()


_uncleared = ffi.new_allocator(should_clear_after_alloc=False)

if TYPE_CHECKING or accelerator is None:  # noqa: SIM108  # a type checker must see one name
    ResponseBase = PureResponse
else:
    ResponseBase = accelerator.ResponseBase


_CALLED = (
    *("poll", "respond", "begin", "send", "end", "request_head", "connection_fd"),
    *("begin_sized", "send_file", "respond_file"),
)
"""What the accelerator calls of the core, in the order in which Exchange takes it."""


def make_exchange(responses: type[PureResponse], shapes: list[Shape | None], view: Any, core: Any) -> Any:
    """The exchange of a core, the fast one if it can be; responses: a subclass of ResponseBase."""
    if accelerator is None:
        return PureExchange(responses, shapes, view, core)
    places = [view.text, core, *[ffi.addressof(lib, f"fw_{name}") for name in _CALLED]]
    records, *addresses = [int(ffi.cast("uintptr_t", each)) for each in (view.records, *places)]
    return accelerator.Exchange(responses, FileWrapper, shapes, records, view.record_words - 1, *addresses)


def make_content_reader(core: Any) -> Callable[[int, int], bytes | None]:
    """A function of a connection and its Content-Length: the content, or None when the client has left."""
    if accelerator is None:

        def read(connection: int, size: int) -> bytes | None:
            room = _uncleared("char[]", size)
            got: int = lib.fw_read_content(core, connection, room, size)
            return bytes(ffi.buffer(room)) if got == size else None

        return read
    places = (ffi.addressof(lib, "fw_read_content"), core)
    function, address = (int(ffi.cast("uintptr_t", each)) for each in places)
    fast = accelerator.read_content
    return lambda connection, size: fast(function, address, connection, size)
