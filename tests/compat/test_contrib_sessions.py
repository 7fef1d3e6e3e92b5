"""fapws.contrib.sessions: what is kept, who may change it, and what becomes of forged cookies."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from fapws.compat.paths import Paths
from fapws.contrib.session_storage import Record
from fapws.contrib.sessions import (
    MemoryStorage,
    Session,
    Sessions,
    Storage,
)
from fapws.contrib.zip import Gzip

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.plain import ask
from support.server import Server
from support.sessions import KEPT_HERE, Browser, Clock, application, browser, count, make_storage


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[*KEPT_HERE, "signed"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return make_storage(request.param, tmp_path)


@pytest.fixture(params=KEPT_HERE)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage that keeps sessions on this side."""
    return make_storage(request.param, tmp_path)


# ---- Every storage -------------------------------------------------------------------------------


def test_data_come_back_with_the_cookie(storage: Storage) -> None:
    one = browser(Sessions(storage), count)
    assert [one.get() for _ in range(4)] == ["1", "2", "3", "4"]
    assert browser(Sessions(storage), count).get() == "1"


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(storage: Storage) -> None:
    one = browser(Sessions(storage, minutes=5, path="/shop"), count)
    one.get()
    attributes = one.set_cookie.split("; ")[1:]
    assert attributes == ["Path=/shop", "Max-Age=300", "HttpOnly", "SameSite=Lax"]
    one.scheme, one.cookie = "https", ""
    one.get()
    assert one.set_cookie.endswith("; Secure")


def test_a_session_that_nobody_touches_makes_no_cookie(storage: Storage) -> None:
    one = browser(Sessions(storage), lambda session: None)
    one.get()
    assert one.set_cookie == ""
    looking = browser(Sessions(storage), lambda session: session.get("count"))
    looking.get()
    assert looking.set_cookie == ""


def test_only_a_change_is_saved(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(storage)
    one = browser(sessions, count)
    one.get()
    saved: list[Record] = []
    keep = storage.save
    monkeypatch.setattr(storage, "save", lambda record, new: (saved.append(record), keep(record, new))[1])
    reader = browser(sessions, lambda session: session["count"], one.cookie)
    assert reader.get() == "1"
    assert (saved, reader.set_cookie) == ([], "")
    one.get()
    assert len(saved) == 1


def test_a_change_inside_a_list_is_seen(storage: Storage) -> None:
    sessions = Sessions(storage)

    def add(session: Any) -> int:
        session.setdefault("basket", []).append("tea")
        return len(session["basket"])

    one = browser(sessions, add)
    assert [one.get(), one.get(), one.get()] == ["1", "2", "3"]


def test_a_session_ends_after_its_minutes(storage: Storage, clock: Clock) -> None:
    one = browser(Sessions(storage, minutes=10, clock=clock), count)
    one.get()
    clock.now += 599
    assert one.get() == "2"
    clock.now += 601
    assert one.get() == "1"


def test_somebody_who_only_reads_stays(storage: Storage, clock: Clock) -> None:
    sessions = Sessions(storage, minutes=10, clock=clock)
    one = browser(sessions, count)
    one.get()
    reader = browser(sessions, lambda session: session.get("count"), one.cookie)
    for _ in range(5):
        clock.now += 400
        assert reader.get() == "1"


def test_delete_ends_the_session_and_its_cookie(storage: Storage) -> None:
    sessions = Sessions(storage)
    one = browser(sessions, count)
    one.get()
    one.application = sessions(application(lambda session: session.delete()))
    one.get()
    assert one.cookie == ""
    assert "Max-Age=0" in one.set_cookie
    one.application = sessions(application(count))
    assert one.get() == "1"


def test_what_is_not_json_is_refused_by_the_name_of_its_key(storage: Storage) -> None:
    def put(value: Any) -> Callable[[Any], None]:
        def change(session: Any) -> None:
            session["basket"] = value

        return change

    bad = [{1, 2}, b"bytes", object(), float("nan"), {"a": [1, (2,)]}, {"a": {1: 2}}, 1 << 9999]
    for value in bad:
        with pytest.raises(TypeError, match=re.escape("session['basket']")):
            browser(Sessions(storage), put(value)).get()
    with pytest.raises(TypeError, match=re.escape("session['basket']['a'][1]: tuple is not")):
        browser(Sessions(storage), put({"a": [1, (2,)]})).get()
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(TypeError, match="in each other"):
        browser(Sessions(storage), put(deep)).get()

    def put_later(session: Any) -> None:
        session["basket"] = []
        session["basket"].append(object())

    with pytest.raises(TypeError, match=re.escape("session['basket'][0]")):
        browser(Sessions(storage), put_later).get()
    good = {"a": [1, 2.5, "\u20ac", "\ud800", None, True]}
    one = browser(Sessions(storage), put(good))
    one.get()
    seen = browser(Sessions(storage), lambda session: session["basket"] == good, one.cookie)
    assert seen.get() == "true"


def test_an_application_that_fails_saves_nothing(storage: Storage) -> None:
    sessions = Sessions(storage)
    one = browser(sessions, count)
    one.get()

    def fail(session: Any) -> None:
        session["count"] = 100
        raise KeyError("boom")

    with pytest.raises(KeyError):
        browser(sessions, fail, one.cookie).get()
    assert one.get() == "2"


FORGED = [
    "", "x", "../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "." * 64, "a" * 64, "A" * 64,
    "a" * 4096, "a" * 5000, "é" * 64, ".lock", "{}", "a.b", ".", "=", "\x00" * 64, "' OR 1=1 --", '"a"',
    "\udcff", "٣" * 64, "a" * 63 + "\n",
]  # fmt: skip


@pytest.mark.parametrize("cookie", FORGED)
def test_a_forged_cookie_is_no_session_and_its_id_is_not_taken(storage: Storage, cookie: str) -> None:
    one = browser(Sessions(storage), count, cookie)
    assert one.get() == "1"
    assert one.cookie != cookie


# ---- Sessions that are kept here -----------------------------------------------------------------


def test_newid_keeps_the_data_and_ends_the_old_id(kept: Storage) -> None:
    sessions = Sessions(kept)
    one = browser(sessions, count)
    one.get()
    planted = one.cookie

    def log_in(session: Any) -> None:
        session["user"] = "zoe"
        session.newid()

    one.application = sessions(application(log_in))
    one.get()
    assert one.cookie != planted
    who = lambda session: [session.get("user"), session.get("count")]  # noqa: E731
    assert browser(sessions, who, one.cookie).get() == '["zoe", 1]'
    assert browser(sessions, who, planted).get() == "[null, null]"


def test_a_slow_request_does_not_bring_a_session_back_after_its_logout(kept: Storage) -> None:
    sessions = Sessions(kept)
    one = browser(sessions, count)
    one.get()
    ended = one.cookie

    def slow(session: Any) -> None:
        count(session)
        logout = browser(sessions, lambda other: other.delete(), ended)
        logout.get()

    late = browser(sessions, slow, ended)
    late.get()
    assert late.set_cookie == ""
    assert "ended meanwhile" in late.errors.getvalue()
    assert kept.load(ended, 0) is None


def test_what_is_over_is_forgotten(kept: Storage, clock: Clock) -> None:
    sessions = Sessions(kept, minutes=10, clock=clock)
    old = browser(sessions, count)
    old.get()
    clock.now += 3600
    young = browser(sessions, count)
    young.get()  # cleans, too
    assert kept.load(old.cookie, 0) is None
    assert kept.load(young.cookie, clock.now) is not None


def test_the_last_of_two_at_once_wins(kept: Storage) -> None:
    sessions = Sessions(kept)
    one = browser(sessions, count)
    one.get()

    def first(session: Any) -> None:
        session["first"] = True
        browser(sessions, lambda other: other.update(second=True), one.cookie).get()

    browser(sessions, first, one.cookie).get()
    assert json.loads(browser(sessions, dict, one.cookie).get()) == {"count": 1, "first": True}


def test_a_session_is_bounded(kept: Storage) -> None:
    with pytest.raises(ValueError, match="larger than"):
        browser(Sessions(kept), lambda session: session.update(big="x" * (1 << 20))).get()


def test_a_generator_may_change_a_known_session_to_its_end(kept: Storage) -> None:
    sessions = Sessions(kept)

    @sessions
    def stream(environ: Any, start_response: Any) -> Any:
        session = environ["fapws.session"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        session["begun"] = True
        yield b"a"
        session["ended"] = True
        yield b"b"

    one = Browser(validator(stream))
    assert one.get() == "ab"
    assert json.loads(browser(sessions, dict, one.cookie).get()) == {"begun": True, "ended": True}


def test_a_cookie_that_comes_too_late_is_told_in_the_log(storage: Storage) -> None:
    @Sessions(storage)
    def stream(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"
        environ["fapws.session"]["late"] = True

    one = Browser(validator(stream))
    assert one.get() == "a"
    assert one.set_cookie == ""
    assert "after the head" in one.errors.getvalue()


def test_a_second_start_response_keeps_the_cookie(storage: Storage) -> None:
    @Sessions(storage)
    def failing(environ: Any, start_response: Any) -> Any:
        environ["fapws.session"]["a"] = 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b""
        try:
            raise OSError("no more")
        except OSError:
            start_response("500 Oops", [("Content-Type", "text/html")], sys.exc_info())
        yield b"oops"

    one = Browser(validator(failing))
    assert one.get() == "oops"
    assert one.cookie


# ---- Objects of PATHS, and a server ---------------------------------------------------------------


def test_objects_of_paths_have_sessions_whatever_they_return() -> None:
    sessions = Sessions(MemoryStorage())

    def text(environ: Any, start_response: Any) -> str:
        return str(count(environ["fapws.session"]))

    def generator(environ: Any, start_response: Any) -> Any:
        yield str(count(environ["fapws.session"]))

    def file(environ: Any, start_response: Any) -> Any:
        return io.BytesIO(str(count(environ["fapws.session"])).encode())

    for served in (text, generator, file):
        one = Browser(Paths([("/", sessions(served))]))
        assert [one.get(), one.get()] == ["1", "2"], served.__name__


@pytest.mark.parametrize("session_outside", [True, False])
@pytest.mark.parametrize(
    ("below_paths", "head"),
    [(True, "called"), (True, "with exc_info"), (True, "left"), (False, "called"), (False, "with exc_info")],
)
def test_sessions_go_with_compression(below_paths: bool, session_outside: bool, head: str) -> None:
    text = "many words " * 1000

    def served(environ: Any, start_response: Any) -> Any:
        count(environ["fapws.session"])
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), ("X-Y", "z")]
        if head != "left":
            start_response("404 Not Found", fields)
        if head == "with exc_info":
            try:
                raise OSError
            except OSError:
                start_response("410 Gone", fields, sys.exc_info())
        return [text.encode()]

    sessions, pack = Sessions(MemoryStorage()), Gzip()
    made: Any = sessions(pack(served)) if session_outside else pack(sessions(served))
    for accepted, coding in (("gzip", "gzip"), ("identity", "")):
        answer = ask(Paths([("/", made)]) if below_paths else made, "/", HTTP_ACCEPT_ENCODING=accepted)
        assert str(answer.get("Set-Cookie")).startswith("sessionid=")
        assert (answer.get("Content-Encoding") or "") == coding
        assert int(answer.get("Content-Length") or len(answer.body)) == len(answer.body)
        assert (gzip.decompress(answer.body) if coding else answer.body) == text.encode()
        assert answer.code == {"called": 404, "with exc_info": 410, "left": 200}[head]
        assert answer.get("X-Y") == (None if head == "left" else "z")


APP = """
from fapws.contrib.sessions import FileStorage, Sessions

sessions = Sessions(FileStorage({folder!r}))

@sessions
def count(environ, start_response):
    session = environ["fapws.session"]
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])

PATHS = [("/", count)]
"""


def test_workers_of_a_server_share_the_files(tmp_path: Path) -> None:
    cookie, seen = "", []
    with Server(APP.format(folder=str(tmp_path / "s")), arguments=["-w", "2"]) as server:
        for _ in range(8):
            connection = HTTPConnection(*server.address, timeout=30)  # a new one: any worker
            connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            seen.append(int(answer.read()))
            cookie = (answer.getheader("Set-Cookie") or cookie).partition(";")[0]
            connection.close()
    assert seen == list(range(1, 9))


# ---- fapws3's Session ----------------------------------------------------------------------------


def test_the_example_of_fapws3() -> None:
    record: dict[str, Any] = {}
    session = Session(record, max_age=2)
    session.newid()
    session.setdata({"test": "fapws values"})
    assert session.getdata() == {"test": "fapws values"}
    assert record["strdata"] == '{"test":"fapws values"}'
    assert session.getid() == record["sessionid"]
    assert re.fullmatch("[0-9]{4}-[0-9-]{5} [0-9:]{8}", record["expiration_date"])


def test_a_record_that_is_over_has_no_data() -> None:
    record = {"sessionid": "a", "strdata": "{}", "expiration_date": "2001-01-01 00:00:00"}
    session = Session(record)
    assert session.getdata() is None
    session.update_expdate()
    assert session.getdata() == {}


def test_prepare_data_makes_what_the_database_wants() -> None:
    record: dict[str, Any] = {}
    Session(record, prepare_data=lambda text: text.encode()).setdata([1])
    assert record["strdata"] == b"[1]"
    assert Session(record).getdata() == [1]


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    pickled = f"cos\nsystem\n(S'touch {target}'\ntR."
    for data in (pickled, pickled.encode()):
        record = {"sessionid": "a", "strdata": data}
        assert Session(record).getdata() is None
    assert not target.exists()
    with pytest.raises(TypeError, match=re.escape("data['a']")):
        Session({}).setdata({"a": object()})
