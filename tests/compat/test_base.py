"""fapws.base: what fapws3 and fapws4 gave to programs, and what must not get through it."""

from __future__ import annotations

import contextlib
import datetime
import locale
import subprocess
import sys
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws import base, config
from fapws.base import Start_response
from fapws.compat.fields import Fields, format_date

EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"


def sent(start: Start_response, text: bool = False) -> tuple[str, list[tuple[str, str]]]:
    """The head that the server gets."""
    heads: list[Any] = []

    def server_start(status: str, fields: Any, exc_info: Any = None) -> Any:
        heads.append((status, fields))
        return lambda data: None

    start.server_start = server_start
    start.send_head(text)
    (head,) = heads
    return head  # type: ignore[no-any-return]


def cookies(start: Start_response) -> list[str]:
    return [value for name, value in start.status_and_fields()[1] if name == "Set-Cookie"]


# ---- Status and fields ---------------------------------------------------------------------------


def test_without_a_call_it_is_200_and_html() -> None:
    assert sent(Start_response()) == ("200 OK", [("Content-Type", "text/html")])
    assert sent(Start_response(), text=True)[1] == [("Content-Type", "text/html; charset=utf-8")]


def test_call_sets_what_fapws3_programs_read() -> None:
    start = Start_response()
    start("404 Not Found", [("Content-Type", "text/plain")])
    assert (start.status_code, start.status_reasons) == ("404", "Not Found")
    assert start.response_headers["content-TYPE"] == "text/plain"
    assert not start.sent
    assert sent(start) == ("404 Not Found", [("Content-Type", "text/plain")])
    assert start.sent


def test_status_may_be_assigned() -> None:
    start = Start_response()
    start.status_code, start.status_reasons = 410, "Gone"  # type: ignore[assignment]
    assert sent(start)[0] == "410 Gone"
    start = Start_response()
    start("204", [])
    assert sent(start)[0] == "204"


def test_repeated_fields_are_all_sent() -> None:
    start = Start_response()
    start.add_header("Link", "<a>")
    start("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    start.add_header("link", "<b>")
    expected = [("Link", "<a>"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("link", "<b>")]
    assert sent(start)[1] == expected


@pytest.mark.parametrize("name", ["Content-Type", "content-length", "Location"])
def test_field_of_which_there_is_one_is_replaced(name: str) -> None:
    start = Start_response()
    start("200 OK", [(name.upper(), "1")])
    start.add_header(name, "2")
    assert sent(start)[1] == [(name, "2")]


def test_numbers_are_taken_as_values() -> None:
    start = Start_response()
    start("200 OK", [("Content-Length", 5)])
    start.add_header("X-N", 7)
    assert sent(start)[1] == [("Content-Length", "5"), ("X-N", "7")]


def test_response_headers_may_be_used_as_a_dict_or_replaced_by_one() -> None:
    start = Start_response()
    start.response_headers["X-A"] = "1"
    start.response_headers["x-a"] = "2"
    assert "X-A" in start.response_headers
    assert dict(start.response_headers) == {"x-a": "2"}
    del start.response_headers["X-a"]
    assert len(start.response_headers) == 0
    start.response_headers = {"X-B": "3"}
    start.add_header("X-C", "4")
    start("200 OK", [])
    assert sent(start)[1] == [("X-B", "3"), ("X-C", "4")]


INJECTIONS = ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\0b", "a\x0bb", "a\x7f"]


@pytest.mark.parametrize("bad", INJECTIONS)
def test_no_value_begins_another_field(bad: str) -> None:
    start = Start_response()
    with pytest.raises(ValueError, match="control characters"):
        start.add_header("X-A", bad)
    with pytest.raises(ValueError, match="control characters"):
        start("200 OK", [("X-A", bad)])
    with pytest.raises(ValueError, match="control characters"):
        start.response_headers["X-A"] = bad
    with pytest.raises(ValueError, match="control characters"):
        Start_response()("200 " + bad, [])
    start.response_headers = {"X-A": bad}
    with pytest.raises(ValueError, match="control characters"):
        sent(start)


def test_value_beyond_latin_1_is_an_error_where_it_is_set() -> None:
    with pytest.raises(ValueError, match="beyond latin-1"):
        Start_response().add_header("X-A", "€")
    with pytest.raises(ValueError, match="beyond latin-1"):
        Start_response().set_cookie("a", "€")
    Start_response().add_header("X-A", "\xff")


@pytest.mark.parametrize("bad", ["", "a b", "a:", "a\r\n", "é", "a\tb"])
def test_no_name_is_anything_else(bad: str) -> None:
    start = Start_response()
    with pytest.raises(ValueError, match="a field cannot be called"):
        start.add_header(bad, "1")
    assert sent(start)[1] == [("Content-Type", "text/html")]


@pytest.mark.parametrize(
    "call",
    [
        lambda start: start(200, []),
        lambda start: start("200 OK", [("a",)]),
        lambda start: start("200 OK", ["ab"]),
        lambda start: start("200 OK", [(None, "b")]),
        lambda start: start("200 OK", [("a", ["b"])]),
        lambda start: start.add_header("a", ()),
    ],
)
def test_wrong_types_are_type_errors(call: Any) -> None:
    with pytest.raises(TypeError, match="must be a"):
        call(Start_response())


# ---- PEP 3333 ------------------------------------------------------------------------------------


def fail() -> Any:
    try:
        raise LookupError("broken")
    except LookupError:
        return sys.exc_info()


def test_second_call_is_merged_as_fapws3_did_it_and_loses_no_cookie() -> None:
    start = Start_response()
    start("404 Not Found", [("Content-Type", "text/html"), ("X-A", "1"), ("X-B", "1"), ("Set-Cookie", "a=1")])
    start("200 OK", [("x-b", "2"), ("x-b", "3"), ("Set-Cookie", "b=1"), ("content-type", "text/plain")])
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=1")]
    rest = [("X-A", "1"), ("x-b", "2"), ("x-b", "3"), ("content-type", "text/plain")]
    status, fields = sent(start)
    assert status == "200 OK" and sorted(fields) == sorted([*rest, *cookies])
    with pytest.raises(AssertionError, match="called twice"):
        start("200 OK", [])


def test_second_call_that_is_wrong_changes_no_field() -> None:
    start = Start_response()
    start("200 OK", [("X-A", "1")])
    with pytest.raises(ValueError, match="control characters"):
        start("200 OK", [("X-A", "2"), ("X-B", "a\r\nb")])
    assert sent(start)[1] == [("X-A", "1")]


def test_bytes_numbers_and_none_are_taken_as_fapws3_took_them() -> None:
    start = Start_response()
    start(b"404 Not Found", [(b"X-A", b"\xe9"), ("ETag", 1.5), (b"X-N", 7), ("Content-Type", None)])
    start.add_header(b"X-B", b"b")
    start.add_header("X-C", None)
    start.set_cookie(b"k", b"v", path="/p")
    assert start.status_code == "404"
    fields = [("X-A", "\xe9"), ("ETag", "1.5"), ("X-N", "7"), ("X-B", "b"), ("Set-Cookie", "k=v; Path=/p")]
    assert sent(start) == ("404 Not Found", fields)
    for bad in (b"a\r\nb", b"a\0"):
        with pytest.raises(ValueError, match="control characters"):
            Start_response().add_header(b"X-A", bad)
        with pytest.raises(ValueError, match="control characters"):
            Start_response()(b"200 " + bad, [])
    with pytest.raises(ValueError, match="cannot be called"):
        Start_response().add_header(b"X A", b"")


def test_status_may_be_set_as_bytes() -> None:
    start = Start_response()
    start.status_code, start.status_reasons = b"418", b"Teapot"
    assert sent(start)[0] == "418 Teapot"
    start = Start_response()
    start.status_code = 418
    assert sent(start)[0] == "418 OK"
    start = Start_response()
    start.status_reasons = b"a\nb"
    with pytest.raises(ValueError, match="control characters"):
        sent(start)


def test_exc_info_replaces_all() -> None:
    start = Start_response()
    start("200 OK", [("X-A", "1")])
    start("500 Oops", [("X-B", "2")], fail())
    assert start.exc_info[0] is LookupError
    assert sent(start) == ("500 Oops", [("X-B", "2")])
    assert start.exc_info is None, "a traceback that is kept holds frames and this object"


def test_exc_info_after_the_head_goes_to_the_server() -> None:
    start = Start_response()
    start("200 OK", [])
    late: list[Any] = []

    def server_start(status: str, fields: Any, exc_info: Any = None) -> Any:
        if exc_info:
            late.append(status)
            raise exc_info[1]
        return late.append

    start.server_start = server_start
    start.write(b"x")
    with pytest.raises(LookupError, match="broken"):
        start("500 Oops", [], fail())
    assert late == [b"x", "500 Oops"]


def test_exc_info_takes_cookies_back_whichever_way_they_were_set() -> None:
    start = Start_response()
    start.set_cookie("a", "1")
    start.add_header("Set-Cookie", "b=2")
    start("500 Oops", [("Set-Cookie", "c=3")], fail())
    assert sent(start) == ("500 Oops", [("Set-Cookie", "c=3")])


def test_head_that_is_replaced_before_any_content_is_as_complete_as_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "SERVER_IDENT", "mine")
    heads: list[Any] = []
    start = Start_response()
    start.server_start = lambda status, fields, exc_info=None: heads.append((status, fields))
    start.set_cookie("a", "1")
    start.send_head(text=True)  # a generator whose first piece is ""
    start("500 Oops", [("Content-Type", "text/plain")], fail())
    assert heads[1] == ("500 Oops", [("Content-Type", "text/plain; charset=utf-8"), ("Server", "mine")])
    assert start.exc_info is None


def test_field_names_are_checked_however_often_they_come() -> None:
    for _ in range(2):
        for pair in (("X-A", "a\nb"), ("X:A", "b"), ("X-A", "\u20ac"), (["X"], "a")):
            with pytest.raises((ValueError, TypeError)):
                Start_response()("200 OK", [pair])
        start = Start_response()
        start("200 OK", [("content-length", "1"), ("X-A", "a"), ("Content-Length", 2), ("x-a", "b")])
        assert sent(start)[1] == [("X-A", "a"), ("Content-Length", "2"), ("x-a", "b")]
        start = Start_response()
        start("200 OK", [("Content-Type", "a"), ("Content-Type", "b")])
        assert sent(start)[1] == [("Content-Type", "b")]


def test_status_that_would_begin_a_field_is_refused_however_it_was_set() -> None:
    start = Start_response()
    start.status_reasons = "OK\r\nX-A: b"
    with pytest.raises(ValueError, match="control"):
        sent(start)


def test_write_sends_head_and_content_once() -> None:
    start = Start_response()
    calls: list[Any] = []
    start.server_start = lambda status, fields, exc_info=None: calls.append(fields) or calls.append
    write = start("200 OK", [("Content-Type", "text/plain")])
    write("é")
    write(b"b")
    assert calls == [[("Content-Type", "text/plain; charset=utf-8")], "é".encode(), b"b"]


def test_write_outside_of_a_request_says_so() -> None:
    with pytest.raises(RuntimeError, match="request"):
        Start_response()("200 OK", [])(b"x")


def test_subclass_that_calls_nothing_of_ours_still_answers() -> None:
    class Own(Start_response):
        def __init__(self) -> None:
            pass

        def __call__(self, status: str, response_headers: Any, exc_info: Any = None) -> Any:
            self.status_code, self.status_reasons = status.split(" ", 1)
            self.response_headers = dict(response_headers)
            self.started = True

    assert sent(Own()) == ("200 OK", [("Content-Type", "text/html")])
    own = Own()
    own("201 Created", [("X-A", "1")])
    assert sent(own) == ("201 Created", [("X-A", "1")])
    own = Own()
    own.add_header("X-A", "1")
    assert ("X-A", "1") in sent(own)[1]


def test_str_is_the_head() -> None:
    start = Start_response()
    start("200 OK", [("X-A", "1")])
    start.set_cookie("a", "1")
    assert str(start) == "HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie: a=1; Path=/\r\n\r\n"


# ---- Cookies -------------------------------------------------------------------------------------


def test_each_cookie_is_a_field() -> None:
    start = Start_response()
    start.set_cookie("a", "1")
    start.set_cookie("b", "2", 5, EPOCH, "/x", "example.com", True)
    start.set_cookie("a", "3", path=None)
    assert cookies(start) == [
        f"b=2; Domain=example.com; expires={EPOCH}; Max-Age=5; Path=/x; Secure",
        "a=3",
    ]


def test_cookie_that_is_deleted_ends_at_once() -> None:
    start = Start_response()
    start.delete_cookie("a")
    assert cookies(start) == ['a=""; Max-Age=0; Path=/']


def test_times_of_cookies() -> None:
    utc = datetime.timezone.utc
    for expires in (1, 1.0, datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=utc)):
        start = Start_response()
        start.set_cookie("a", "1", expires=expires)
        assert "expires=Thu, 01 Jan 1970 00:00:01 GMT" in cookies(start)[0]
    with pytest.raises(TypeError, match="seconds or a datetime"):
        Start_response().set_cookie("a", "1", expires=[1])


@pytest.mark.parametrize("bad", INJECTIONS)
@pytest.mark.parametrize("where", ["key", "value", "path", "domain", "expires"])
def test_no_cookie_begins_another_field(where: str, bad: str) -> None:
    start = Start_response()
    given: dict[str, Any] = {"key": "a", "value": "1", where: bad}
    with pytest.raises(ValueError, match="characters"):
        start.set_cookie(**given)
    assert not cookies(start)


@pytest.mark.parametrize("where", ["path", "domain", "expires"])
def test_no_parameter_of_a_cookie_begins_another(where: str) -> None:
    given: dict[str, Any] = {where: "x; Domain=evil.example"}
    with pytest.raises(ValueError, match="characters that would end"):
        Start_response().set_cookie("a", "1", **given)


@pytest.mark.parametrize("key", ["", "a b", "a;b", "a=b", "é", "path"])
def test_cookie_needs_a_name(key: str) -> None:
    with pytest.raises(ValueError, match="cookie cannot be called"):
        Start_response().set_cookie(key, "1")


def test_cookie_that_a_program_put_into_the_jar_itself_is_checked_too() -> None:
    start = Start_response()
    start.cookies = SimpleCookie()
    start.cookies["a"] = "1"
    try:
        start.cookies["a"]["path"] = "/\r\nX: 1"
    except Exception:  # newer Pythons refuse it themselves
        return
    with pytest.raises(ValueError, match=r"control characters|[Cc]ontrol"):
        sent(start)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30))
def test_value_of_a_cookie_comes_back(value: str) -> None:
    start = Start_response()
    start.set_cookie("a", value, path=None)
    assert base.parse_cookies({"HTTP_COOKIE": cookies(start)[0]})["a"].value == value


@given(
    st.dictionaries(st.sampled_from(["key", "value", "path", "domain", "expires"]), st.text(max_size=10)),
    st.text(max_size=10),
)
def test_whatever_is_set_stays_in_its_field(cookie: dict[str, Any], value: str) -> None:
    start = Start_response()
    for call in (lambda: start.set_cookie(**{"key": "a", **cookie}), lambda: start.add_header("X", value)):
        with contextlib.suppress(ValueError):
            call()
    status, fields = start.status_and_fields()
    text = "".join(f"{name}:{content}" for name, content in fields)
    assert text.encode("latin-1") and not set(text) & set("\r\n\0") if fields else status
    assert all(content.count(";") <= 5 for _, content in fields if _ == "Set-Cookie")


def test_cookies_are_read() -> None:
    jar = base.parse_cookies({"HTTP_COOKIE": 'a=1; b="x y"; path=/; c=d=e'})
    assert {name: morsel.value for name, morsel in jar.items()} == {"a": "1", "b": "x y", "c": "d=e"}
    assert base.parse_cookies({}) is None
    assert base.parse_cookies({"HTTP_COOKIE": ""}) is None


def test_malformed_cookie_does_not_hide_the_others() -> None:
    jar = base.parse_cookies({"HTTP_COOKIE": "a=1; bad name=2; novalue; =x; é=1; z=9"})
    assert sorted(jar) == ["a", "z"]


# ---- The rest ------------------------------------------------------------------------------------


def test_date_format_is_used_and_the_default_ignores_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda *given: "in the locale's words")
    assert format_date(0) == EPOCH
    monkeypatch.undo()
    monkeypatch.setattr(config, "date_format", "%Y")
    assert format_date(0) == "1970"
    assert locale.setlocale(locale.LC_TIME)  # untouched


def test_get_status() -> None:
    assert base.get_status(404) == "404 Not Found"
    assert base.get_status("200") == "200 OK"
    with pytest.raises(KeyError):
        base.get_status(799)


def test_split_len() -> None:
    assert base.split_len("abcde", 2) == ["ab", "cd", "e"]
    assert base.split_len(b"", 2) == []
    with pytest.raises(ValueError, match="1 or more"):
        base.split_len("a", 0)


def test_stderr_is_kept_and_still_reaches_the_log() -> None:
    source = (
        "import sys; from fapws import base; base.redirectStdErr(); base.redirectStdErr()\n"
        "print('told', file=sys.stderr); print('x' * 100000, file=sys.stderr); sys.stderr.flush()\n"
        "assert sys.stderr.getvalue() == 'x' * (base.CAPTURED_MAX - 1) + '\\n'\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert (done.returncode, done.stderr[:5]) == (0, "told\n")


def test_environ_takes_what_the_hooks_are_given() -> None:
    environ = base.Environ()
    environ.update_headers({"HTTP_A": "1"})
    environ.update_uri({"PATH_INFO": "/"})
    environ.update_from_request({"wsgi.input": None})
    assert environ == {"HTTP_A": "1", "PATH_INFO": "/", "wsgi.input": None}


@given(st.lists(st.tuples(st.sampled_from(["A", "a", "B", "Content-Type", "content-type"]), st.just("x"))))
def test_fields_keep_order_and_repeats(pairs: list[tuple[str, str]]) -> None:
    fields = Fields(pairs)
    assert [pair for pair in fields.pairs() if pair[0].lower() != "content-type"] == [
        pair for pair in pairs if pair[0].lower() != "content-type"
    ]
    assert sum(name.lower() == "content-type" for name, _ in fields.pairs()) <= 1
    assert len(fields) == len(list(fields)) == len({name.lower() for name, _ in pairs})
    assert all(fields[name] == "x" for name, _ in pairs)
