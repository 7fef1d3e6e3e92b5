"""The loop of a worker: takes batches from the C core and has the exchange serve them.

Server.run() is the hot path, and with exchange.py the only place in the package that is written for speed:
names are bound to locals. What is uncommon about a request is in handler.py.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from fapws._core import ffi, lib
from fapws.lean import TYPE_CHECKING, Any, Callable, Iterable, Iterator
from fapws.wsgi import errors, forks
from fapws.wsgi.environ import Environ, Shape, make_shape, with_room
from fapws.wsgi.exchange import FOREVER, NOBODY, make_exchange
from fapws.wsgi.file_wrapper import FileWrapper
from fapws.wsgi.handler import Handler
from fapws.wsgi.input import EMPTY
from fapws.wsgi.response import ClientGone, Fault, Response, core_text
from fapws.wsgi.stream import Streams

if TYPE_CHECKING:
    from fapws.wsgi.traceback_page import Page

Application = Callable[..., Iterable[bytes]]
Ticker = Callable[[float, bool], int]
"""Called between two turns of the loop with the time (of time.monotonic()) and whether the last turn was
idle; returns the ms after which it wants to be called at the latest, or FOREVER."""

_OVER = -2
_AGAIN = -3
"""The loop is to begin anew: it has the application bound to a local."""
_WRONG_STATE = -3
"""FW_ESTATE of csrc/error.h."""
_INTERRUPTION_SECONDS = 1.0
"""What comes between requests again and again is told no oftener."""
DRAIN_POLL_MS = 50
"""How often a draining worker looks whether the last connection is gone."""
_CLOSE_FAILED = "close() of the application's iterable failed"
_SERVER_ERROR = b"500 Internal Server Error\nContent-Type\ntext/plain; charset=utf-8"


_TEXTS = ("server", "spool_directory", "ready_path")
"""Settings that are zero-terminated bytes."""

Settings = dict[str, Any]
"""The members of ``fw_settings`` (csrc/fapws.h) by name, all of them: bytes, milliseconds, counts."""


class CoreLost(OSError):
    """The core can serve no more: the process has to end, so that another one takes over."""


def base_environ(script_name: str, software: str, multiprocess: bool) -> Environ:
    """What is the same in every environ of a worker."""
    return {
        "SCRIPT_NAME": script_name,
        "SERVER_SOFTWARE": software,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": EMPTY,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }


class Server:
    """One C core and the application behind it. Only the thread that made it may use it."""

    def __init__(self, application: Application, settings: Settings, score: Any = None) -> None:
        """score: a writable buffer for the worker's row of the scoreboard. Raises OSError."""
        self._plain = self._application = application
        self._debug = 0
        self.thread = get_ident()
        """The only one that may use it."""
        self._pid = os.getpid()
        self.forked = False
        self.named = False
        self.errors = errors.ErrorLog()
        self._interrupted_at = 0.0
        self._interruption: BaseException | None = None
        self._interruptions = 0
        self._renewed = False
        self._unanswered = False
        """Requests of the batch in hand may have been left without a response."""
        self.explain: Callable[[BaseException, Environ, int], Any] | None = None
        """What a client on this machine is shown of a failure: a fapws.wsgi.traceback_page.Page or None."""
        self.spool_directory = os.fsdecode(settings["spool_directory"])
        texts = {name: ffi.new("char[]", settings[name]) for name in _TEXTS}
        given = {**settings, **texts}
        self._row = ffi.from_buffer("fw_score *", score) if score is not None else ffi.NULL
        self.core = lib.fw_worker_new(ffi.new("fw_settings *", given), self._row)
        if self.core == ffi.NULL:
            raise OSError(f"the C core cannot be set up: {os.strerror(ffi.errno)}")
        view = self._view = ffi.new("fw_batch_view *")
        lib.fw_view_batch(self.core, view)
        self._content = memoryview(ffi.buffer(view.content, view.content_size))
        self.bases: list[Environ] = []
        self._shapes: list[Shape | None] = [None] * lib.FW_SHAPES
        self._watches: dict[int, Callable[[], None]] = {}
        self.streams = Streams()
        self._draining = False
        self._abandoned = False
        self._tickers: tuple[Ticker, ...] = ()
        responses = type("Response", (Response,), {"server": self, "__slots__": ()})
        self._exchange = make_exchange(responses, self._shapes, view, self.core)
        self.handler = Handler(self, self._content)
        self.send_pieces = self._exchange.send_pieces
        self.original_request = self._exchange.original_request
        """See PureExchange.original_request()."""
        forks.watch(self)
        self.set_debug(settings["debug"])

    # ---- Set-up ----------------------------------------------------------------------------------

    def listen(self, descriptor: int, base: Environ) -> None:
        """Serves a listening socket; base: the environ its requests start from. Raises OSError."""
        number = lib.fw_listen(self.core, descriptor)
        if number < 0:
            raise OSError(f"cannot listen on descriptor {descriptor}: {core_text(lib.fw_error_text(number))}")
        self.bases.append(base)

    def leave_to_others(self, rows: Any, group: int) -> None:
        """Leaves new connections to workers of the group that have fewer. rows: of the scoreboard."""
        self._peers = ffi.from_buffer("fw_score[]", rows)
        lib.fw_share(self.core, self._peers, len(self._peers), group)

    def expect_proxy(self, listener: int) -> None:
        """Connections of this listener (its number, from 0) begin with a PROXY header."""
        if lib.fw_expect_proxy(self.core, listener) < 0:
            raise OSError(f"listener {listener} does not exist")

    def trust(self, family: int, address: bytes, prefix: int) -> None:
        """Allows a network what fw_trust() says. Raises OSError when there are too many."""
        code = lib.fw_trust(self.core, family, address, prefix)
        if code < 0:
            raise OSError(f"cannot trust another network: {core_text(lib.fw_error_text(code))}")

    def log_access(self, descriptor: int, program: bytes) -> None:
        """Writes a line for each response; program: of fapws.settings.access_format. Raises OSError."""
        code = lib.fw_set_access_format(self.core, program, len(program))
        if code == 0:
            code = lib.fw_set_access_log(self.core, descriptor)
        if code < 0:
            raise OSError(f"cannot write the access log: {core_text(lib.fw_error_text(code))}")

    def renew_access_log(self, descriptor: int) -> None:
        """Goes on with a log that was opened anew; the descriptor is the core's from now on."""
        if lib.fw_set_access_log(self.core, descriptor) < 0:
            os.close(descriptor)

    def name_requests(self) -> None:
        """From now on each request has a name, see fw_name_requests()."""
        if lib.fw_name_requests(self.core) < 0:
            raise MemoryError
        self.named = True

    def keep_heads(self) -> None:
        """From now on Response.raw_head() knows the head of each request, for the price of a copy."""
        lib.fw_keep_heads(self.core)

    def flush_access_log(self) -> None:
        """At the end of the worker: the last lines of the access log."""
        lost = lib.fw_flush_access_log(self.core)
        if lost > 0:
            self.log(f"{lost} lines of the access log were lost")

    def watch(self, descriptor: int, on_readable: Callable[[], None]) -> int:
        """Calls on_readable between batches while the descriptor is readable; returns a token."""
        token: int = lib.fw_watch(self.core, descriptor)
        if token < 0:
            raise OSError(f"cannot watch descriptor {descriptor}: {core_text(lib.fw_error_text(token))}")
        self._watches[token] = on_readable
        return token

    def unwatch(self, token: int) -> None:
        """Ends a watch; the descriptor may be closed afterwards."""
        if self._watches.pop(token, None) is not None:
            lib.fw_unwatch(self.core, token)

    def drain(self, accept_rest: bool, linger: float = 2.0) -> None:
        """Lets run() return after the last response; see fw_drain(). linger: seconds for idle clients."""
        if not self._draining:
            self._draining = True
            self._exchange.wait = 0
            lib.fw_drain(self.core, accept_rest, int(linger * 1000))

    def count(self, tally: Any) -> None:
        """Before the first connection: counts for metrics too, in a writable buffer."""
        self._tally = ffi.from_buffer("fw_tally *", tally)
        lib.fw_count(self.core, self._tally)

    def remember(self, last: Any) -> None:
        """Before the first connection: keeps its last requests in a writable buffer."""
        self._last = ffi.from_buffer("fw_last *", last)
        lib.fw_remember(self.core, self._last)

    def set_ready(self, ready: bool) -> None:
        """Whether clients are to be sent here; see fw_set_ready()."""
        lib.fw_set_ready(self.core, ready)

    def add_ticker(self, ticker: Ticker) -> None:
        """From the next turn of the loop on; at any time, also from inside a request."""
        self._tickers += (ticker,)
        self._exchange.wait = 0

    def abandon(self) -> None:
        """Ends a drain at once: what has no response by now is cut off by free()."""
        self._abandoned = True

    def free(self) -> None:
        """For a process that lives on after run(): closes what is open. Nothing works afterwards."""
        for connection in list(self.streams.by_connection):
            stream = self.streams.forget(connection)
            if stream is not None:
                self.close(stream.response, stream.result)
        self._exchange.release()
        self._content.release()
        core, self.core = self.core, ffi.NULL  # a call that comes later is refused by the core
        lib.fw_worker_free(core)

    def set_debug(self, level: int) -> None:
        """What the log tells: 1 refusals, 2 requests and responses too, 3 their fields and contents too."""
        lib.fw_set_debug(self.core, level)
        if max(level, 1) == max(self._debug, 1):
            return
        self._debug = level
        self._application = self._plain
        if level > 1:
            from fapws.wsgi.debugging import Debugging

            self._application = Debugging(self._plain, self.log, level)
        self._exchange.wait, self._renewed = 0, True

    def show_failed_reload(self, reason: str) -> None:
        """From now on clients on this machine are shown this instead of the application of before."""
        from fapws.wsgi.traceback_page import FailedReload

        self._application = FailedReload(self._plain, self, reason)
        self._exchange.wait, self._renewed = 0, True

    def close(self, response: Response, result: Any) -> None:
        """After the last piece: close() of the application's iterable, exactly once. Never raises."""
        try:
            response.connection = NOBODY
            if response.unsent is not None:
                response.unsent.close()
            if response.spooled is not None:
                response.spooled.close()
        except BaseException as error:  # the application has replaced what the response holds
            self.log_exception("what was kept for a request cannot be closed", error)
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as error:  # the response is out; only the log can tell
            self.log_exception(_CLOSE_FAILED, error)

    # ---- The loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Serves until drained. Raises CoreLost."""
        while True:
            try:
                self._serve_on()
                break
            except CoreLost:
                raise
            except BaseException as error:  # another signal, on the inner loop's way to its next turn
                self._interruption = error

    def _serve_on(self) -> None:
        """run(), but for what is raised between two turns. Nothing is called where nothing would catch."""
        while True:
            try:
                error, self._interruption = self._interruption, None
                if error is not None:
                    self._interrupted(error)
                    error = None
                if self._serve():
                    break
            except CoreLost:
                raise
            except BaseException as raised:  # by a handler of the application's signals, as a rule
                self._interruption = raised

    def _serve(self) -> bool:
        """run(), until something is raised between two requests; goes on with what is left of a batch.

        False: it is to be called again.
        """
        exchange, handler, application = self._exchange, self.handler, self._application
        run, streams = exchange.run, self.streams
        ready = streams.ready
        count = 0
        self._resume()
        while True:
            try:
                code = run(application, handler, ready)
            except BaseException as error:
                failed = exchange.take_failed()
                if failed is None:
                    raise
                self._failed(error, *failed)
                failed = None  # what the application holds with it goes now
                continue
            if code < 0:
                raise CoreLost(core_text(lib.fw_error_text(code)))
            if ready:
                streams.advance(self)
            wait = exchange.wait
            if wait != FOREVER:
                wait = self._between(count == 0 and not ready)
                if wait <= _OVER:
                    return wait == _OVER
            count = lib.fw_poll(self.core, 0 if ready else wait)
            if count < 0:
                raise CoreLost(core_text(lib.fw_error_text(count)))
            exchange.take(count)

    def _resume(self) -> None:
        """A batch may be left when something was raised; all of it if that came before take()."""
        if self._view.records[0] >= 0:
            self._exchange.take(lib.fw_batch_count(self.core))

    def _between(self, idle: bool) -> int:
        """Between two turns: calls the tickers; ms that the next poll may wait, _OVER or _AGAIN."""
        if self._unanswered:
            self._respond_to_forgotten()
        if self._renewed:
            self._renewed = False
            self._wait_until_asked()
            return _AGAIN
        if self._draining and (self._abandoned or lib.fw_open_connections(self.core) == 0):
            return _OVER
        waits = [DRAIN_POLL_MS] if self._draining else []
        now = time.monotonic()
        for ticker in self._tickers:
            wanted = ticker(now, idle)
            if wanted >= 0:
                waits.append(wanted)
        return min(waits, default=FOREVER)

    def _wait_until_asked(self) -> None:
        """_between() has done what it was asked for once."""
        if not self._draining and not self._tickers:
            self._exchange.wait = FOREVER

    # ---- When it goes wrong between requests -----------------------------------------------------

    def _interrupted(self, error: BaseException) -> None:
        """Something was raised outside a request. Whatever it cut short is made good before the next turn."""
        if os.getpid() != self._pid:
            forks.leave(self.errors, error)
        self._forget_nobody()
        self._interruptions += 1
        now = time.monotonic()
        if now - self._interrupted_at >= _INTERRUPTION_SECONDS:
            more = (
                f" ({self._interruptions} times since the last such line)" if self._interruptions > 1 else ""
            )
            self.log_exception(f"an exception came between two requests; serving goes on{more}", error)
            self._interrupted_at, self._interruptions = now, 0

    def _forget_nobody(self) -> None:
        """Before the next turn, requests of this batch that have no response get one."""
        self._unanswered = True
        self._exchange.wait = 0

    def _respond_to_forgotten(self) -> None:
        """500 for each request of the batch without a response under way; the core knows which these are."""
        self._unanswered = False
        self._wait_until_asked()
        records = self._view.records
        for at in range(1, 3 * self._exchange.count, 3):
            if records[at] >= lib.FW_REQUEST_RAW and records[at + 1] not in self.streams.by_connection:
                code = self._respond_error(records[at + 1])
                if code < 0 and code != _WRONG_STATE:  # it has its response
                    lib.fw_abort(self.core, records[at + 1])

    def let_go(self) -> None:
        """In a child that was forked: closes its copies of the sockets, and serves no client any more."""
        self.forked = True
        lib.fw_let_go(self.core)
        self.streams.ready.clear()
        self._exchange.release()

    # ---- Events ----------------------------------------------------------------------------------

    def event(self, kind: int, connection: int, fields: Iterator[str]) -> None:
        """What a record says that is no request."""
        if kind == lib.FW_SHAPE:
            self._shapes[connection] = with_room(make_shape(next(fields), self.bases))
        elif kind == lib.FW_WRITABLE:
            self.streams.writable(connection)
        elif kind == lib.FW_GONE:
            stream = self.streams.forget(connection)
            if stream is not None:
                self._tell_gone(stream.request)
                self.close(stream.response, stream.result)
        elif kind == lib.FW_WAKE:
            on_readable = self._watches.get(connection)
            if on_readable is not None:
                on_readable()
        elif kind == lib.FW_DEBUG:
            token, address, port, text = (next(fields) for _ in range(4))
            self.log(f"debug: {token} from {address or 'unix'}:{port}: {text}")
        elif kind == lib.FW_LOG_LOST:
            self.log(f"{connection} lines of the access log were lost; it is written again")
        elif kind == lib.FW_FAULT:
            before, after = next(fields), next(fields)
            self.log(f"a mistake in the C core: a connection went from {before} to {after} and was closed")
        elif kind == lib.FW_STARVED:
            if connection:
                self.log(f"accepting fails again and again ({os.strerror(connection)}): it pauses after each")
            else:
                self.log("no file descriptor is left: accepting pauses until one is free")
        elif kind == lib.FW_SPOOL_FULL:
            self.log("content is refused with 503: max_spool is reached, or no file descriptor can be spared")

    # ---- Failures --------------------------------------------------------------------------------

    def _failed(self, error: BaseException, response: Response | None, result: Any, environ: Environ) -> None:
        """What came out of the exchange while it was with a request, whose response is out if None."""
        if response is None:
            self.log_exception(_CLOSE_FAILED, error)
            return
        page = None
        if self.explain is not None and not response.begun:
            page = self.explain(error, environ, lib.fw_connection_fd(self.core, response.connection))
        self.fail(response, error, result, self.handler.request_of(environ), page)

    def fail(
        self,
        response: Response,
        error: BaseException,
        result: Any,
        request: errors.Request,
        page: Page | None = None,
    ) -> None:
        """A response failed: told in the log; to the client as 500, or by cutting the connection.

        request: which one it is, for the log. page: what the client is shown. Never raises.
        """
        if os.getpid() != self._pid:
            forks.leave(self.errors, None if self._is_refusal(error) else error)
        try:
            if issubclass(type(error), ClientGone) and not self._waits(response):
                self._tell_gone(request)
            else:
                self.log_exception(f"the application failed{errors.where(request)}", error)
                if page is not None and self.handler.respond_with_page(response, result, page):
                    return
                self._end_failed(response)
        except BaseException as second:  # the application has changed the response's attributes
            self.log_exception("a response has become useless", second)
            self._forget_nobody()
        self.close(response, result)

    def _waits(self, response: Response) -> bool:
        """Its client is there: what has raised ClientGone was kept, or came from another thread's call."""
        descriptor: int = lib.fw_connection_fd(self.core, response.connection)
        return descriptor >= 0

    def _tell_gone(self, request: errors.Request) -> None:
        if self._debug > 1:
            self.log(f"debug: the client has left during the response{errors.where(request)}")

    def _is_refusal(self, error: BaseException) -> bool:
        """In a child: whether the server refused a call, after the application had returned."""
        return self.forked and type(error) is Fault

    def _end_failed(self, response: Response) -> None:
        begun, response.begun = response.begun, True
        if begun or self._respond_error(response.connection) < 0:
            lib.fw_abort(self.core, response.connection)

    def _respond_error(self, connection: int) -> int:
        """500, if this connection's request has no response yet. A negative code if it has one."""
        body = b"Internal Server Error\n"
        head, count = _SERVER_ERROR, 3
        if self.named:
            name = core_text(lib.fw_request_name(self.core, connection))
            head, count = head + b"\nX-Request-ID\n" + name.encode("ascii"), 5
        rest: int = lib.fw_respond(self.core, connection, head, len(head), count, body, len(body))
        return rest

    def log(self, sentence: str) -> None:
        """One line to the error log; see ErrorLog.write()."""
        self.errors.write(sentence)

    def log_exception(self, sentence: str, error: BaseException) -> None:
        """A sentence and a traceback; see ErrorLog.write_exception()."""
        self.errors.write_exception(sentence, error)
