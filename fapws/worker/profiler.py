"""Looks at what this worker does, for a while, because its master has asked: `fapwsctl profile`.

Imported with that message and not before. A thread looks a hundred times a second where every other thread
is; it takes no signal and no ptrace, and works where sys._current_frames() does. What C code does without
giving the GIL away is seen late, and counts for the looks that were missed.

The answer is text: a line that begins with ``#`` and has figures, then the findings, a line each; or a line
that begins with ``!`` and a sentence why there are none.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

import fapws
from fapws.lean import Any, Callable
from fapws.messages import PROFILE_SECONDS_MAX
from fapws.stacks import WAITING, base
from fapws.visible import visible_line

PERIOD = 0.01
"""Seconds between two looks."""
SWITCH = 0.0002
"""Seconds after which a thread that computes lets the sampler look. With the usual 0.005 many looks would
fall on the places where a thread gives the GIL away by itself, such as the wait for the next request."""
TEXT_MAX = 200_000
"""Bytes of an answer: what has no room is added up in one line."""
STACKS_MAX = 5000
"""Different ones that are kept; more are one."""
DEPTH_MAX = 200
"""The innermost frames of a stack that are kept."""
GROWN_MAX = 50
"""Lines of source that are told of memory."""
OTHERS = "(other stacks)"
_OWN = os.path.dirname(os.path.abspath(fapws.__file__)) + os.sep

Stack = tuple[int, tuple[int, ...]]
"""A thread, and the ids of its code objects, the outermost first."""

_under_way = _thread.allocate_lock()


def begin(order: str, answer: Callable[[str], None], is_busy: Callable[[], bool]) -> None:
    """``order``: seconds, and ``memory`` or ``time``. ``answer`` is called once, by another thread.
    ``is_busy``: whether the thread that calls this has a request in hand."""
    if not _under_way.acquire(False):
        answer("! it is being profiled already\n")
        return
    seconds, _, what = order.partition(" ")
    _thread.start_new_thread(_run, (float(seconds), what, answer, _thread.get_ident(), is_busy))


def _run(seconds: float, what: str, answer: Callable[[str], None], main: int, is_busy: Any) -> None:
    try:
        seconds = min(max(seconds, PERIOD), PROFILE_SECONDS_MAX)
        text = memory_growth(seconds) if what == "memory" else Sampler(main, is_busy).run(seconds)
    except Exception as error:  # the answer must come; it says what has failed
        text = f"! the profile failed: {type(error).__name__}: {error}\n"
    finally:
        _under_way.release()
    answer(text)


class Sampler:
    """Counts stacks."""

    def __init__(self, main: int, is_busy: Callable[[], bool]) -> None:
        """``main``: the thread that serves requests."""
        self._main = main
        self._is_busy = is_busy
        self._own = _thread.get_ident()
        self._counts: dict[Stack, int] = {}
        self._codes: dict[int, Any] = {}
        """Code objects by id; held, so that no id is given anew."""
        self._looks = 0
        self._idle = 0

    def run(self, seconds: float) -> str:
        """Looks for so long; the answer."""
        began = now = time.monotonic()
        usual = sys.getswitchinterval()
        sys.setswitchinterval(min(usual, SWITCH))
        try:
            due = began
            while now - began < seconds:
                due += PERIOD
                time.sleep(max(0.0, due - now))
                now = time.monotonic()
                missed = max(0, int((now - due) / PERIOD))
                due += missed * PERIOD
                self._look(1 + missed)
        finally:
            sys.setswitchinterval(usual)
        return self._text(now - began)

    def _look(self, weight: int) -> None:
        self._looks += weight
        for thread, frame in sys._current_frames().items():
            if thread == self._own:
                continue
            if thread == self._main and not self._is_busy():
                self._idle += weight
                continue
            stack = (thread, self._codes_of(frame))
            if stack not in self._counts and len(self._counts) >= STACKS_MAX:
                stack = (0, ())
            self._counts[stack] = self._counts.get(stack, 0) + weight

    def _codes_of(self, frame: Any) -> tuple[int, ...]:
        found: list[int] = []
        while frame is not None and len(found) < DEPTH_MAX:
            code = frame.f_code
            self._codes[id(code)] = code
            found.append(id(code))
            frame = frame.f_back
        return tuple(reversed(found))

    def _text(self, seconds: float) -> str:
        lines: dict[str, int] = {}
        for stack, count in self._counts.items():
            line = self._line(stack)
            lines[line] = lines.get(line, 0) + count
        if self._idle:
            lines[f"{_name(self._main, self._main)};{WAITING}"] = self._idle
        head = f"# {self._looks} {self._idle} {seconds:.1f}\n"
        return head + _cut(sorted(lines.items(), key=lambda item: -item[1]))

    def _line(self, stack: Stack) -> str:
        thread, ids = stack
        if not thread:
            return OTHERS
        codes = [self._codes[one] for one in ids]
        below = min(base([code.co_filename for code in codes], _OWN), len(codes) - 1)
        frames = [_label(code) for code in codes[max(below, 0) :]]
        return ";".join((_name(thread, self._main), *frames))


def _label(code: Any) -> str:
    name = getattr(code, "co_qualname", code.co_name)
    label = visible_line(f"{name} ({_short(code.co_filename)}:{code.co_firstlineno})")
    return label.replace(";", ":")


def _short(path: str) -> str:
    """A file's name as it is imported: without the longest entry of sys.path before it."""
    places = [place.rstrip(os.sep) + os.sep for place in sys.path if isinstance(place, str) and place]
    return path[max((len(place) for place in places if path.startswith(place)), default=0) :]


def _name(thread: int, main: int) -> str:
    """As the threading module has it, which is there if the application has threads of its own."""
    if thread == main:
        return "MainThread"
    threading: Any = sys.modules.get("threading")
    known = threading and threading._active.get(thread)
    return visible_line(known.name).replace(";", ":") if known else f"Thread-{thread}"


def _cut(counts: list[tuple[str, int]]) -> str:
    """Lines of collapsed stacks; those that have no room are one."""
    lines: list[str] = []
    size = left = 0
    for stack, count in counts:
        line = f"{stack} {count}\n"
        size += len(line.encode("utf-8", "replace"))
        if size > TEXT_MAX:
            left += count
        else:
            lines.append(line)
    return "".join(lines) + (f"{OTHERS} {left}\n" if left else "")


def memory_growth(seconds: float) -> str:
    """What was allocated meanwhile and is still there, by line of source."""
    try:
        import tracemalloc
    except ImportError:
        return "! this Python has no tracemalloc (PyPy has none): memory cannot be profiled\n"
    is_traced = tracemalloc.is_tracing()  # the application may do so itself
    if not is_traced:
        tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        time.sleep(seconds)
        after = tracemalloc.take_snapshot()
    finally:
        if not is_traced:
            tracemalloc.stop()
    own = (tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, __file__))
    found = after.filter_traces(own).compare_to(before.filter_traces(own), "lineno")
    grown = sorted((one for one in found if one.size_diff > 0), key=lambda one: -one.size_diff)
    lines = [f"# {sum(one.size_diff for one in grown)} {len(grown)} {seconds:.1f}\n"]
    for one in grown[:GROWN_MAX]:
        place = one.traceback[0]
        label = visible_line(f"{_short(place.filename)}:{place.lineno}")
        lines.append(f"{label} {one.size_diff} {one.count_diff}\n")
    return "".join(lines)
