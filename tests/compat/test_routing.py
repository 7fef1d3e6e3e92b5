"""PATHS: routing and what its objects may return, checked by wsgiref.validate around them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws import base
from fapws.compat.paths import Paths, of_program
from fapws.wsgi.file_wrapper import FileWrapper

Answer = tuple[str, dict[str, str], bytes]


def ask(paths: Any, path: str = "/", strict: bool = False, **environ: Any) -> Answer:
    """The answer of PATHS to one request, as (status, headers, content)."""
    application = validator(Paths(paths, strict=strict))
    head: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and head:
            raise exc_info[1]
        head[:] = [status, dict(headers)]
        return written.append

    environ = {"PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", **environ}
    setup_testing_defaults(environ)
    result = application(environ, start_response)
    try:
        content = b"".join(result)
    finally:
        result.close()  # type: ignore[attr-defined]
    return head[0], head[1], b"".join(written) + content


def returning(value: Any) -> list[Any]:
    return [("/", lambda environ, start_response: value)]


def where(environ: Any, start_response: Any) -> str:
    return f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}"


# ---- Routing -------------------------------------------------------------------------------------

ROUTES = [("/env", where), ("/a/b", where), ("/a", where), ("/", where)]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/env", "/env|"),
        ("/envZZZ", "/env|ZZZ"),
        ("/env/x", "/env|/x"),
        ("/a/b/c", "/a/b|/c"),
        ("/a/c", "/a|/c"),
        ("/foo", "/|foo"),
        ("/", "/|"),
    ],
)
def test_first_prefix_that_matches_wins(path: str, told: str) -> None:
    seen: list[str] = []
    app = Paths(ROUTES)
    environ = {"PATH_INFO": path, "SCRIPT_NAME": ""}
    body = app(environ, lambda *head: seen.append(head[0]) or print)  # type: ignore[func-returns-value]
    assert (seen, list(body)) == (["200 OK"], [told.encode()])


def test_list_order_counts_not_length() -> None:
    app = Paths([("/", where), ("/env", where)])
    assert list(app({"PATH_INFO": "/env"}, lambda *head: print)) == [b"/|env"]


@pytest.mark.parametrize("key", ["REQUEST_URI", "RAW_URI", "fapws.uri"])
def test_raw_target_is_matched_and_the_rest_decoded(key: str) -> None:
    def run(target: str, path: str) -> bytes:
        environ = {key: target, "PATH_INFO": path}
        return b"".join(Paths(ROUTES)(environ, lambda *head: print))

    assert run("/env%20x?q=/a", "/env x") == b"/env| x"
    assert run("/%65nv", "/env") == b"/|env"
    assert run("/env%2525", "/env%25") == b"/env|%25"
    assert run("/%C3%A9", "/\xc3\xa9") == "/|\xc3\xa9".encode()
    assert run("/proxy/env?q", "/env") == b"/env|"


def test_path_is_not_decoded_twice() -> None:
    assert list(Paths(ROUTES)({"PATH_INFO": "/env%41%zz%"}, lambda *head: print)) == [b"/env|%41%zz%"]


def test_script_name_of_the_pool_stays_in_front() -> None:
    environ = {"SCRIPT_NAME": "/blog", "PATH_INFO": "/env/x", "REQUEST_URI": "/blog/env/x"}
    assert list(Paths(ROUTES)(environ, lambda *head: print)) == [b"/blog/env|/x"]


def test_no_match_is_404() -> None:
    status, headers, content = ask([("/env", where)], "/other")
    assert (status, headers["Content-Type"]) == ("404 Not Found", "text/html; charset=utf-8")
    assert b"Not Found" in content
    assert ask([], "/")[0] == "404 Not Found"


# ---- Return types --------------------------------------------------------------------------------


def numbers() -> Iterator[str]:
    yield "1"
    yield "é"


@pytest.mark.parametrize(
    ("make", "content", "kind"),
    [
        (lambda: "é", "é".encode(), "text/html; charset=utf-8"),
        (lambda: b"\xff", b"\xff", "text/html"),
        (lambda: bytearray(b"\xff"), b"\xff", "text/html"),
        (lambda: None, b"", "text/html"),
        (lambda: "", b"", "text/html; charset=utf-8"),
        (list, b"", "text/html"),
        (lambda: ["a", b"b"], b"ab", "text/html; charset=utf-8"),
        (lambda: (b"a", b"b"), b"ab", "text/html"),
        (numbers, "1é".encode(), "text/html; charset=utf-8"),
        (lambda: iter([b"a", "b"]), b"ab", "text/html"),
        (lambda: iter([]), b"", "text/html"),
        (lambda: io.BytesIO(b"x" * 70000), b"x" * 70000, "text/html"),
        (lambda: io.StringIO("é"), "é".encode(), "text/html; charset=utf-8"),
        (lambda: {"k": 1}.keys(), b"k", "text/html; charset=utf-8"),
    ],
)
def test_what_an_object_may_return(make: Any, content: bytes, kind: str) -> None:
    status, headers, got = ask(returning(make()))
    assert (status, headers["Content-Type"], got) == ("200 OK", kind, content)


def test_file_is_closed_afterwards() -> None:
    file = io.BytesIO(b"abc")
    assert ask(returning(file))[2] == b"abc"
    assert file.closed


def test_generator_is_closed_when_the_client_leaves() -> None:
    closed = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    result: Any = Paths(returning(endless()))({"PATH_INFO": "/"}, lambda *head: print)
    next(result)
    result.close()
    result.close()
    assert closed == [True]


def test_iterable_that_fails_at_once_is_closed() -> None:
    class Broken:
        closed = False

        def __iter__(self) -> Any:
            raise RuntimeError("broken")

        def close(self) -> None:
            self.closed = True

    broken = Broken()
    assert ask(returning(broken))[0] == "500 Internal Server Error"
    assert broken.closed


@pytest.mark.parametrize("value", [5, [5], iter([5]), 1.5])
def test_other_answers_are_errors_that_name_the_type(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(returning(value))[0] == "500 Internal Server Error"
    assert re.search(r"answers with str or bytes, not with (int|float)", capsys.readouterr().err)


# ---- start_response ------------------------------------------------------------------------------


def test_start_response_of_the_object_is_used() -> None:
    def created(environ: Any, start_response: Any) -> str:
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-A", "1")])
        return "é"

    status, headers, content = ask([("/", created)])
    assert status == "201 Created"
    assert headers == {"Content-Type": "text/plain; charset=utf-8", "X-A": "1"}
    assert content == "é".encode()


@pytest.mark.parametrize("kind", ["text/html; charset=latin-1", "application/json"])
def test_content_type_that_needs_no_charset_stays(kind: str) -> None:
    def typed(environ: Any, start_response: Any) -> str:
        start_response("200 OK", [("Content-Type", kind)])
        return "{}"

    assert ask([("/", typed)])[1] == {"Content-Type": kind}


def test_generator_may_start_the_response_itself() -> None:
    def late(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("202 Accepted", [("Content-Type", "text/plain")])
        yield b"late"

    assert ask([("/", late)]) == ("202 Accepted", {"Content-Type": "text/plain"}, b"late")


def test_write_callable() -> None:
    def writing(environ: Any, start_response: Any) -> str:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a")
        write("b")
        return "c"

    assert ask([("/", writing)])[2] == b"abc"


def test_start_response_again_is_merged_until_the_head_is_sent() -> None:
    def twice(environ: Any, start_response: Any) -> str:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise RuntimeError
        except RuntimeError:
            import sys

            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return "x"

    assert ask([("/", twice)])[0] == "500 Oops"

    def merged(environ: Any, start_response: Any) -> str:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("X-A", "1")])
        start_response("202 Accepted", [("X-B", "2")])
        return "x"

    status, fields, _ = ask([("/", merged)])
    assert (status, fields["X-A"], fields["X-B"]) == ("202 Accepted", "1", "2")

    def wrong(environ: Any, start_response: Any) -> Iterator[str]:
        start_response("200 OK", [("Content-Type", "text/plain")])("sent")
        start_response("200 OK", [])
        yield "x"

    with pytest.raises(AssertionError, match="called twice"):
        ask([("/", wrong)])


def test_exc_info_after_the_head_is_raised_by_the_server() -> None:
    def failing(environ: Any, start_response: Any) -> str:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a")
        try:
            raise LookupError("too late")
        except LookupError:
            import sys

            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return "x"

    with pytest.raises(LookupError, match="too late"):
        ask([("/", failing)])


def test_wsgi_application_inside_paths_finds_a_wsgi_server() -> None:
    def inner(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"returned"]

    assert ask([("/", validator(inner))], strict=True)[2] == b"written returned"


PREFIXES = st.text("/ab", max_size=4).map(lambda text: "/" + text)


@given(st.lists(PREFIXES, max_size=4), PREFIXES, st.booleans())
def test_routing_is_the_rule_as_it_is_written(prefixes: list[str], path: str, strict: bool) -> None:
    expected = "404"
    for prefix in prefixes:
        mount = prefix.rstrip("/") if strict else prefix
        boundary = path == mount or path.startswith(mount + "/")
        if path.startswith(prefix) and (boundary or not strict):
            expected = f"{mount}|{path[len(mount) :]}"
            break
    heads: list[str] = []
    app = Paths([(prefix, where) for prefix in prefixes], strict=strict)
    body = app({"PATH_INFO": path}, lambda *head: heads.append(head[0]) or print)  # type: ignore[func-returns-value]
    assert (heads[0][:3] if heads[0] != "200 OK" else next(iter(body)).decode()) == expected


# ---- The list itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (None, "PATHS must be a list of .* not NoneType"),
        ({"/": print}, "not dict"),
        ([("/", print), "/a"], r"PATHS\[1\] = '/a' is not a \(prefix, callable\) pair"),
        ([("/", print, 1)], r"PATHS\[0\].* is not a \(prefix, callable\) pair"),
        ([(1, print)], r"PATHS\[0\].*must be a str, not int"),
        ([(b"a", print)], r"PATHS\[0\].*must begin with /"),
        ([("a", print)], r"PATHS\[0\].*must begin with /"),
        ([("/", "hello")], r"PATHS\[0\].*str is not callable"),
    ],
)
def test_wrong_list_names_the_entry(paths: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        Paths(paths)


# ---- Routes added later, fallback, WSGI's rule ---------------------------------------------------


def test_route_is_added_behind_the_others() -> None:
    app = Paths([("/a", where)])
    app.add("/ab", where)
    app.add("/c", where)
    assert list(app({"PATH_INFO": "/abc"}, lambda *head: print)) == [b"/a|bc"]
    assert list(app({"PATH_INFO": "/c"}, lambda *head: print)) == [b"/c|"]
    with pytest.raises(TypeError, match="route '/d': str is not callable"):
        app.add("/d", "no")  # type: ignore[arg-type]


def test_fallback_serves_what_no_prefix_matches() -> None:
    app = Paths([("/a", where)])
    app.fallback = where
    assert list(app({"PATH_INFO": "/b/c", "SCRIPT_NAME": ""}, lambda *head: print)) == [b"|/b/c"]
    assert list(app({"PATH_INFO": "/a/c", "SCRIPT_NAME": ""}, lambda *head: print)) == [b"/a|/c"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/env", "/env|"),
        ("/env/", "/env|/"),
        ("/envZZZ", "|/envZZZ"),
        ("/env/x", "/env|/x"),
        ("/a/b/c", "/a/b|/c"),
        ("/a/bc", "/a|/bc"),
        ("/foo", "|/foo"),
        ("/", "|/"),
    ],
)
def test_strict_routes_end_at_a_slash(path: str, told: str) -> None:
    app = Paths(ROUTES, strict=True)
    assert list(app({"PATH_INFO": path, "SCRIPT_NAME": ""}, lambda *head: print)) == [told.encode()]
    slashed = Paths([("/env/", where), *ROUTES], strict=True)
    assert list(slashed({"PATH_INFO": path, "SCRIPT_NAME": ""}, lambda *head: print)) == [told.encode()]


def test_a_wrapped_file_goes_to_the_server_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        wrapper = FileWrapper(file)
        head: list[Any] = []
        served = Paths([("/", lambda environ, start_response: wrapper)])
        result = served({"PATH_INFO": "/"}, lambda *given: head.append(given) or len)
        assert result is wrapper  # or it could not be sent by the system
        assert head[0][0] == "200 OK"


# ---- What a program brings along -----------------------------------------------------------------


class OldStart:
    """A start_response that has nothing but what fapws3's server looked at."""

    def __init__(self) -> None:
        self.status_code, self.status_reasons = "200", "OK"
        self.response_headers: dict[str, str] = {}
        self.cookies = None

    def __call__(self, status: str, headers: Any, exc_info: Any = None) -> None:
        self.status_code, self.status_reasons = status.split(" ", 1)
        self.response_headers.update(headers)


def ask_plainly(app: Paths, **environ: Any) -> Any:
    """Status and fields, without asking for what wsgiref wants of a start_response."""
    heads: list[Any] = []
    app({"PATH_INFO": "/", **environ}, lambda *head: heads.append(head) or print)  # type: ignore[func-returns-value]
    return heads[0]


def test_start_response_need_not_be_of_our_class() -> None:
    def created(environ: Any, start_response: Any) -> str:
        assert type(start_response) is OldStart
        start_response("201 Created", [("X-A", "1"), ("Content-Type", "text/plain")])
        return "é"

    app = Paths([("/", created)], start_class=OldStart)
    fields = [("X-A", "1"), ("Content-Type", "text/plain; charset=utf-8")]
    assert ask_plainly(app) == ("201 Created", fields)


def test_base_module_of_the_program_decides_on_methods_and_settings() -> None:
    class Base:
        supported_HTTP_command: ClassVar[list[str]] = ["BREW"]

        class config:
            SERVER_IDENT = "own"

    app = Paths([("/", where)], base=Base)
    assert ask_plainly(app, REQUEST_METHOD="GET")[0] == "501 Not Implemented"
    status, fields = ask_plainly(app, REQUEST_METHOD="BREW")
    assert (status, dict(fields)["Server"]) == ("200 OK", "own")


def test_original_environ_costs_no_copy_and_its_subclass_is_made_for_each_request() -> None:
    seen: list[Any] = []

    def look(environ: Any, start_response: Any) -> None:
        seen.append(environ)

    class Own(base.Environ):
        pass

    class Patched(base.Environ):
        def update_uri(self, data: dict[str, Any]) -> None:
            """Keeps nothing of it."""

    given: dict[str, Any] = {"PATH_INFO": "/", "HTTP_A": "1"}
    for environ_class in (None, base.Environ, Own, Patched):
        Paths([("/", look)], environ_class)(dict(given), lambda *head: print)
    assert [type(environ) for environ in seen] == [dict, dict, Own, Patched]
    assert seen[2] == seen[0] and "PATH_INFO" not in seen[3] and seen[3]["HTTP_A"] == "1"


def test_script_brings_its_subclasses_and_nothing_else_of_that_name() -> None:
    class Own(base.Start_response):
        pass

    seen: list[Any] = []

    def look(environ: Any, start_response: Any) -> None:
        seen.append(type(start_response))

    names: dict[str, Any] = {"PATHS": [("/", look)]}
    for one in (None, base.Start_response, Own, dict, "text"):
        of_program({**names, "Start_response": one}, False)({"PATH_INFO": "/"}, lambda *head: print)
    assert seen == [base.Start_response, base.Start_response, Own, base.Start_response, base.Start_response]
