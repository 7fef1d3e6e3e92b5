"""Applications on the edge of PEP 3333 or beyond, one for each path: both exchanges answer them alike."""

from __future__ import annotations

import itertools
import sys
from typing import Any, Callable

Start = Callable[..., Any]
KEPT: list[Start] = []


class Headers(list):  # type: ignore[type-arg]
    """Not what a list of its elements would be."""

    def __iter__(self) -> Any:
        return iter([("X-Iterated", "yes")])


class RaisingHeaders(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise ValueError("these headers cannot be iterated")


class Pair(tuple):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(("X-Iterated", "yes"))


class Text(str):
    pass


class Bytes(bytes):
    pass


class Pieces:
    """An iterator that is no generator, with a value at its end."""

    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        self.count += 1
        if self.count > 3:
            raise StopIteration(5)
        return b"p%d" % self.count

    def close(self) -> None:
        raise SystemExit("close() ends the program")


def error() -> Any:
    try:
        raise KeyError("late")
    except KeyError:
        return sys.exc_info()


def late(start: Start, *headers: Any) -> list[bytes]:
    """Headers that come into the list behind start_response."""
    given: list[Any] = [("A", "b")]
    start("200 OK", given)
    given += headers
    return [b"x"]


def plain(start: Start, status: Any = "200 OK", headers: Any = (), result: Any = (b"x",)) -> Any:
    start(status, list(headers) if type(headers) is tuple else headers)
    return list(result) if type(result) is tuple else result


def written(start: Start, result: Any) -> Any:
    start("200 OK", [])(b"written ")
    return result


def twice(start: Start, *more: Any, **named: Any) -> list[bytes]:
    start("200 OK", [])
    start("500 Other", [("X", "y")], *more, **named)
    return [b"x"]


def refused_first(start: Start, *more: Any) -> list[bytes]:
    try:
        start("200 OK", ["abc"])
    except TypeError as problem:
        print(problem, file=sys.stderr)
    if more:
        start("200 OK", *more)
    return [b"x"]


def generated(start: Start, *pieces: Any, headers: Any = ()) -> Any:
    """Calls among the pieces are made, exceptions raised."""
    write = start("200 OK", list(headers))
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, list):
            write(*piece)
        elif callable(piece):
            piece()
        else:
            yield piece


def started_late(start: Start) -> Any:
    yield b""
    start("200 OK", [("X-Late", "yes")])
    yield b"x"


def never_started() -> Any:
    yield b"x"


def keep(start: Start) -> list[bytes]:
    KEPT.append(start)
    return plain(start)  # type: ignore[no-any-return]


def kept(start: Start) -> list[bytes]:
    out = []
    for old in KEPT:
        answer: Any = old.__self__  # type: ignore[attr-defined]
        for call in (
            lambda a=answer: a.write(b"x"),
            lambda a=answer: a.write(b""),
            lambda a=answer: a.write("x"),
            lambda a=answer: a.socket_fd(),
            lambda a=answer: a.original_request(),
            lambda o=old: o("200 OK", []),
            lambda o=old: type(o("200 OK", [], error())),
        ):
            try:
                out.append(repr(call()))
            except BaseException as problem:
                out.append(repr(problem))
    return plain(start, result=("\n".join(out).encode(),))  # type: ignore[no-any-return]


def remembered(start: Start) -> list[bytes]:
    answer: Any = start.__self__  # type: ignore[attr-defined]
    names = ("status", "unsent", "spooled", "begun", "empty", "full")
    told = repr([getattr(answer, name) for name in names])
    return plain(start, result=(told.encode(),))  # type: ignore[no-any-return]


def file_of(environ: Any) -> Any:
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


APPLICATIONS: dict[str, Callable[[Any, Start], Any]] = {
    # Headers and status.
    "list_class": lambda e, s: plain(s, headers=Headers([("A", "b")])),
    "list_class_raises": lambda e, s: plain(s, headers=RaisingHeaders([("A", "b")])),
    "pair_class": lambda e, s: plain(s, headers=[Pair(("A", "b"))]),
    "pair_class_late": lambda e, s: late(s, Pair(("A", "b"))),
    "pair_list_late": lambda e, s: late(s, ["C", "d"]),
    "pair_text_late": lambda e, s: late(s, "Cd"),
    "number_late": lambda e, s: late(s, 5),
    "none_late": lambda e, s: late(s, None),
    "pair_of_none": lambda e, s: plain(s, headers=[()]),
    "pair_of_one": lambda e, s: plain(s, headers=[("A",)]),
    "pair_of_three": lambda e, s: plain(s, headers=[("A", "b", "c")]),
    "pair_of_numbers": lambda e, s: plain(s, headers=[(1, 2)]),
    "pair_of_bytes": lambda e, s: plain(s, headers=[("A", b"b")]),
    "pair_with_line_feed": lambda e, s: plain(s, headers=[("A\nb",)]),
    "status_bytes": lambda e, s: plain(s, b"200 OK"),
    "status_class": lambda e, s: plain(s, Text("200 OK"), [(Text("A"), Text("b"))]),
    "status_empty": lambda e, s: plain(s, ""),
    "status_empty_with_headers": lambda e, s: plain(s, "", [("A", "b")]),
    "status_with_line_feed": lambda e, s: plain(s, "200 OK\nA\nb"),
    "value_with_line_feed": lambda e, s: plain(s, headers=[("A", "b\nC")]),
    "value_with_return": lambda e, s: plain(s, headers=[("A", "b\rC")]),
    "value_with_nul": lambda e, s: plain(s, headers=[("A", "b\0C")]),
    "value_latin": lambda e, s: plain(s, headers=[("A", "\xe9\xff")]),
    "value_beyond_latin": lambda e, s: plain(s, headers=[("A", "\u20ac")]),
    "value_surrogate": lambda e, s: plain(s, headers=[("A", "\udcff")]),
    "value_large": lambda e, s: plain(s, headers=[("A", "b" * 5000)]),
    "hop_by_hop": lambda e, s: plain(s, headers=[("Connection", "close"), ("X", "y")]),
    "no_content": lambda e, s: plain(s, "204 No Content"),
    "too_much": lambda e, s: plain(s, headers=[("Content-Length", "1")], result=(b"abc",)),
    "too_little": lambda e, s: plain(s, headers=[("Content-Length", "9")], result=(b"abc",)),
    # Calls of start_response.
    "never": lambda e, s: [b"x"],
    "twice": lambda e, s: twice(s),
    "twice_with_error": lambda e, s: twice(s, error()),
    "twice_with_error_named": lambda e, s: twice(s, exc_info=error()),
    "named": lambda e, s: (s(status="200 OK", headers=[("A", "b")]), [b"x"])[1],
    "named_none": lambda e, s: (s("200 OK", [], exc_info=None), [b"x"])[1],
    "named_wrongly": lambda e, s: s("200 OK", [], other=None),
    "too_few": lambda e, s: s("200 OK"),
    "too_many": lambda e, s: s("200 OK", [], None, 4),
    "error_is_number": lambda e, s: s("200 OK", [], 4),
    "error_is_empty": lambda e, s: s("200 OK", [], ()),
    "headers_are_tuple": lambda e, s: s("200 OK", (("A", "b"),)),
    "refused": lambda e, s: refused_first(s),
    "refused_again": lambda e, s: refused_first(s, []),
    "refused_with_error": lambda e, s: refused_first(s, [], error()),
    "keep": lambda e, s: keep(s),
    "kept": lambda e, s: kept(s),
    "remembered": lambda e, s: remembered(s),
    # Results.
    "bytes_class": lambda e, s: plain(s, result=[Bytes(b"x")]),
    "bytearray": lambda e, s: plain(s, result=[bytearray(b"x")]),
    "memoryview": lambda e, s: plain(s, result=[memoryview(b"x")]),
    "text": lambda e, s: plain(s, result="x"),
    "text_in_list": lambda e, s: plain(s, result=["x"]),
    "bytes": lambda e, s: plain(s, result=b"x"),
    "none": lambda e, s: plain(s, result=None),
    "number": lambda e, s: plain(s, result=5),
    "dict": lambda e, s: plain(s, result={b"a": 1, b"b": 2}),
    "empty": lambda e, s: plain(s, result=[]),
    "two": lambda e, s: plain(s, result=[b"a", b"b"]),
    "interrupt": lambda e, s: plain(s, result=iter(KeyboardInterrupt, 1)),
    "file": lambda e, s: plain(s, result=file_of(e)),
    "file_never_started": lambda e, s: file_of(e),
    "file_with_bad_header": lambda e, s: plain(s, headers=[("A",)], result=file_of(e)),
    "file_with_number": lambda e, s: plain(s, headers=[(1, "x")], result=file_of(e)),
    # Streams.
    "pieces": lambda e, s: plain(s, result=Pieces()),
    "map": lambda e, s: plain(s, result=map(bytes, [b"a", b"", b"c"])),
    "map_raises": lambda e, s: plain(s, result=map(bytes, [b"a", 0.5])),
    "repeat": lambda e, s: plain(s, result=itertools.repeat(b"z" * 5000, 500)),
    "generated": lambda e, s: generated(s, b"a", b"", Bytes(b"c"), bytearray(b"d"), b"e"),
    "generated_text": lambda e, s: generated(s, b"a", "b", b"c"),
    "generated_error": lambda e, s: generated(s, b"a", b"b", KeyError("in a stream")),
    "generated_exit": lambda e, s: generated(s, b"a", b"b", SystemExit(3)),
    "generated_stop": lambda e, s: generated(s, b"a", b"b", StopIteration()),
    "generated_beside_write": lambda e, s: generated(s, [b"1"], b"a", [b"2"], b"b", [b"3"]),
    "generated_too_much": lambda e, s: generated(s, b"ab", b"cd", headers=[("Content-Length", "3")]),
    "generated_too_little": lambda e, s: generated(s, b"ab", headers=[("Content-Length", "9")]),
    "generated_again": lambda e, s: generated(s, b"a", lambda: s("200 OK", [])),
    "generated_with_error": lambda e, s: generated(s, b"a", lambda: s("200 OK", [], error())),
    "started_late": lambda e, s: started_late(s),
    "never_started": lambda e, s: never_started(),
    "written": lambda e, s: written(s, []),
    "written_text": lambda e, s: s("200 OK", [])("abc"),
    "written_before_one": lambda e, s: written(s, [b"d"]),
    "written_before_two": lambda e, s: written(s, [b"d", b"e"]),
    "written_then_error": lambda e, s: written(s, lambda: 0)(),
}


def application(environ: Any, start_response: Start) -> Any:
    name = environ["PATH_INFO"][1:]
    if name == "mark":
        print("MARK", environ["QUERY_STRING"], "", file=sys.stderr, flush=True)
        return plain(start_response)
    return APPLICATIONS[name](environ, start_response)
