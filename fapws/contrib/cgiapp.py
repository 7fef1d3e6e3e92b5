"""A CGI/1.1 script (RFC 3875) as a WSGI application.

    from fapws.contrib.cgiapp import CGIApplication

    PATHS = [("/cgi-bin/search", CGIApplication("/srv/cgi-bin/search", timeout=20))]

What the script writes goes to the client as it comes. While it writes nothing, the response yields
empty pieces (PEP 3333, "Middleware Handling of Block Boundaries"), so that a server with one thread
serves others meanwhile. WSGI has no way to wait for a descriptor: each turn looks at the script's
pipes for WAIT_SECONDS at most. Other requests come later by at most that, and a silent script costs
a worker some hundred looks a second. Under other servers than Fapws a worker waits until the script has
written its head.

That a client has left shows when something is sent to it: then the script is killed. One that is silent
runs until its time is over.

Not supported: scripts with non-parsed headers (NPH), and queries as command line arguments (section
4.4), which have made interpreters take options from strangers.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from fapws.contrib.cgi_head import (
    BadOutput,
    BadRequest,
    Head,
    LocalRedirect,
    parse_head,
    split_head,
    variables,
)

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], Any]]

TIMEOUT_SECONDS = 60.0
"""Time for one run of a script; time in which it waits for a slow client does not count."""
MAX_RUNNING = 32
"""Scripts of one CGIApplication at a time in one worker; other requests are refused with 503."""
WAIT_SECONDS = 0.002
"""How long one turn waits for the script. More would hold up other clients, less costs more turns."""
AFTER_OUTPUT_SECONDS = 2.0
"""A script that has closed its output is killed after this time."""
REAP_SECONDS = 1.0
"""For a killed process to go. One that hangs in the kernel is left to subprocess, which asks again
before it starts the next one."""
BLOCK_SIZE = 65536
"""Bytes read from a script or a request at once."""
MAX_ERROR_LINE = 8192
"""Bytes of a line of the script's standard error; a longer one comes in pieces."""
MAX_ERRORS = 262144
"""Bytes of standard error that one run may put into the log."""
MAX_LOCAL_REDIRECTS = 5
_PATIENT = "fapws/"
"""What SERVER_SOFTWARE begins with where empty pieces may come before the head; see _LateHead."""
_REDIRECTS_KEY = "fapws.cgi.redirects"


class CGIError(Exception):
    """A script failed after its head was out; raised so that the server cuts the response off."""


class _Failed(Exception):
    """A script failed before its head was out; args: status for the client, sentence for the log."""


class CGIApplication:
    """Runs one script for each request.

    script: an executable file; it may come later than the program. timeout: seconds, see TIMEOUT_SECONDS;
    then the script and all that it has started are killed. document_root: for PATH_TRANSLATED, which is not
    set without.
    environment: further variables for the script. authorization: whether it gets the request's
    Authorization field. local: the WSGI application that serves local redirects (section 6.2.2);
    without it the client is sent there.
    """

    def __init__(
        self,
        script: str | bytes | os.PathLike[str],
        timeout: float = TIMEOUT_SECONDS,
        *,
        document_root: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        authorization: bool = False,
        local: Callable[..., Iterable[bytes]] | None = None,
        max_running: int = MAX_RUNNING,
    ) -> None:
        """The path is resolved here, once. A script that cannot be run is told on standard error, and each
        request for it is answered with 404 or 403, until it can. Raises ValueError for the timeout."""
        if not timeout > 0:
            raise ValueError(f"a script cannot run in {timeout} seconds")
        self.script = os.path.realpath(os.fsdecode(script))
        missing = self._missing()
        if missing is not None:
            status, sentence = missing.args
            told = f"the script {self.script} {sentence}; requests for it are answered with {status}"
            _write(sys.stderr, told)
        self.timeout = timeout
        self.local = local
        self.max_running = max_running
        self.running = 0
        """Scripts at this moment."""
        self._authorization = authorization
        self._document_root = None if document_root is None else os.path.abspath(document_root)
        self._more = {os.fsencode(key): os.fsencode(value) for key, value in (environment or {}).items()}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """A generator: the script starts with its first piece."""
        head = _LateHead(start_response, environ.get("SERVER_SOFTWARE", "").startswith(_PATIENT))
        try:
            yield from self._answer(environ, head)
        except BadRequest as error:
            yield head.plain(str(error))
        except _Failed as error:
            status, sentence = error.args
            _log(environ, f"the script {self.script} {sentence}")
            yield head.plain(status)

    def _missing(self) -> _Failed | None:
        """Why the script cannot be run, as far as a look at it tells."""
        try:
            if not stat.S_ISREG(os.stat(self.script).st_mode):
                return _Failed("404 Not Found", "is not a regular file")
        except PermissionError:
            return _Failed("403 Forbidden", "cannot be looked at")
        except (OSError, ValueError):
            return _Failed("404 Not Found", "does not exist")
        if not os.access(self.script, os.X_OK):
            return _Failed("403 Forbidden", "is not executable")
        return None

    def _answer(self, environ: Environ, head: _LateHead) -> Iterator[bytes]:
        if self.running >= self.max_running:
            sentence = f"runs {self.running} times already; the request is refused"
            raise _Failed("503 Service Unavailable", sentence)
        with contextlib.ExitStack() as stack:
            self.running += 1
            stack.callback(self._ended)
            run = _Run(self, environ, self._start(environ))
            stack.callback(run.end)
            data = b""
            while (parts := run.checked(split_head, data)) is None:
                piece = run.read()
                if piece is None:
                    for _ in run.wait():
                        yield from head.wait()
                    raise _Failed("502 Bad Gateway", "ended without a whole head" + run.how())
                if not piece:
                    yield from head.wait()
                data += piece
            parsed = run.checked(parse_head, parts[0])
            if isinstance(parsed, Head):
                head.send(parsed.status, parsed.headers)
                yield from run.content(parts[1])
                return
            for _ in run.content(b""):
                yield from head.wait()
        yield from self._redirect(environ, parsed, head)

    def _ended(self) -> None:
        self.running -= 1

    def _start(self, environ: Environ) -> subprocess.Popen[bytes]:
        try:
            with contextlib.ExitStack() as stack:
                content, length = _content(environ, stack)
                given = variables(environ, length, self._document_root, self._authorization)
                given.update(self._more)
                return subprocess.Popen(
                    [self.script],
                    stdin=content,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    cwd=os.path.dirname(self.script),
                    env=given,
                    start_new_session=True,  # a group of its own, to be killed with all it has started
                )
        except (OSError, ValueError) as error:
            # Only now: a script that can be run needs no look at it.
            missing = self._missing()
            if missing is not None:
                raise missing from error
            raise _Failed("500 Internal Server Error", f"cannot be started: {error}") from error

    def _redirect(self, environ: Environ, to: LocalRedirect, head: _LateHead) -> Iterable[bytes]:
        """Section 6.2.2. The new request is a GET without content."""
        if self.local is None:
            location = _origin(environ) + to.path + ("?" + to.query if to.query else "")
            head.send("302 Found", [("Location", location), ("Content-Length", "0")])
            return []
        count = environ.get(_REDIRECTS_KEY, 0) + 1
        if count > MAX_LOCAL_REDIRECTS:
            raise _Failed("502 Bad Gateway", f"makes a chain of more than {MAX_LOCAL_REDIRECTS} redirects")
        return _closing(self.local(_redirected(environ, to, count), head.send))


def _redirected(environ: Environ, to: LocalRedirect, count: int) -> Environ:
    raw = to.path + ("?" + to.query if to.query else "")
    new = {key: value for key, value in environ.items() if not key.startswith("HTTP_IF_")}
    for key in ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_RANGE"):
        new.pop(key, None)
    new.update(
        {
            "REQUEST_METHOD": "GET" if environ["REQUEST_METHOD"] != "HEAD" else "HEAD",
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(to.path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": to.query,
            "wsgi.input": io.BytesIO(),
            _REDIRECTS_KEY: count,
        }
    )
    for key in ("REQUEST_URI", "RAW_URI", "fapws.uri"):
        if key in new:
            new[key] = raw
    return new


def _closing(result: Iterable[bytes]) -> Iterator[bytes]:
    try:
        # "yield from" would call its close() too, if this is ended before it is.
        for piece in result:  # noqa: UP028
            yield piece
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


def _origin(environ: Environ) -> str:
    """Scheme and authority of the request (PEP 3333, "URL Reconstruction")."""
    scheme: str = environ["wsgi.url_scheme"]
    host = environ.get("HTTP_HOST")
    if not host:
        host = environ["SERVER_NAME"]
        if environ["SERVER_PORT"] != {"http": "80", "https": "443"}.get(scheme):
            host += ":" + environ["SERVER_PORT"]
    return f"{scheme}://{host}"


class _LateHead:
    """start_response, for a response whose head is not known when its first piece is due.

    PEP 3333 wants start_response before the first piece, also an empty one. So a script that is
    not quick gets a provisional head, replaced later by the means PEP 3333 has for that: exc_info.
    patient: the server keeps the head until there is content. Others send it with an empty piece, against
    PEP 3333 (wsgiref, gunicorn); they wait for the script.
    """

    def __init__(self, start_response: StartResponse, patient: bool) -> None:
        self._start_response = start_response
        self._patient = patient
        self._provisional = False

    def wait(self) -> Iterator[bytes]:
        """An empty piece, if the server accepts one at this point."""
        if not self._patient:
            return
        if not self._provisional:
            self._provisional = True
            self._start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
        yield b""

    def send(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        """The true head."""
        if exc_info is not None or not self._provisional:
            return self._start_response(status, headers, *((exc_info,) if exc_info is not None else ()))
        try:
            raise CGIError("the provisional head is replaced")
        except CGIError:
            return self._start_response(status, headers, sys.exc_info())

    def plain(self, status: str) -> bytes:
        """A status of our own; returns its content."""
        content = (status.partition(" ")[2] + "\n").encode("ascii")
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(content)))]
        if status.startswith("503"):
            headers.append(("Retry-After", "5"))
        self.send(status, headers)
        return content


class _Run:
    """One process, from its start until it has been reaped."""

    def __init__(
        self, application: CGIApplication, environ: Environ, process: subprocess.Popen[bytes]
    ) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._environ = environ
        self._process = process
        self._script = application.script
        self._timeout = application.timeout
        self._deadline = time.monotonic() + application.timeout
        self._begun = False
        self._told = 0
        self._errors = b""
        self._output = process.stdout.fileno()
        self._error = process.stderr.fileno()
        self._poll = select.poll()  # not select(): descriptors may be above 1023
        self._open = {self._output, self._error}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)

    def checked(self, parse: Callable[[bytes], Any], data: bytes) -> Any:
        """A step of reading the head, its failure told for this script."""
        try:
            return parse(data)
        except BadOutput as error:
            raise _Failed("502 Bad Gateway", f"does not speak CGI: {error}") from error

    def read(self) -> bytes | None:
        """What the script has written; b"" after WAIT_SECONDS of silence, None at its end.

        Raises _Failed or CGIError when its time is over.
        """
        if self._output not in self._open:
            return None
        if time.monotonic() > self._deadline:
            self._fail(f"was killed: it has taken more than {self._timeout:g} seconds (timeout)")
        piece: bytes | None = b""
        for descriptor, _ in self._poll.poll(WAIT_SECONDS * 1000):
            data = self._take(descriptor)
            if descriptor == self._output:
                piece = data
            elif data is not None:
                self._tell(data)
        return piece

    def content(self, piece: bytes) -> Iterator[bytes]:
        """Everything after the head, piece by piece, and then the end of the process."""
        self._begun = True
        rest: bytes | None = piece
        while rest is not None:
            before = time.monotonic()
            yield rest
            if rest:
                self._deadline += time.monotonic() - before  # the client's time
            rest = self.read()
        yield from self.wait()
        status = self._process.returncode
        if status is None:
            self._log("was killed: it has closed its output and goes on")
        elif status < 0:
            self._fail("was cut off" + self.how())
        elif status > 0:
            self._log("ended" + self.how())

    def wait(self) -> Iterator[bytes]:
        """Empty pieces until the process has ended or AFTER_OUTPUT_SECONDS are over."""
        ends = min(self._deadline, time.monotonic() + AFTER_OUTPUT_SECONDS)
        while self._process.poll() is None and time.monotonic() < ends:
            yield b""
            if self._open:
                self._poll.poll(WAIT_SECONDS * 1000)
            else:
                time.sleep(WAIT_SECONDS)
            self._drain_errors()

    def how(self) -> str:
        """How the process ended, as the end of a sentence; nothing if it has not."""
        status = self._process.returncode
        if status is None:
            return ""
        return f" (status {status})" if status >= 0 else f" (signal {-status})"

    def end(self) -> None:
        """Reaps the process, killed before with all it has started unless it ended by itself.

        What a script that has ended has left running, its output redirected, goes on: a daemon, mail.
        """
        if self._process.returncode is None:  # not reaped, so that the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_SECONDS)
        self._drain_errors()
        if self._errors:
            self._tell(b"\n")
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _fail(self, sentence: str) -> None:
        if not self._begun:
            status = "504 Gateway Timeout" if "more than" in sentence else "502 Bad Gateway"
            raise _Failed(status, sentence)
        raise CGIError(f"the script {self._script} {sentence}")

    def _take(self, descriptor: int) -> bytes | None:
        try:
            data = os.read(descriptor, BLOCK_SIZE)
        except BlockingIOError:
            return b""
        if data:
            return data
        self._poll.unregister(descriptor)
        self._open.discard(descriptor)
        return None

    def _drain_errors(self) -> None:
        """What is in the pipe now, a block of it at most."""
        if self._error in self._open:
            data = self._take(self._error)
            if data:
                self._tell(data)

    def _tell(self, data: bytes) -> None:
        """Standard error to the log, by whole lines; bounded, because a script may write for ever."""
        if self._told > MAX_ERRORS:
            return
        self._told += len(data)
        if self._told > MAX_ERRORS:
            data += b"\n(the rest of its errors is left out)\n"
        *lines, self._errors = (self._errors + data).split(b"\n")
        while len(self._errors) > MAX_ERROR_LINE:
            lines.append(self._errors[:MAX_ERROR_LINE])
            self._errors = self._errors[MAX_ERROR_LINE:]
        for line in lines:
            if line.strip():
                self._log("says: " + line.decode("utf-8", "backslashreplace").rstrip("\r"))

    def _log(self, sentence: str) -> None:
        _log(self._environ, f"the script {self._script} {sentence}")


def _log(environ: Environ, sentence: str) -> None:
    """One line to the error log."""
    _write(environ["wsgi.errors"], sentence)


def _write(stream: Any, sentence: str) -> None:
    """One line, without control characters; a log that fails stops nothing."""
    text = "".join(sign if sign.isprintable() or sign == "\t" else f"\\x{ord(sign):02x}" for sign in sentence)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.write(f"fapws: {text}\n")
        stream.flush()


# ---- The request's content -----------------------------------------------------------------------


def _content(environ: Environ, stack: contextlib.ExitStack) -> tuple[int, int]:
    """Standard input of the script and its length: always a file, so neither process waits for the other.

    The server's own temporary file is passed on as it is. Raises OSError.
    """
    source = environ["wsgi.input"]
    spooled = _regular_file(source)
    if spooled is not None:
        at = source.tell()
        length = os.fstat(spooled).st_size - at
        os.lseek(spooled, at, os.SEEK_SET)  # behind what a buffer has read ahead
        return spooled, length
    length = int(environ.get("CONTENT_LENGTH") or 0)
    left = sys.maxsize if environ.get("wsgi.input_terminated") else length
    piece = source.read(min(left, BLOCK_SIZE)) if left > 0 else b""
    if not piece:
        return subprocess.DEVNULL, 0
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # the stack closes it
    stack.callback(file.close)
    length = 0
    while piece:
        file.write(piece)
        length += len(piece)
        left -= len(piece)
        piece = source.read(min(left, BLOCK_SIZE)) if left > 0 else b""
    file.seek(0)
    return file.fileno(), length


def _regular_file(source: Any) -> int | None:
    """Its descriptor if it is a file on disk: other servers offer sockets here."""
    try:
        descriptor: int = source.fileno()
        return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except (AttributeError, OSError, ValueError):
        return None
