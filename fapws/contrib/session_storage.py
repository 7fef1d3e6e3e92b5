"""Where sessions are kept: files, memory, SQLite, or the cookie itself, signed.

A storage gets and gives JSON text; it knows nothing of cookies' attributes or requests. Data from
a client reaches ``load`` only, which returns None for whatever the storage did not make.

Two requests of one session at the same time: the one that is saved last wins, as a whole. A session
that was deleted meanwhile is not saved again, so that no request undoes a logout.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, Union

if TYPE_CHECKING:
    import sqlite3

ID_BYTES = 32
"""Random bytes in an id: one of 2**256 cannot be guessed."""
MAX_COOKIE = 4096
"""Bytes; browsers need not keep more of a cookie (RFC 6265 section 6.1), nor do we read more."""
MAX_SIZE = 1 << 20
"""Bytes of JSON in one session that is kept here. A session is no place for files."""
STALE_SECONDS = 3600
"""No process still writes a half-written file of this age; it is removed."""
LOCK_SECONDS = 2.0
"""How long a write waits for another one in SQLite. The worker serves no client meanwhile."""
MIN_KEY = 16
"""Bytes of a key for signing; 32 from ``secrets.token_bytes`` are recommended."""

_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")


class Record(NamedTuple):
    """One session as it is kept."""

    id: str
    """Empty where the cookie itself is the session."""
    text: str
    """A JSON object."""
    expires: float
    """Seconds since the epoch."""


class Gone(Exception):
    """The session was deleted or got another id while a request was at work on it."""


class Storage(Protocol):
    """What Sessions wants of a storage. ``cookie`` is what stands in the cookie."""

    def load(self, cookie: str, now: float) -> Record | None:
        """The session of a cookie; None if it is unknown, damaged or over."""

    def save(self, record: Record, new: bool) -> str:
        """Keeps a session and returns its cookie. new: there was none by this id. Raises Gone, OSError,
        ValueError (too large)."""

    def delete(self, session_id: str) -> None:
        """Forgets a session; no error if there is none."""

    def clean(self, now: float) -> None:
        """Forgets all that are over."""


def new_id() -> str:
    """An id for a session, from the system's random source."""
    return secrets.token_hex(ID_BYTES)


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _check_size(record: Record) -> None:
    if len(record.text) > MAX_SIZE:
        raise ValueError(f"a session of {len(record.text)} bytes is larger than {MAX_SIZE}")


class MemoryStorage:
    """In the memory of this process: for one worker only, and gone with it.

    most: sessions; above, the one that was begun first is dropped, so that clients that never send
    their cookie back do not fill the memory.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._records: dict[str, Record] = {}
        self._most = most

    def load(self, cookie: str, now: float) -> Record | None:
        """See Storage."""
        record = self._records.get(cookie)
        return record if record is not None and record.expires > now else None

    def save(self, record: Record, new: bool) -> str:
        """See Storage."""
        _check_size(record)
        if not new and record.id not in self._records:
            raise Gone
        if new and len(self._records) >= self._most:
            del self._records[next(iter(self._records))]
        self._records[record.id] = record
        return record.id

    def delete(self, session_id: str) -> None:
        """See Storage."""
        self._records.pop(session_id, None)

    def clean(self, now: float) -> None:
        """See Storage."""
        for record in list(self._records.values()):
            if record.expires <= now:
                self.delete(record.id)


class FileStorage:
    """A file for each session in a folder of their own, for any number of workers.

    A file is replaced by renaming, so that no reader gets half of one. Not synced to the disk: a
    power failure may cost the last changes. A file that cannot be understood is no session.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Makes the folder, for this user only, if it is not there. Raises OSError."""
        self._folder = Path(folder).absolute()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"sessions cannot be kept in {self._folder}: no permission to write")

    def load(self, cookie: str, now: float) -> Record | None:
        """See Storage."""
        if not _is_id(cookie):
            return None  # before it becomes part of a path
        try:
            descriptor = os.open(self._folder / cookie, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            data = file.read(2 * MAX_SIZE)
        with contextlib.suppress(ValueError):
            expires, _, text = data.decode("ascii").partition("\n")
            if float(expires) > now:
                return Record(cookie, text, float(expires))
        return None

    def save(self, record: Record, new: bool) -> str:
        """See Storage."""
        _check_size(record)
        if not _is_id(record.id):
            raise ValueError(f"{record.id!r} is no id of a session")
        target = self._folder / record.id
        draft = self._folder / f".{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "wb") as file:  # a text file would look for its codec, in a chroot in vain
                file.write(f"{record.expires}\n{record.text}".encode("ascii"))
            os.utime(draft, (record.expires, record.expires))  # so that clean() need not read it
            with self._lock():
                if not new and not target.exists():
                    raise Gone
                draft.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        return record.id

    def delete(self, session_id: str) -> None:
        """See Storage."""
        if _is_id(session_id):
            with self._lock(), contextlib.suppress(FileNotFoundError):
                (self._folder / session_id).unlink()

    def clean(self, now: float) -> None:
        """See Storage. Files of other names stay."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                half = re.fullmatch(r"\.[0-9a-f]{16}", entry.name) is not None
                if not half and not _is_id(entry.name):
                    continue
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    # A draft bears the time of its expiry for a moment, before it is renamed.
                    over = status.st_ctime < time.time() - STALE_SECONDS if half else status.st_mtime <= now
                    if over:
                        os.unlink(entry.path)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Held for a look and a renaming; a worker that dies lets go of it."""
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class SqliteStorage:
    """A table ``fapws_session`` in an SQLite database, for any number of workers of one machine."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Makes the database, for this user only, if it is not there. Raises OSError, sqlite3.Error."""
        self._path = str(Path(path).absolute())
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS fapws_session "
                "(id TEXT PRIMARY KEY, expires REAL NOT NULL, text TEXT NOT NULL)"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS fapws_session_expires ON fapws_session (expires)")

    def load(self, cookie: str, now: float) -> Record | None:
        """See Storage."""
        if not _is_id(cookie):
            return None
        with self._connection() as connection:
            found = connection.execute(
                "SELECT text, expires FROM fapws_session WHERE id = ? AND expires > ?", (cookie, now)
            ).fetchone()
        return Record(cookie, found[0], found[1]) if found else None

    def save(self, record: Record, new: bool) -> str:
        """See Storage."""
        _check_size(record)
        with self._connection() as connection:
            if new:
                connection.execute("INSERT INTO fapws_session (id, text, expires) VALUES (?, ?, ?)", record)
            else:
                done = connection.execute(
                    "UPDATE fapws_session SET text = ?, expires = ? WHERE id = ?",
                    (record.text, record.expires, record.id),
                )
                if done.rowcount == 0:
                    raise Gone
        return record.id

    def delete(self, session_id: str) -> None:
        """See Storage."""
        with self._connection() as connection:
            connection.execute("DELETE FROM fapws_session WHERE id = ?", (session_id,))

    def clean(self, now: float) -> None:
        """See Storage."""
        with self._connection() as connection:
            connection.execute("DELETE FROM fapws_session WHERE expires <= ?", (now,))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One for each use: a connection must survive neither fork() nor a change of thread."""
        import sqlite3  # a megabyte that other storages do not need

        connection = sqlite3.connect(self._path, timeout=LOCK_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


Key = Union[str, bytes]


class SignedCookie:
    """The cookie itself, signed with HMAC-SHA256: nothing is kept here, for any number of machines.

    The client can read it, and it cannot be revoked: a client with a copy may send it until it expires,
    also after delete(). No place for secrets, nor for what must end with a logout.
    """

    def __init__(self, key: Key, old_keys: Sequence[Key] = ()) -> None:
        """key: secret, the same in all workers. old_keys: cookies signed with these are read still.

        Raises ValueError for a key that is too short.
        """
        self._keys = [_key_bytes(key), *map(_key_bytes, old_keys)]

    def load(self, cookie: str, now: float) -> Record | None:
        """See Storage."""
        if len(cookie) > MAX_COOKIE or not cookie.isascii():
            return None
        content, _, signature = cookie.partition(".")
        given = signature.encode("ascii")
        # All keys are tried, so that time does not tell which one fits.
        fits = [hmac.compare_digest(self._sign(key, content), given) for key in self._keys]
        if not any(fits):
            return None
        try:
            text = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)).decode("ascii")
            expires, _, text = text.partition("\n")
            return Record("", text, float(expires)) if float(expires) > now else None
        except (ValueError, binascii.Error):  # signed with our key, but by another program
            return None

    def save(self, record: Record, new: bool) -> str:
        """See Storage."""
        text = f"{int(record.expires)}\n{record.text}".encode("ascii")
        content = base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii")
        cookie = f"{content}.{self._sign(self._keys[0], content).decode('ascii')}"
        if len(cookie) > MAX_COOKIE:
            raise ValueError(f"a session of {len(record.text)} bytes does not fit into a cookie")
        return cookie

    def delete(self, session_id: str) -> None:
        """Nothing is kept here."""

    def clean(self, now: float) -> None:
        """Nothing is kept here."""

    @staticmethod
    def _sign(key: bytes, content: str) -> bytes:
        # The first words keep a signature made for another purpose from being one of a session.
        message = b"fapws session 1\n" + content.encode("ascii")
        digest = hmac.new(key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _key_bytes(key: Key) -> bytes:
    octets = key.encode("utf-8") if isinstance(key, str) else bytes(key)
    if len(octets) < MIN_KEY:
        raise ValueError(f"a key of {len(octets)} bytes can be guessed: take 32 from secrets.token_bytes()")
    return octets


def parse(text: str) -> dict[str, object] | None:
    """The data of a session from its JSON text; None if it is no JSON object."""
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
