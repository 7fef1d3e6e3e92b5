"""Thousands of applications, one for each number: what an iterable can be, give and do, put together.

Each call of their methods is a line on standard error, so that its place among the server's own lines shows.
"""

from __future__ import annotations

import gc
import random
import sys
from typing import Any, Callable

gc.disable()  # it would come at another moment in each of two servers
Start = Callable[..., Any]
LARGE = b"x" * 70_000


def say(*what: Any) -> None:
    print("CALL", *what, file=sys.stderr, flush=True)


def error() -> Any:
    try:
        raise KeyError("late")
    except KeyError:
        return sys.exc_info()


class Script:
    """What a result gives, step by step; actions among the pieces are done."""

    def __init__(self, start: Start, steps: list[Any], begin: Callable[[], None] | None) -> None:
        self.start, self.steps, self.begin = start, list(steps), begin
        self.write: Any = None

    def next(self) -> Any:
        if self.begin is not None:
            begin, self.begin = self.begin, None
            begin()
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, BaseException):
                say("raise")
                raise type(step)(*step.args)  # nobody keeps it, and the frames of its traceback
            if not callable(step):
                say("piece", type(step).__name__, len(step) if hasattr(step, "__len__") else step)
                return step
            say("action", step.__name__)
            step(self)
        say("end")
        raise StopIteration


def write(script: Script) -> None:
    script.write(b"written ")


def write_large(script: Script) -> None:
    script.write(LARGE)


def restart(script: Script) -> None:
    script.start("501 Other", [("X-Other", "yes")], error())


def again(script: Script) -> None:
    script.start("502 Again", [])


def ask(script: Script) -> None:
    answer: Any = script.start.__self__  # type: ignore[attr-defined]
    say(answer.begun, answer.status, answer.socket_fd() >= 0, answer.empty, answer.full)


def fill(script: Script) -> None:
    script.start.__self__.full = True  # type: ignore[attr-defined]


class Iterator:
    def __init__(self, script: Script) -> None:
        self.script = script

    def __iter__(self) -> Any:
        say("iter")
        return self

    def __next__(self) -> Any:
        return self.script.next()

    def __del__(self) -> None:
        say("del", type(self).__name__)


class Closing(Iterator):
    def close(self) -> None:
        say("close")


class CloseRaises(Iterator):
    def close(self) -> None:
        say("close")
        raise ValueError("close")


class CloseExits(Iterator):
    def close(self) -> None:
        raise SystemExit(3)


class CloseNone(Iterator):
    close = None


class CloseNumber(Iterator):
    close = 5


class CloseNative(Iterator):
    """Raises in no frame of Python."""

    close = staticmethod(int("5").__class__.from_bytes)


class CloseHidden(Iterator):
    @property
    def close(self) -> Any:
        say("close looked up")
        raise AttributeError("hidden")


class CloseLookup(Iterator):
    @property
    def close(self) -> Any:
        raise KeyError("lookup")


class Lookups(Iterator):
    def __getattr__(self, name: str) -> Any:
        say("getattr", name)
        raise AttributeError(name)


class Listed(Closing):
    """Says that it is a list."""

    __class__ = list  # type: ignore[assignment]


class Sized(Closing):
    def __len__(self) -> int:
        say("len")
        return 1


class Bare:
    """Can only be asked for more."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def __next__(self) -> Any:
        return self.script.next()


class Iterable(Closing):
    """Whose iterator is another object."""

    def __iter__(self) -> Any:
        say("iter")
        return Closing(self.script)


class Barely(Closing):
    def __iter__(self) -> Any:
        say("iter")
        return Bare(self.script)


class Generating(Closing):
    def __iter__(self) -> Any:
        say("iter")
        return generated(self.script)


class Indexed:
    def __init__(self, script: Script) -> None:
        self.script = script

    def __getitem__(self, number: int) -> Any:
        say("item", number)
        try:
            return self.script.next()
        except StopIteration:
            raise IndexError(number) from None

    def close(self) -> None:
        say("close")


class IterRaises(Closing):
    def __iter__(self) -> Any:
        say("iter")
        raise ValueError("iter")


class IterNone(Closing):
    def __iter__(self) -> Any:
        return None


class List(list):  # type: ignore[type-arg]
    def close(self) -> None:
        say("close")


class Tuple(tuple):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        say("iter")
        return super().__iter__()


def generated(script: Script) -> Any:
    try:
        while True:
            try:
                piece = script.next()
            except StopIteration:
                return
            yield piece
    finally:
        say("finally")


def pieces(script: Script) -> list[Any]:
    """All of them at once, for what is no iterator."""
    out = []
    while True:
        try:
            out.append(script.next())
        except StopIteration:
            return out


def as_it_is(piece: Any) -> Any:
    return piece


KINDS: dict[str, Callable[[Script], Any]] = {
    "generator": generated,
    "iterator": Iterator,
    "closing": Closing,
    "close_raises": CloseRaises,
    "close_exits": CloseExits,
    "close_none": CloseNone,
    "close_number": CloseNumber,
    "close_native": CloseNative,
    "close_hidden": CloseHidden,
    "close_lookup": CloseLookup,
    "lookups": Lookups,
    "listed": Listed,
    "sized": Sized,
    "iterable": Iterable,
    "barely": Barely,
    "generating": Generating,
    "indexed": Indexed,
    "iter_raises": IterRaises,
    "iter_none": IterNone,
    "map": lambda script: map(as_it_is, Iterator(script)),
    "list": pieces,
    "tuple": lambda script: tuple(pieces(script)),
    "list_iterator": lambda script: iter(pieces(script)),
    "list_class": lambda script: List(pieces(script)),
    "tuple_class": lambda script: Tuple(pieces(script)),
    "set": lambda script: {piece for piece in pieces(script)[:1] if type(piece) is bytes},
    "first": lambda script: [*pieces(script), None][0],
}
STEPS: list[list[Any]] = [
    [],
    [b"hello"],
    [b"hello"],
    [b"hello"],
    [b""],
    [b"", b""],
    [b"", b"hello"],
    [b"hello", b""],
    [b"", b"", b"hello", b"", b"5"],
    [b"hel", b"lo"],
    [b"hel", b"lo", b"", b"!"],
    [LARGE],
    [LARGE, b"hello", LARGE],
    [b"hello", ValueError("second")],
    [ValueError("first")],
    [SystemExit("first")],
    [b"hello", KeyboardInterrupt()],
    [b"", ValueError("behind nothing")],
    ["text"],
    [b"hello", "text"],
    [None],
    [b"hello", None],
    [5],
    [bytearray(b"hello")],
    [b"hel", memoryview(b"lo")],
    [write, b"hello"],
    [b"hello", write],
    [b"", write, b"hello"],
    [write],
    [write_large, b"hello"],
    [b"hello", write_large, b"more"],
    [b"", restart, b"hello"],
    [restart, b"hello"],
    [b"hello", restart],
    [again, b"hello"],
    [b"hello", again],
    [ask, b"hello", ask],
    [b"hello", ask, b"more", ask],
    [b"", ask, b"", ask],
    [b"hello", fill, b"more"],
    [fill, b"hello", b"more"],
    [b"hello", fill],
]
HEADERS: list[list[Any]] = [
    [],
    [],
    [("Content-Length", "5")],
    [("Content-Length", "5")],
    [("Content-Length", "0")],
    [("Content-Length", "3")],
    [("Content-Length", "9")],
    [("Content-Length", "x")],
    [("Content-Length", "5"), ("Connection", "close")],
    [("Keep-Alive", "yes")],
    [("X-Long", "y" * 5000)],
    [("X-Bad", "a\nb")],
    [("X", 5)],
    [("X-Wide", "\u20ac")],
]
STATUS = ["200 OK"] * 8 + ["204 No Content", "304 Not Modified", "205 Reset", "100 Continue", "", "abc"]
BEGINS = ["before"] * 6 + ["first", "first", "never", "written"]


def case(number: int) -> tuple[Any, ...]:
    """The same for each number, for ever."""
    chance = random.Random(number)
    return tuple(chance.choice(choices) for choices in (list(KINDS), STEPS, HEADERS, STATUS, BEGINS))


def application(environ: Any, start_response: Start) -> Any:
    name = environ["PATH_INFO"][1:]
    if not name.isdecimal():
        if name == "mark":
            print("MARK", environ["QUERY_STRING"], "", file=sys.stderr, flush=True)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    kind, steps, headers, status, begins = case(int(name))
    environ["wsgi.input"].read()

    def begin() -> None:
        script.write = start_response(status, list(headers))

    script = Script(start_response, steps, begin if begins == "first" else None)
    if begins in ("before", "written"):
        begin()
    if begins == "written":
        write(script)
    return KINDS[kind](script)
