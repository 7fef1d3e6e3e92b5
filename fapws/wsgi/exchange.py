"""The way from the core's batch to environ dicts, and from a finished response back to the core.

There are two of them with the same contract: this one in Python, and fapws._accelerator (csrc/python/), an
extension for CPython that takes more than half off the instructions of a request. It is used where it was
built, unless FAPWS_PURE is set in the environment to anything but 0.
"""

from __future__ import annotations

import os
import time
from itertools import chain

from fapws._core import ffi, lib
from fapws.lean import TYPE_CHECKING, Any, Callable, Iterator
from fapws.wsgi.environ import Shape

Headers = list[tuple[str, str]]
NOBODY = -1
"""The connection of a response that is over: a write() kept by the application must not reach the next."""


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
    """One for each core. take() yields four things for each record of the batch (fw_poll() of csrc/fapws.h):

    - KIND, a response of the given type for its connection, CONTENT, the environ: a request of a known shape;
    - KIND, a response, CONTENT, an iterator over the record's fields: a request without one;
    - KIND, CONNECTION, CONTENT, an iterator over the record's fields: an event.

    A record's fields have to be taken before the next record. shapes may be filled while take() runs.
    """

    def __init__(
        self, responses: type[PureResponse], shapes: list[Shape | None], view: Any, core: Any
    ) -> None:
        self._responses = responses
        self._shapes = shapes
        self._core = core
        self._records = memoryview(ffi.buffer(view.records, view.record_words * 8)).cast("q")
        self._text = memoryview(ffi.buffer(view.text, view.text_size))
        self.count = 0
        """How many records the batch has ..."""
        self.left = 0
        """... and how many of them are still to come."""
        self._numbers: Iterator[tuple[int, int, int]] = iter(())
        self._fields: Iterator[str] = iter(())

    def take(self, count: int) -> Iterator[tuple[int, Any, int, Any]]:
        """The records of the batch that fw_poll() has just returned the number of."""
        numbers = iter(self._records[1 : 1 + 3 * count].tolist())
        self._numbers = zip(numbers, numbers, numbers)
        self._fields = iter(str(self._text[: self._records[0]], "latin-1").split("\n"))
        self.count = self.left = count
        self._records[0] = TAKEN
        return iter(self)

    def __iter__(self) -> Iterator[tuple[int, Any, int, Any]]:
        """The rest of the batch, for a loop that was interrupted in take()."""
        responses, shapes, fields = self._responses, self._shapes, self._fields
        while self.left:
            kind, connection, content = next(self._numbers)
            self.left -= 1
            if kind < -2:
                yield kind, connection, content, fields
                continue
            response = responses()
            response.connection = connection
            if kind < 0:
                yield kind, response, content, fields
                continue
            base, keys = shapes[kind]  # type: ignore[misc]  # FW_SHAPE came before
            environ = base.copy()
            environ.update(zip(keys, fields))
            environ["REQUEST_URI"] = environ["RAW_URI"]
            yield kind, response, content, environ

    def respond(self, response: PureResponse, result: Any) -> tuple[bytes, int] | int | None:
        """fw_respond() for a list with one bytes object; None: result or head are something else.

        0: the response is over. Otherwise the bytes object, because the list may hold another one by now, and
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
        return 0

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


def _load_accelerator() -> Any:
    """The module, or None."""
    if os.environ.get("FAPWS_PURE", "0") not in ("", "0"):
        return None
    try:
        import fapws._accelerator as module
    except ImportError:
        return None
    return module


accelerator = _load_accelerator()

if TYPE_CHECKING or accelerator is None:  # noqa: SIM108  # a type checker must see one name
    ResponseBase = PureResponse
else:
    ResponseBase = accelerator.ResponseBase


def make_exchange(responses: type[PureResponse], shapes: list[Shape | None], view: Any, core: Any) -> Any:
    """The exchange of a core, the fast one if it can be; responses: a subclass of ResponseBase."""
    if accelerator is None:
        return PureExchange(responses, shapes, view, core)
    names = ("fw_respond", "fw_send", "fw_request_head", "fw_connection_fd")
    places = [view.text, core, *[ffi.addressof(lib, name) for name in names]]
    records, *addresses = [int(ffi.cast("uintptr_t", each)) for each in (view.records, *places)]
    return accelerator.Exchange(responses, shapes, records, view.record_words - 1, *addresses)
