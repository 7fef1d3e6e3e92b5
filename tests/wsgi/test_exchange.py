"""The two exchanges, in Python and in C, give the same records of the same batch (csrc/fapws.h, fw_poll)."""

from __future__ import annotations

import gc
import inspect
import os
import sys
import types
import weakref
from typing import Any

import pytest
from fapws._core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from fapws.wsgi import exchange
from fapws.wsgi.environ import Shape, make_shape, with_room
from fapws.wsgi.response import Response

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython" or os.environ.get("FAPWS_PURE", "0") not in ("", "0"),
    reason="there is no accelerator on PyPy, and none with FAPWS_PURE=1",
)

BASES = [{"SCRIPT_NAME": "", "wsgi.version": (1, 0), "wsgi.errors": sys.stderr}]
SHAPES = ("GET:1.1:0", "GET:1.1:0:Host:User-Agent", "POST:1.0:0:Host:Content-Type:Content-Length:X-A")
EVENTS = {
    lib.FW_SHAPE: 1,
    lib.FW_WRITABLE: 0,
    lib.FW_GONE: 0,
    lib.FW_WAKE: 0,
    lib.FW_STARVED: 0,
    lib.FW_DEBUG: 4,
    lib.FW_LOG_LOST: 0,
    lib.FW_FAULT: 2,
}

VALUE = st.one_of(
    st.sampled_from(["", "a", "/", "/index.html", "Mozilla/5.0", "x" * 256, "y" * 257, "z" * 5000]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=300),
)


@st.composite
def records(draw: st.DrawFn) -> tuple[int, int, int, list[str]]:
    """Kind, connection, content, fields."""
    connection = draw(st.integers(0, 2**63 - 1))
    content = draw(st.sampled_from([0, 0, 1, 65536, lib.FW_SPOOLED]))
    kind = draw(st.sampled_from([0, 1, 2, lib.FW_REQUEST, lib.FW_REQUEST_RAW, *EVENTS]))
    if kind in EVENTS:
        return kind, connection, content, draw(st.lists(VALUE, min_size=EVENTS[kind], max_size=EVENTS[kind]))
    shape = SHAPES[kind] if kind >= 0 else draw(st.sampled_from([*SHAPES, "PUT:1.1:0:A:A:a"]))
    values = draw(st.lists(VALUE, min_size=shape.count(":") + 3, max_size=shape.count(":") + 3))
    return kind, connection, content, values if kind >= 0 else [shape, *values]


Batch = list[tuple[int, int, int, list[str]]]


class Pair:
    """Both exchanges over one piece of memory, each with shapes of its own."""

    def __init__(self) -> None:
        self._records = ffi.new("int64_t[4096]")
        self._text = ffi.new("char[1048576]")
        self.view = types.SimpleNamespace(
            records=self._records, record_words=4096, text=self._text, text_size=1048576
        )
        self.pure = exchange.PureExchange(Response, self.shapes(), self.view, ffi.NULL)
        self.fast = exchange.make_exchange(Response, self.shapes(), self.view, ffi.NULL)
        assert type(self.fast) is not type(self.pure)

    @staticmethod
    def shapes() -> list[Shape | None]:
        return [with_room(make_shape(text, BASES)) for text in SHAPES]

    def put(self, batch: Batch) -> None:
        """Writes a batch as the core does."""
        text = "\n".join(field for record in batch for field in record[3]).encode("latin-1")
        ffi.memmove(self._text, text, len(text))
        self._records[0] = len(text)
        for number, record in enumerate(batch):
            for word in range(3):
                self._records[1 + 3 * number + word] = record[word]

    def taken(self, by: Any, count: int) -> list[Any]:
        """What an exchange makes of the batch; an answer is shown as its connection."""
        out = []
        for kind, answer, content, what in by.take(count):
            connection = answer if kind < lib.FW_REQUEST_RAW else answer.connection
            fields = what if kind >= 0 else [next(what) for _ in range(self.fields_of(kind, out))]
            out.append((kind, connection, content, fields))
        return out

    def fields_of(self, kind: int, before: list[Any]) -> int:
        return len(self.batch[len(before)][3])

    def check(self, batch: Batch) -> None:
        self.batch = batch
        self.put(batch)
        pure = self.taken(self.pure, len(batch))
        assert self.view.records[0] < 0, "it is marked as taken"
        self.put(batch)
        fast = self.taken(self.fast, len(batch))
        assert self.view.records[0] < 0
        assert pure == fast
        for mine, theirs in zip(pure, fast):
            if mine[0] >= 0:
                assert list(map(type, mine[3].values())) == list(map(type, theirs[3].values()))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(records(), max_size=8), min_size=1, max_size=4))
def test_both_give_the_same_records(batches: list[Batch]) -> None:
    pair = Pair()
    for batch in batches:
        pair.check(batch)


def test_environ_of_a_request_does_not_reach_the_next() -> None:
    pair = Pair()
    request = [(1, 7, 0, ["/a", "", "/a", "127.0.0.1", "1", "host", "agent"])]
    pair.put(request)
    ((_, _, _, first),) = pair.fast.take(1)
    first["HTTP_HOST"] = "changed"
    first["more"] = "more"
    del first["REMOTE_ADDR"]
    ((_, _, _, second),) = pair.fast.take(1)
    assert second["HTTP_HOST"] == "host"
    assert second["REMOTE_ADDR"] == "127.0.0.1"
    assert "more" not in second


def test_long_values_are_not_kept_for_the_next_request() -> None:
    pair = Pair()
    shapes = pair.shapes()
    fast = exchange.make_exchange(Response, shapes, pair.view, ffi.NULL)
    secret = "s" * 300
    pair.put([(1, 7, 0, ["/a", "", "/a", "127.0.0.1", "1", "host", secret])])
    ((_, _, _, environ),) = fast.take(1)
    assert environ["HTTP_USER_AGENT"] == secret
    assert shapes[1] is not None
    assert secret not in shapes[1].base.values()


def test_shape_that_was_not_told_is_an_error_and_no_crash() -> None:
    pair = Pair()
    fast = exchange.make_exchange(Response, [None] * 64, pair.view, ffi.NULL)
    pair.put([(5, 7, 0, [])])
    with pytest.raises(SystemError, match="shape 5"):
        list(fast.take(1))
    pair.put([(64, 7, 0, [])])
    with pytest.raises(SystemError, match="shape 64"):
        list(fast.take(1))


def test_exchange_takes_only_answers() -> None:
    with pytest.raises(TypeError, match="ResponseBase"):
        exchange.accelerator.Exchange(int, [], 0, 0, 0, 0, 0, 0, 0, 0)
    with pytest.raises(TypeError):
        Pair().fast.respond(1, [b""])
    with pytest.raises(TypeError):
        Pair().fast.original_request(1)


def test_both_ask_the_core_and_return_its_code() -> None:
    pair = Pair()
    pair.put([(0, 7, 0, ["/"] * 5)])
    codes = [by.original_request(answer) for by in (pair.pure, pair.fast) for _, answer, _, _ in by.take(1)]
    assert codes[0] == codes[1] < 0, "there is no core"


def test_nothing_is_left_behind() -> None:
    pair = Pair()
    batch = [(1, 7, 0, ["/a", "q", "/a?q", "127.0.0.1", "1", "host", "agent" * 100])] * 8
    batch += [(lib.FW_DEBUG, 7, 0, ["a", "b", "c", "d"])]
    pair.put(batch)
    for _ in pair.fast.take(9):
        pass
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(1000):
        for _ in pair.fast.take(9):
            pass
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 100


def both_answers() -> list[tuple[Any, Any]]:
    """Each exchange with an answer of its own; there is no core behind them."""
    pair = Pair()
    pair.put([(0, 7, 0, ["/"] * 5)])
    return [(by, answer) for by in (pair.pure, pair.fast) for _, answer, _, _ in by.take(1)]


def test_answer_in_a_circle_of_references_is_collected() -> None:
    class Headers(list):  # type: ignore[type-arg]
        start_response: Any

    given = both_answers()
    while given:
        by, answer = given.pop()
        headers = Headers()
        headers.start_response = answer.start_response
        answer.start_response("200 OK", headers)
        seen = weakref.ref(headers)
        del by, answer, headers
        gc.collect()
        assert seen() is None


def test_start_response_can_be_inspected() -> None:
    for _, answer in both_answers():
        names = list(inspect.signature(answer.start_response).parameters)
        assert names == ["status", "headers", "exc_info"]


def test_what_was_sent_comes_back_with_what_the_core_said() -> None:
    for by, answer in both_answers():
        answer.start_response("200 OK", [("A", "b")])
        body, rest = by.respond(answer, [b"x"])
        assert body == b"x"
        assert rest < 0, "there is no core"


def test_headers_of_other_classes_are_left_to_python() -> None:
    class Odd(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter([("X-Odd", "yes")])

    class Pairs(tuple):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(("X-Odd", "yes"))

    for headers in (Odd([("A", "b")]), [Pairs(("A", "b"))]):
        _, (fast, answer) = both_answers()
        answer.start_response("200 OK", headers)
        assert fast.respond(answer, [b"x"]) is None


@pytest.mark.parametrize("header", [(), ("A",), ("A", "b", "c"), (1, 2), ("A", "\u20ac"), 5])
def test_header_that_is_no_pair_of_text_is_left_to_who_explains_it(header: Any) -> None:
    for by, answer in both_answers():
        headers: list[Any] = []
        answer.start_response("200 OK", headers)
        headers.append(header)
        assert by.respond(answer, [b"x"]) is None


@pytest.mark.parametrize("size", range(4070, 4096))
def test_heads_around_the_limit_of_what_c_joins(size: int) -> None:
    _, (fast, answer) = both_answers()
    answer.start_response("200 OK", [("A", "b" * size)])
    joined = fast.respond(answer, [b"x"]) is not None
    assert joined == (len("200 OK\nA\n") + size + 1 <= 4096)


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_of_a_freed_core_is_touched(number: int) -> None:
    by, answer = both_answers()[number]
    by.release()
    with pytest.raises(ValueError, match=r"released|freed"):
        list(by.take(1))
    assert by.original_request(answer) < 0
    answer.start_response("200 OK", [])
    assert by.respond(answer, [b"x"])[1] < 0
