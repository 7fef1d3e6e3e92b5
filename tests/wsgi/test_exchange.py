"""The two exchanges, in Python and in C, make the same calls of the same batch (csrc/fapws.h, fw_poll)."""

from __future__ import annotations

import gc
import inspect
import os
import resource
import sys
import tempfile
import types
import weakref
from typing import Any, Callable

import pytest
from fapws._core import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from support.accelerated import only_accelerated

from fapws.wsgi import exchange
from fapws.wsgi.accelerated import accelerator
from fapws.wsgi.environ import Shape, make_shape, with_room
from fapws.wsgi.file_wrapper import FileWrapper
from fapws.wsgi.response import Response

pytestmark = only_accelerated

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


class Calls:
    """Application and handler in one: notes what it is called with, in the order of the records."""

    def __init__(self, fields: list[int]) -> None:
        """fields: how many each record has."""
        self._fields = fields
        self.records: list[Any] = []
        self.responses: list[Any] = []
        self.left: list[Any] = []
        """What was not done by the exchange itself."""
        self.result: Any = [b"x"]
        self.start: Any = None
        """What to give to start_response, as a function of it."""
        self._request: Any = None

    def _take(self, fields: Any) -> list[str]:
        return [next(fields) for _ in range(self._fields[len(self.records)])]

    def event(self, kind: int, connection: int, fields: Any) -> None:
        self.records.append((kind, connection, 0, self._take(fields)))

    def uncached_environ(self, kind: int, fields: Any) -> Any:
        self._request = kind, self._take(fields)
        return {}

    def take_content(self, environ: Any, response: Any, content: int, at: int) -> None:
        environ["content"] = content

    def __call__(self, environ: Any, start_response: Any) -> Any:
        response = start_response.__self__
        kind, fields = self._request or ("known", environ)
        self.records.append((kind, response.connection, environ.pop("content", 0), fields))
        self._request = None
        self.responses.append(response)
        if self.start is not None:
            self.start(start_response)
        return self.result

    def respond_otherwise(self, response: Any, result: Any, environ: Any) -> None:
        self.left.append(("otherwise", result))

    def after_respond(self, response: Any, result: Any, body: bytes, rest: int) -> None:
        self.left.append((body, rest))


def serve(by: Any, calls: Any) -> None:
    """What is left of a batch, and no more."""
    by.wait = 0
    assert by.run(calls, calls, ()) == 0


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

    def taken(self, by: Any, batch: Batch) -> Calls:
        """What an exchange calls for the batch."""
        self.put(batch)
        calls = Calls([len(record[3]) for record in batch])
        by.take(len(batch))
        assert self.view.records[0] < 0, "it is marked as taken"
        serve(by, calls)
        assert by.left == 0
        return calls

    def check(self, batch: Batch) -> None:
        pure, fast = self.taken(self.pure, batch).records, self.taken(self.fast, batch).records
        assert len(pure) == len(batch)
        assert pure == fast
        for mine, theirs in zip(pure, fast):
            if mine[0] == "known":
                assert list(map(type, mine[3].values())) == list(map(type, theirs[3].values()))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(records(), max_size=8), min_size=1, max_size=4))
def test_both_give_the_same_records(batches: list[Batch]) -> None:
    pair = Pair()
    for batch in batches:
        pair.check(batch)


REQUEST = (1, 7, 0, ["/a", "", "/a", "127.0.0.1", "1", "host", "agent"])
PLAIN = (0, 7, 0, ["/"] * 5)


def test_environ_of_a_request_does_not_reach_the_next() -> None:
    pair = Pair()
    first = pair.taken(pair.fast, [REQUEST]).records[0][3]
    first["HTTP_HOST"] = "changed"
    first["more"] = "more"
    del first["REMOTE_ADDR"]
    second = pair.taken(pair.fast, [REQUEST]).records[0][3]
    assert second["HTTP_HOST"] == "host"
    assert second["REMOTE_ADDR"] == "127.0.0.1"
    assert "more" not in second


def test_long_values_are_not_kept_for_the_next_request() -> None:
    pair = Pair()
    shapes = pair.shapes()
    fast = exchange.make_exchange(Response, shapes, pair.view, ffi.NULL)
    secret = "s" * 300
    calls = pair.taken(fast, [(1, 7, 0, ["/a", "", "/a", "127.0.0.1", "1", "host", secret])])
    assert calls.records[0][3]["HTTP_USER_AGENT"] == secret
    assert shapes[1] is not None
    assert secret not in shapes[1].base.values()


def test_shape_that_was_not_told_is_an_error_and_no_crash() -> None:
    pair = Pair()
    fast = exchange.make_exchange(Response, [None] * 64, pair.view, ffi.NULL)
    for kind in (5, 64):
        with pytest.raises(SystemError, match=f"shape {kind}"):
            pair.taken(fast, [(kind, 7, 0, [])])
        assert fast.take_failed() is None, "no application was called"


def test_exchange_takes_only_answers() -> None:
    with pytest.raises(TypeError, match="ResponseBase"):
        accelerator.Exchange(int, int, [], *[0] * 14)
    with pytest.raises(TypeError):
        Pair().fast.run(1)
    with pytest.raises(TypeError):
        Pair().fast.original_request(1)


def test_both_ask_the_core_and_return_its_code() -> None:
    pair = Pair()
    codes = [by.original_request(pair.taken(by, [PLAIN]).responses[0]) for by in (pair.pure, pair.fast)]
    assert codes[0] == codes[1] < 0, "there is no core"


class Plain:
    """Application and handler that keep nothing."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.left = False
        """Whether anything was left to Python."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("A", "b")])
        return self.result() if callable(self.result) else self.result

    def event(self, kind: int, connection: int, fields: Any) -> None:
        pass

    def respond_otherwise(self, *given: Any) -> None:
        self.left = True

    after_respond = stream_on = file_on = close = ended = respond_otherwise


class Closing:
    """As frameworks have it."""

    def __init__(self) -> None:
        self._pieces = iter([b"x"])

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        pass


def file_of(size: int) -> Callable[[], FileWrapper]:
    """What wraps a file of so many bytes, again and again."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the process lives
    file.truncate(size)

    def wrapped() -> FileWrapper:
        wrapper = FileWrapper(file)
        wrapper.close = dict
        return wrapper

    return wrapped


RESULTS = {
    "one": [b"x"],
    "several": [b"x", b"y"],
    "none": (),
    "texts": ["x"],
    "number": 5,
    "generator": lambda: (piece for piece in [b"x"]),
    "pieces": lambda: iter([b"x", b"y"]),
    "closing": Closing,
    "error": lambda: 1 / 0,
    "small file": file_of(4096),
    "large file": file_of(1 << 20),
}


class Core:
    """Functions that stand for the core's and take everything."""

    def __init__(self) -> None:
        number, text, size, flag = "int64_t", "void *", "size_t", "int"
        kinds = (
            (number, number, text, size, size, text, size),  # fw_respond
            (number, number, text, size, size),  # fw_begin
            (number, number, text, size),  # fw_send
            (number, number),  # fw_end
            (number, number, text),  # fw_request_head
            (number, number),  # fw_connection_fd
            (number, number, text, size, size, number),  # fw_begin_sized
            (number, number, flag, number, number),  # fw_send_file
            (number, number, text, size, size, flag, number, size),  # fw_respond_file
        )
        # By cffi, which is there where the core is; a Python may lack ctypes.
        self._functions = [ffi.callback(f"int64_t({', '.join(kind)})", lambda *given: 0) for kind in kinds]

    def exchange(self, pair: Pair) -> Any:
        """One of the accelerator, over the memory of a pair."""
        view = pair.view
        records, text = (int(ffi.cast("uintptr_t", each)) for each in (view.records, view.text))
        places = [int(ffi.cast("uintptr_t", each)) for each in self._functions]
        return accelerator.Exchange(
            Response, FileWrapper, pair.shapes(), records, view.record_words - 1, text, 1, 0, *places
        )


REQUESTS = 100_000
NOISE = REQUESTS // 100
"""Blocks that another thread may have taken meanwhile, such as the one that pytest talks by."""


@pytest.mark.parametrize("name", RESULTS)
def test_nothing_is_left_behind(name: str) -> None:
    pair, core = Pair(), Core()
    fast = core.exchange(pair)
    batch = [(1, 7, 0, ["/a", "q", "/a?q", "127.0.0.1", "1", "host", "agent" * 100])] * 100
    batch += [(lib.FW_DEBUG, 7, 0, ["a", "b", "c", "d"])]
    pair.put(batch)
    plain = Plain(RESULTS[name])

    def serve_all() -> None:
        fast.take(len(batch))
        while fast.left:
            try:
                serve(fast, plain)
            except (ZeroDivisionError, TypeError):
                fast.take_failed()

    def held() -> list[int]:
        return [sys.getrefcount(each) for each in (None, plain, plain.result, Response, "200 OK")]

    serve_all()
    gc.collect()
    gc.disable()  # nothing waits for it
    serve_all()  # which fills the lists of free objects, which the collector has emptied
    try:
        blocks, references = sys.getallocatedblocks(), held()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(REQUESTS // 100):
            serve_all()
        assert abs(sys.getallocatedblocks() - blocks) < NOISE
        assert not (name.endswith("file") and plain.left)
        assert all(abs(now - then) < 100 for now, then in zip(held(), references))
        if "asan" not in os.environ.get("LD_PRELOAD", ""):  # it keeps what was freed, to see it being used
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 4096, "KB"
    finally:
        gc.enable()


def both_answers() -> list[tuple[Any, Any, Pair]]:
    """Each exchange with an answer of its own; there is no core behind them."""
    pair = Pair()
    return [(by, pair.taken(by, [PLAIN]).responses[0], pair) for by in (pair.pure, pair.fast)]


def test_answer_in_a_circle_of_references_is_collected() -> None:
    class Headers(list):  # type: ignore[type-arg]
        start_response: Any

    given = both_answers()
    while given:
        by, answer, pair = given.pop()
        headers = Headers()
        headers.start_response = answer.start_response
        answer.start_response("200 OK", headers)
        seen = weakref.ref(headers)
        del by, answer, headers, pair
        gc.collect()
        assert seen() is None


def test_start_response_can_be_inspected() -> None:
    for _, answer, _ in both_answers():
        names = list(inspect.signature(answer.start_response).parameters)
        assert names == ["status", "headers", "exc_info"]


def left_of(headers: Any, result: Any, change: Any = None) -> list[Any]:
    """What each exchange leaves of a response; change: called with the headers before it returns."""
    pair = Pair()
    out = []
    for by in (pair.pure, pair.fast):
        pair.put([PLAIN])
        calls = Calls([5])
        calls.result = result

        def start(start_response: Any) -> None:
            mine = list(headers) if type(headers) is list else headers
            start_response("200 OK", mine)
            if change is not None:
                change(mine)

        calls.start = start
        by.take(1)
        serve(by, calls)
        out.append(calls.left)
    return out


def test_what_was_sent_comes_back_with_what_the_core_said() -> None:
    for ((body, rest),) in left_of([("A", "b")], [b"x"]):
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
        _, fast = left_of(headers, [b"x"])
        assert fast == [("otherwise", [b"x"])]


@pytest.mark.parametrize("header", [(), ("A",), ("A", "b", "c"), (1, 2), ("A", "\u20ac"), 5])
def test_header_that_is_no_pair_of_text_is_left_to_who_explains_it(header: Any) -> None:
    for left in left_of([], [b"x"], lambda headers: headers.append(header)):
        assert left == [("otherwise", [b"x"])]


@pytest.mark.parametrize("size", range(4070, 4096))
def test_heads_around_the_limit_of_what_c_joins(size: int) -> None:
    _, (left,) = left_of([("A", "b" * size)], [b"x"])
    joined = left[0] == b"x"
    assert joined == (len("200 OK\nA\n") + size + 1 <= 4096)


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_of_a_freed_core_is_touched(number: int) -> None:
    by, answer, pair = both_answers()[number]
    by.release()
    pair.put([PLAIN])
    with pytest.raises(ValueError, match=r"released|freed"):
        by.take(1)
    assert by.original_request(answer) < 0
