"""The pool's ``warmup``: requests that a worker makes of its application between its import and READY.

They go the way of a client's through all that stands around the application, but for the core: nothing is
sent anywhere. Imported only by a worker whose pool has the option.
"""

from __future__ import annotations

import os
import sys

from fapws import percent
from fapws.descriptors import adopt
from fapws.lean import Any, Callable
from fapws.settings.model import Pool
from fapws.settings.warmups import Warmup, split
from fapws.worker.assemble import is_unix, surround
from fapws.worker.loader import LoadError
from fapws.wsgi import errors
from fapws.wsgi.environ import Environ, listener_base
from fapws.wsgi.exchange import Headers
from fapws.wsgi.response import Fault, Response, check_header, check_piece

_FIRST_DOUBTFUL, _FIRST_BAD = 300, 500
"""Status codes: below the first a page was made, below the second it was not, and something was said in its
place."""
_PLACE_MAX = 200
"""Characters of a Location field that are told."""
_PORT = "50000"
"""Any that a client could have."""


def warm_up(
    application: Callable[..., Any],
    pool: Pool,
    listeners: tuple[int, ...],
    common: Environ,
) -> str:
    """Makes all of the pool's requests, in their order. Raises LoadError with the reason.

    Returns lines on those that tried nothing, because the application turned them away.

    listeners: descriptors, of whose sockets nothing but the address is looked at. common: what every environ
    begins with.
    """
    sockets = [adopt(descriptor) for descriptor in listeners]
    try:
        served = surround(application, pool, sockets)
        base = listener_base(sockets[0], common)
        address = "" if is_unix(sockets[0]) else "127.0.0.1"
    finally:
        for listener in sockets:
            listener.detach()
    doubts = []
    for text in pool.warmup:
        request = split(text)
        doubts.append(_make(text, request.status, served, _environ(request, base, address)))
    return "\n".join(filter(None, doubts))


def _environ(request: Warmup, base: Environ, address: str) -> Environ:
    """As the server makes it of such a request, and a proxy that is trusted, for https."""
    path, _, query = request.target.partition("?")
    return {
        **base,
        "REQUEST_METHOD": request.method,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": percent.decode(path),
        "QUERY_STRING": query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "REMOTE_ADDR": address,
        "REMOTE_PORT": address and _PORT,
        "HTTP_HOST": request.host,
        "HTTP_USER_AGENT": "fapws-warmup",
        "wsgi.url_scheme": request.scheme,
        **({"SERVER_PORT": "443"} if request.scheme == "https" else {}),
    }


def _make(text: str, expected: str, application: Callable[..., Any], environ: Environ) -> str:
    """One request; what is doubtful about its response. expected: see Warmup.status. Raises LoadError."""
    heard = _Reported()
    response = _Unsent()
    response.environ, response.cause = environ, None
    try:
        _consume(application, environ, response)
        status = response.status or ""
        bad = not status[:3].isdecimal() or int(status[:3]) >= _FIRST_BAD
    except Fault as error:
        raise LoadError(f"warmup: {text}: {error}\n") from None
    except BaseException as error:  # the application's, whatever it is; its traceback is the report
        what = f"warmup: {text}: the application failed\n"
        raise LoadError(what + errors.traceback_of(error) + "\n") from None
    finally:
        heard.end()
    if bad:
        raise LoadError(f"warmup: {text}: the response was {status}\n{_told(response.cause or heard.error)}")
    if status[:3] == expected or (int(status[:3]) < _FIRST_DOUBTFUL and not expected):
        return ""
    advice = _advice(status, response)
    if not expected:
        return f"warmup: {text}: the response was {status}, so little was tried; {advice}"
    what = f"warmup: {text}: the response was {status}, not {expected}; {advice}"
    also = "" if status.startswith("400") else f", or {status[:3]} in place of {expected}"
    raise LoadError(f"{what}{also}\n{_told(response.cause or heard.error)}")


def _advice(status: str, response: Response) -> str:
    """What to write in its place."""
    if status.startswith("400"):
        return "name a host that the application takes (Django: one of ALLOWED_HOSTS)"
    places = [value for name, value in response.headers if name.lower() == "location"]
    if status.startswith("3") and places:
        return f"name the place that it leads to, {places[0][:_PLACE_MAX]}"
    return "name a page that is there for everybody"


def _told(error: BaseException | None) -> str:
    return "" if error is None else errors.traceback_of(error) + "\n"


def _consume(application: Callable[..., Any], environ: Environ, response: _Unsent) -> None:
    """Calls the application and takes its content to the end, as the server does."""
    result = application(environ, response.start_response)
    try:
        if isinstance(result, (str, bytes)):
            raise Fault(f"the application must return an iterable of bytes, not {type(result).__name__}")
        for piece in result:
            if check_piece(piece) and not response.begun:
                response.begin()
        if not response.begun:
            response.begin()
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


class _Unsent(Response):
    """A response that goes nowhere, with all that an application may ask of one."""

    __slots__ = ("cause", "environ")
    environ: Environ
    cause: BaseException | None
    """What the application has told start_response as the reason of its response."""

    def _restart(self, exc_info: Any) -> None:
        super()._restart(exc_info)
        self.cause = exc_info[1]

    def begin(self, size: int | None = None) -> None:
        """The head, as far as it can be checked without the core. Raises Fault."""
        self.head()
        self.begun = True

    def write(self, data: bytes) -> None:
        """See Response.write()."""
        if self.status is None:
            raise Fault("write() was called before start_response")
        if check_piece(data) and not self.begun:
            self.begin()

    def early_hints(self, headers: Headers) -> None:
        """Looks at them."""
        for header in headers:
            check_header(header)

    def request_name(self) -> str:
        """As the core makes it."""
        return os.urandom(16).hex()

    def name_client(self, address: str) -> None:
        """There is no access log for it."""

    def socket_fd(self) -> int:
        """There is none."""
        return -1

    def original_request(self) -> tuple[str, int]:
        """What a client would have sent."""
        get = self.environ.get
        line = f"{get('REQUEST_METHOD')} {get('RAW_URI')} HTTP/1.1"
        return f"{line}\r\nHost: {get('HTTP_HOST')}\r\nUser-Agent: fapws-warmup\r\n\r\n", -1


class _Reported:
    """The last exception that the application gives to ``logging``, until end().

    A framework makes a response of 500 of it, and who asked for a reload wants to see its traceback. No
    handler is added: frameworks set up their logging when they find none.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._logging: Any = sys.modules.get("logging")
        if self._logging is not None:
            self._before = self._logging.getLogRecordFactory()
            self._ours = self._record
            self._logging.setLogRecordFactory(self._ours)

    def _record(self, *given: Any, **named: Any) -> Any:
        record = self._before(*given, **named)
        told = getattr(record, "exc_info", None)
        if isinstance(told, tuple) and len(told) == 3 and isinstance(told[1], BaseException):
            self.error = told[1]
        return record

    def end(self) -> None:
        """Leaves a factory that the application has set meanwhile."""
        if self._logging is not None and self._logging.getLogRecordFactory() is self._ours:
            self._logging.setLogRecordFactory(self._before)
