"""fapws.contrib.session_storage: each storage by itself, and what it makes of damage and forgery."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fapws.contrib.session_storage import Gone, Record, new_id
from fapws.contrib.sessions import (
    FileStorage,
    MemoryStorage,
    Sessions,
    SignedCookie,
    SqliteStorage,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.sessions import KEY, Browser, Clock, browser, count


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    one = browser(Sessions(FileStorage(tmp_path / "a" / "b")), count)
    one.get()
    folder = tmp_path / "a" / "b"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / one.cookie).is_file()


def test_a_damaged_file_is_no_session(tmp_path: Path) -> None:
    sessions = Sessions(FileStorage(tmp_path))
    one = browser(sessions, count)
    for content in (b"", b"\n", b"x\n{}", b"9e99", b"9e99\n{", b"9e99\n[1]", b"9e99\n\xff", b"nan\n{}",
                    b"9e99\n" + b"[" * 100_000, b'9e99\n{"a":NaN}'):  # fmt: skip
        one.get()
        (tmp_path / one.cookie).write_bytes(content)
        assert one.get() == "1", content


def test_a_link_or_pipe_in_the_folder_is_not_opened(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "sessions")
    secret = tmp_path / "secret"
    secret.write_text('9e99\n{"count": 41}')
    linked, pipe = new_id(), new_id()
    (tmp_path / "sessions" / linked).symlink_to(secret)
    os.mkfifo(tmp_path / "sessions" / pipe)
    assert storage.load(linked, 0) is None
    assert storage.load(pipe, 0) is None


def test_cleaning_leaves_other_files_alone(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    storage.save(Record(new_id(), "{}", 1000.0), True)
    (tmp_path / "README").write_text("mine")
    os.utime(tmp_path / "README", (1, 1))
    storage.clean(2000.0)
    assert {path.name for path in tmp_path.iterdir()} == {"README", ".lock"}


COUNTER = """
import sys
sys.path[:0] = {path!r}
from fapws.contrib.sessions import FileStorage, Sessions
from support.sessions import browser, count

sessions = Sessions(FileStorage({folder!r}))
for _ in range(200):
    one = browser(sessions, count, {cookie!r})
    one.get()
    assert one.cookie == {cookie!r}, "a session in use was not found"
"""


def test_workers_that_write_at_once_never_see_half_a_session(tmp_path: Path) -> None:
    one = browser(Sessions(FileStorage(tmp_path)), count)
    one.get()
    tests = Path(__file__).resolve().parents[1]
    source = COUNTER.format(path=[str(tests), str(tests.parent)], folder=str(tmp_path), cookie=one.cookie)
    workers = [subprocess.Popen([sys.executable, "-c", source]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".lock", one.cookie])


def test_a_draft_is_gone_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FileStorage(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "utime", full)
    with pytest.raises(OSError, match="No space"):
        storage.save(Record(new_id(), "{}", 9e9), True)
    assert list(tmp_path.iterdir()) == []


def test_the_database_is_for_its_owner_only_and_survives_threads(tmp_path: Path) -> None:
    sqlite3 = pytest.importorskip("sqlite3", reason="needs a Python with sqlite3", exc_type=ImportError)
    path = tmp_path / "s.db"
    sessions = Sessions(SqliteStorage(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one = browser(sessions, count)
    thread = threading.Thread(target=one.get)
    thread.start()
    thread.join(20)
    assert one.get() == "2"
    with pytest.raises(Gone):
        sessions.storage.save(Record(new_id(), "{}", 9e9), False)
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT count(*) FROM fapws_session").fetchone()
    connection.close()
    assert rows == (1,)


def test_memory_is_bounded() -> None:
    storage = MemoryStorage(most=3)
    ids = [storage.save(Record(new_id(), "{}", 9e9), True) for _ in range(5)]
    assert [storage.load(one, 0) is not None for one in ids] == [False, False, True, True, True]


def test_a_cookie_signed_with_another_key_is_refused() -> None:
    foreign = SignedCookie(b"another key of 32 bytes, no less")
    cookie = foreign.save(Record("", '{"count":41}', 9e9), True)
    assert browser(Sessions(SignedCookie(KEY)), count, cookie).get() == "1"
    rotated = SignedCookie(KEY, old_keys=[b"another key of 32 bytes, no less"])
    assert browser(Sessions(rotated), count, cookie).get() == "42"


def test_every_changed_byte_of_a_signed_cookie_is_noticed() -> None:
    storage = SignedCookie(KEY)
    cookie = storage.save(Record("", '{"count":41}', 9e9), True)
    assert storage.load(cookie, 0) is not None
    for at in range(len(cookie)):
        forged = cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]
        assert storage.load(forged, 0) is None, at
    content = base64.urlsafe_b64encode(b'9000000000\n{"admin":true}').decode().rstrip("=")
    for forged in (content, content + ".", "." + cookie, cookie + "=", cookie.replace(".", ".."), cookie * 2):
        assert storage.load(forged, 0) is None


def test_a_signed_cookie_carries_its_end(clock: Clock) -> None:
    storage = SignedCookie(KEY)
    cookie = storage.save(Record("", "{}", clock.now + 60), True)
    assert storage.load(cookie, clock.now + 59) is not None
    assert storage.load(cookie, clock.now + 61) is None


def test_a_signed_cookie_has_room_for_4096_bytes() -> None:
    def visitor(size: int) -> Browser:
        return browser(Sessions(SignedCookie(KEY)), lambda session: session.update(a="x" * size))

    visitor(2900).get()
    for size in (2990, 3050, 5000):
        with pytest.raises(ValueError, match="cookie"):
            visitor(size).get()


def test_a_key_that_can_be_guessed_is_refused() -> None:
    for key in ("", "secret", b"x" * 15):
        with pytest.raises(ValueError, match="can be guessed"):
            SignedCookie(key)


@pytest.mark.parametrize(
    "wrong",
    [{"minutes": 0}, {"cookie_name": "a;b"}, {"cookie_name": ""}, {"path": "/;x"}, {"path": "x"},
     {"path": "/\r\nX: y"}, {"same_site": "Loose"}],
)  # fmt: skip
def test_settings_that_make_no_cookie_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cookie|minutes|same_site"):
        Sessions(MemoryStorage(), **wrong)
