"""Sessions: data of one visitor, from request to request. JSON, never pickle.

``Sessions`` is the way for new programs: a decorator for WSGI applications and objects of PATHS that
puts a dict into ``environ["fapws.session"]``.

    from fapws.contrib.sessions import FileStorage, Sessions

    sessions = Sessions(FileStorage("/var/lib/shop/sessions"), minutes=60)

    @sessions
    def count(environ, start_response):
        session = environ["fapws.session"]
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    PATHS = [("/count", count)]

``Session`` is fapws3's: one record of the program's own database. Only the encoding of the data has
changed; what fapws3 has pickled is not read, because reading a pickle runs what it says.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

from fapws.contrib.session_storage import (
    MAX_COOKIE,
    FileStorage,
    Gone,
    MemoryStorage,
    Record,
    SignedCookie,
    SqliteStorage,
    Storage,
    new_id,
    parse,
)
from fapws.contrib.start import Start, content_of

__all__ = [
    "CurrentSession",
    "FileStorage",
    "MemoryStorage",
    "Session",
    "Sessions",
    "SignedCookie",
    "SqliteStorage",
    "Storage",
]

CLEAN_SECONDS = 600.0
"""How often a worker lets its storage remove expired sessions."""
MAX_DEPTH = 32
"""Depth of nested lists and dicts; far below the limit of JSON's own recursion."""
MAX_INT_BITS = 4096
"""Python itself refuses to read numbers that are much longer."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE = re.compile(r"[ -:<-~]*")

# Python looks for strptime()'s module when it is first used, in a chroot in vain.
datetime.datetime.strptime("2000", "%Y")

Environ = dict[str, Any]


def check_json(value: object, where: str, depth: int = 0) -> None:
    """Raises TypeError, naming the place, for what JSON would not give back as it was."""
    if value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if value.bit_length() > MAX_INT_BITS:
            raise TypeError(f"{where}: an int of {value.bit_length()} bits is too large")
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{where}: {value} is not a JSON value")
        return
    if depth == MAX_DEPTH:
        raise TypeError(f"{where}: more than {MAX_DEPTH} lists and dicts in each other")
    if isinstance(value, list):
        for number, item in enumerate(value):
            check_json(item, f"{where}[{number}]", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: the key {key!r} is not a str")
            check_json(item, f"{where}[{key!r}]", depth + 1)
    else:
        raise TypeError(f"{where}: {type(value).__name__} is not a JSON value")


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


class CurrentSession(MutableMapping[str, Any]):
    """The session of one request: a dict that is loaded at the first look and saved if it has changed.

    Keys are str, values are what JSON can say: str, int, float, bool, None, list, dict. Anything
    else is a TypeError that names the key.
    """

    def __init__(self, storage: Storage, cookie: str, now: float) -> None:
        self._storage = storage
        self._cookie = cookie
        self._now = now
        self._loaded: Record | None = None
        self._data: dict[str, Any] | None = None
        self._text = "{}"
        """The data as they are in the storage."""
        self._renew_id = False

    # ---- The dict --------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._get()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"session: the key {key!r} is not a str")
        check_json(value, f"session[{key!r}]")
        self._get()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._get()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._get())

    def __len__(self) -> int:
        return len(self._get())

    def __repr__(self) -> str:
        return f"<session of {len(self)} values>"  # no data: this goes to logs

    # ---- The session -----------------------------------------------------------------------------

    @property
    def is_new(self) -> bool:
        """Whether the client came without a session that is known here."""
        self._get()
        return self._loaded is None

    def newid(self) -> None:
        """Keeps the data under another id; to be called at login and at every gain of rights.

        Without it an attacker that has planted an id before would be logged in too (session fixation).
        """
        self._get()
        self._renew_id = True

    def delete(self) -> None:
        """Ends the session: data, record and cookie. What is set afterwards is a new session."""
        self._get()
        self._data = {}
        self._renew_id = True

    def _get(self) -> dict[str, Any]:
        if self._data is None:
            self._data = {}
            record = self._storage.load(self._cookie, self._now) if self._cookie else None
            data = parse(record.text) if record is not None else None
            if data is not None:
                self._loaded, self._data = record, data
                self._text = _dump(data)
        return self._data

    def save(self, lifetime: float) -> str | None:
        """Keeps what has changed; lifetime in seconds. The cookie to be sent, "" to end it, None to leave it.

        Saved as well when half of its time is over, so that a visitor that only reads keeps its session.
        Raises Gone, OSError, TypeError, ValueError.
        """
        if self._data is None:
            return None
        check_json(self._data, "session")
        text, loaded = _dump(self._data), self._loaded
        old = loaded.id if loaded is not None else ""
        if not self._data and (loaded is None or self._renew_id):
            if loaded is None:
                return None
            self._storage.delete(old)
            self._forget()
            return ""
        aged = loaded is not None and loaded.expires - self._now < lifetime / 2
        if text == self._text and not self._renew_id and not aged:
            return None
        new = loaded is None or self._renew_id
        record = Record(new_id() if new else old, text, self._now + lifetime)
        cookie = self._storage.save(record, new)
        if new and old:
            self._storage.delete(old)
        self._loaded, self._text, self._renew_id = record, text, False
        return cookie

    def is_changed(self) -> bool:
        """Whether there is something that save() has not kept."""
        return self._data is not None and (self._renew_id or _dump(self._data) != self._text)

    def needs_cookie(self) -> bool:
        """Whether what save() would keep is lost without another cookie."""
        return bool(self._data) and (self._loaded is None or self._renew_id)

    def _forget(self) -> None:
        self._loaded, self._text, self._renew_id = None, "{}", False


class Sessions:
    """Gives applications sessions; one object for as many of them as there are.

    storage: where they are kept. minutes: an unused session ends after so long. The cookie is
    HttpOnly, SameSite=Lax, and Secure when the request came by https.
    """

    def __init__(
        self,
        storage: Storage,
        minutes: float = 60,
        cookie_name: str = "sessionid",
        path: str = "/",
        same_site: str = "Lax",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises ValueError for what cannot stand in a cookie."""
        if not minutes > 0:
            raise ValueError(f"a session of {minutes} minutes ends before it begins")
        if not _TOKEN.fullmatch(cookie_name):
            raise ValueError(f"{cookie_name!r} cannot be the name of a cookie")
        if not path.startswith("/") or not _ATTRIBUTE.fullmatch(path):
            raise ValueError(f"{path!r} cannot be the path of a cookie")
        if same_site not in ("Lax", "Strict", "None"):
            raise ValueError(f"same_site is Lax, Strict or None, not {same_site!r}")
        self.storage = storage
        self.lifetime = minutes * 60
        self.clock = clock
        self._name, self._path, self._same_site = cookie_name, path, same_site
        self._next_clean = 0.0

    def __call__(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """The application with sessions."""

        @functools.wraps(application, updated=())
        def with_session(environ: Environ, start_response: Callable[..., Any]) -> Any:
            return _Request(self, environ, start_response).run(application)

        return with_session

    def open(self, environ: Environ) -> CurrentSession:
        """The session of a request."""
        now = self.clock()
        if now >= self._next_clean:
            self._next_clean = now + CLEAN_SECONDS
            self.storage.clean(now)
        return CurrentSession(self.storage, self._cookie_of(environ), now)

    def cookie_header(self, value: str, environ: Environ) -> str:
        """The value of Set-Cookie; an empty one ends the cookie. Raises ValueError above 4096 bytes."""
        age = int(self.lifetime) if value else 0
        text = f"{self._name}={value}; Path={self._path}; Max-Age={age}; HttpOnly; SameSite={self._same_site}"
        if environ.get("wsgi.url_scheme") == "https":
            text += "; Secure"
        if len(text) > MAX_COOKIE:
            raise ValueError(f"the cookie of the session has {len(text)} bytes; browsers keep {MAX_COOKIE}")
        return text

    def _cookie_of(self, environ: Environ) -> str:
        """The first cookie of our name: browsers send the one with the longest path first (RFC 6265 5.4)."""
        for pair in environ.get("HTTP_COOKIE", "").split(";"):
            name, _, value = pair.partition("=")
            if name.strip(" \t") == self._name:
                value = value.strip(" \t").strip('"')
                return value if len(value) <= MAX_COOKIE else ""
        return ""


class _Request:
    """One request on its way through. The head waits until the application has returned, or has
    yielded its first piece, because a session may change until then."""

    def __init__(self, sessions: Sessions, environ: Environ, start_response: Callable[..., Any]) -> None:
        self._sessions = sessions
        self._environ = environ
        self._start_response: Any = start_response
        # fapws.base's keeps the head itself until there is content, and others look into it meanwhile.
        self._open = all(hasattr(start_response, name) for name in ("add_header", "response_headers", "sent"))
        self._committed = False
        self._session = environ["fapws.session"] = sessions.open(environ)
        self._head: tuple[Any, ...] | None = None
        self._cookies: list[tuple[str, str]] = []
        self._write: Any = None

    def run(self, application: Callable[..., Any]) -> Any:
        """The application's response; it may be anything that an object of PATHS may return."""
        result = content_of(application(self._environ, Start(self._start_response, self.take_head)))
        if not self._is_whole(result):
            return _Pieces(self, result)
        try:
            self.commit()
        except BaseException:
            _close(result)
            raise
        return result  # as it is: the server knows how to send it at once

    def _is_whole(self, result: Any) -> bool:
        """Whether nothing of the application runs any more while it is sent."""
        if result is None or isinstance(result, (str, bytes, bytearray, list, tuple)):
            return True
        wrapper = self._environ.get("wsgi.file_wrapper")
        return hasattr(result, "read") or (isinstance(wrapper, type) and isinstance(result, wrapper))

    def take_head(self, status: str, headers: Any, exc_info: Any = None) -> Callable[[Any], Any]:
        """The application has called start_response."""
        try:
            if self._open or self._committed:
                if self._write is not None and exc_info is None and not self._open:
                    raise AssertionError("start_response was called twice without exc_info")
                self._write = self._start_response(status, [*headers, *self._cookies], exc_info)
            elif self._head is not None and exc_info is None:
                raise AssertionError("start_response was called twice without exc_info")
            self._head = (status, headers)
        finally:
            exc_info = None
        return self.write

    def write(self, piece: Any) -> None:
        """PEP 3333's write()."""
        self.commit()
        self._write(piece)

    def commit(self) -> None:
        """Saves the session and hands out the head; later calls do nothing."""
        if self._committed:
            return
        self._committed = True
        try:
            cookie = self._session.save(self._sessions.lifetime)
        except Gone:
            self._say("it was ended meanwhile by another request")
            cookie = None
        if cookie is not None:
            value = self._sessions.cookie_header(cookie, self._environ)
            # A cache must not give a response with one visitor's cookie to other visitors.
            self._cookies = [("Set-Cookie", value), ("Cache-Control", 'no-cache="Set-Cookie"')]
        if self._open:
            for field in self._cookies:
                self._start_response.add_header(*field)
        elif self._head is not None:
            status, headers = self._head
            self._write = self._start_response(status, [*headers, *self._cookies])
        elif self._cookies:  # an object of PATHS that has left the head to the server
            self._write = self._start_response("200 OK", [("Content-Type", "text/html"), *self._cookies])

    def finish(self) -> None:
        """After the last piece: what a generator has changed since the head was out."""
        if not self._session.is_changed():
            return
        if self._session.needs_cookie() or isinstance(self._sessions.storage, SignedCookie):
            self._say("it was changed after the head of the answer was out, which carries its cookie")
            return
        try:
            self._session.save(self._sessions.lifetime)
        except Gone:
            self._say("it was ended meanwhile by another request")

    def _say(self, why: str) -> None:
        path = self._environ.get("SCRIPT_NAME", "") + self._environ.get("PATH_INFO", "")
        with contextlib.suppress(OSError, ValueError):
            self._environ["wsgi.errors"].write(f"fapws: the session of {path!r} was not saved: {why}\n")


class _Pieces:
    """A generator or other iterable: the first piece decides about the head."""

    def __init__(self, request: _Request, result: Iterable[Any]) -> None:
        self._request, self._result = request, result
        self._pieces: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._pieces is not None:
            return next(self._pieces)
        self._pieces = iter(self._result)
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._request.commit()
            raise
        self._request.commit()
        return piece

    def close(self) -> None:
        """Called by the server however the response ends (PEP 3333)."""
        try:
            _close(self._result)
        finally:
            self._request.finish()


def _close(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()


# ---- fapws3 --------------------------------------------------------------------------------------


class Session:
    """fapws3's: the data of one visitor in a record of the program's own database.

    record: a dict or alike with ``sessionid``, ``strdata`` and ``expiration_date``, which the program
    loads and saves; missing entries are made. max_age: seconds. datetime_fmt: how expiration_date is
    written, in local time; a datetime is understood as well. prepare_data: called with the JSON
    text before it goes into the record. Data may be any JSON value.
    """

    def __init__(
        self,
        record: MutableMapping[str, Any],
        max_age: float = 10 * 86400,
        datetime_fmt: str = "%Y-%m-%d %H:%M:%S",
        prepare_data: Callable[[str], Any] | None = None,
    ) -> None:
        self.sessiondb = record
        self.max_age = max_age
        self.datetime_fmt = datetime_fmt
        self.prepare_data = prepare_data
        if not record.get("sessionid"):
            self.newid()
        if not record.get("expiration_date"):
            self.update_expdate()

    def getdata(self) -> Any:
        """The data; None if there are none, they are over, or they are not JSON.

        Raises ValueError for an expiration_date that is neither a datetime nor in datetime_fmt.
        """
        expires = self.sessiondb.get("expiration_date")
        if not expires:
            return None
        if isinstance(expires, str):
            expires = datetime.datetime.strptime(expires, self.datetime_fmt)
        elif not isinstance(expires, datetime.datetime):
            raise ValueError(f"expiration_date is a datetime or a str like {self.datetime_fmt}")
        if expires < datetime.datetime.now(expires.tzinfo):
            return None
        try:
            return json.loads(self.sessiondb.get("strdata") or "null")
        except (ValueError, TypeError, RecursionError):
            return None  # of fapws3 perhaps, pickled

    def setdata(self, data: Any) -> None:
        """Puts the data into the record. Raises TypeError for what is not JSON, naming the place."""
        check_json(data, "data")
        text = json.dumps(data, separators=(",", ":"))
        self.sessiondb["strdata"] = self.prepare_data(text) if self.prepare_data else text

    def newid(self) -> None:
        """Gives the record another id, one that cannot be guessed."""
        self.sessiondb["sessionid"] = new_id()

    def getid(self) -> Any:
        """The id, for the cookie."""
        return self.sessiondb.get("sessionid")

    def update_expdate(self) -> None:
        """Counts max_age from now."""
        expires = datetime.datetime.now() + datetime.timedelta(seconds=self.max_age)
        self.sessiondb["expiration_date"] = expires.strftime(self.datetime_fmt)
