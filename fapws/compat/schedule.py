"""Timers and deferred calls of one worker, as fapws3 had them (``add_timer``, ``defer``).

Pure: the time is an argument, and the owner of the loop calls ``run()`` between two turns of it. Every
worker has a schedule of its own: what is added before a fork is there in each child.
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush

from fapws.lean import Any, Callable, deque

NEVER = -1
"""Instead of milliseconds: no call is due, so the loop waits until something is added."""
_LONGEST_MS = 2**31 - 1
"""The longest that the core's poll can wait; a timer that is due later is looked at again then."""
_ROUNDING_MS = 1e-6
"""What binary fractions of a second may add up to: it is not worth a millisecond."""
PATIENCE = 0.1
"""Seconds without an idle turn after which deferred calls are made in others too, one in each: a stream that
always has something to send would hold them up for ever."""
_EXTRA_AT_END = 1000
"""How many further calls the last deferred calls may defer; without a bound the worker might never end."""

Log = Callable[[str, BaseException], None]


class _Timer:
    """Starts anew with every restart; a heap entry of an earlier start does not count."""

    __slots__ = ("callback", "seconds", "start")

    def __init__(self, seconds: float, callback: Callable[[], Any]) -> None:
        self.seconds = seconds
        self.callback = callback
        self.start = 0
        """How often it was started or stopped."""


class Schedule:
    """Periodic timers and a queue of calls for when there is nothing else to do."""

    def __init__(self, log: Log) -> None:
        """log: is called with what happens now and the exception when a callback fails."""
        self._log = log
        self._timers: list[_Timer] = []
        self._fresh: list[tuple[_Timer, int]] = []
        """Started since the last run(): their time begins there."""
        self._due: list[tuple[float, int, int, _Timer]] = []
        """A heap: when, in which order, which start of the timer."""
        self._order = 0
        self._deferred: deque[tuple[Callable[[Any], Any], Any]] = deque()
        self._last_idle: float | None = None
        """When the last idle turn was; before that, the first turn."""

    # ---- Timers ----------------------------------------------------------------------------------

    def add_timer(self, seconds: float, callback: Callable[[], Any]) -> int:
        """Calls callback every so many seconds until it returns False or raises; its number, from 1.

        The time begins with the next turn of the loop. A timer that lags fires once, not as often as
        it missed. Raises TypeError, ValueError.
        """
        if not callable(callback):
            raise TypeError(f"a timer calls a function, not {type(callback).__name__}")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"the seconds of a timer must be a number, not {type(seconds).__name__}")
        if not 0 < seconds < math.inf:
            raise ValueError(f"the seconds of a timer must be above 0 and finite, not {seconds}")
        timer = _Timer(float(seconds), callback)
        self._timers.append(timer)
        self._fresh.append((timer, timer.start))
        return len(self._timers)

    def stop_timer(self, index: int) -> None:
        """index: from 0, one less than add_timer() returned. Raises IndexError."""
        self._timer(index).start += 1

    def restart_timer(self, index: int) -> None:
        """Its seconds begin anew, whether it runs or was stopped. Raises IndexError."""
        timer = self._timer(index)
        timer.start += 1
        self._fresh.append((timer, timer.start))

    def _timer(self, index: int) -> _Timer:
        if not 0 <= index < len(self._timers):
            raise IndexError(f"there is no timer {index}; {len(self._timers)} were added, counted from 0")
        return self._timers[index]

    # ---- Deferred calls --------------------------------------------------------------------------

    def defer(self, function: Callable[[Any], Any], argument: Any, combine: bool = False) -> None:
        """Calls function(argument) when the loop is idle, one call a turn, first come first served.

        combine: not if the same function with an equal argument waits already. Raises TypeError.
        """
        if not callable(function):
            raise TypeError(f"what is deferred is a function, not {type(function).__name__}")
        pair = (function, argument)
        if not (combine and pair in self._deferred):
            self._deferred.append(pair)

    def queue_size(self) -> int:
        """Deferred calls that wait."""
        return len(self._deferred)

    # ---- The loop --------------------------------------------------------------------------------

    def run(self, now: float, idle: bool) -> int:
        """What is due: timers, and if the last turn of the loop was idle, one deferred call. One also if
        no turn was idle for PATIENCE.

        now: seconds of a clock that does not jump. Returns the ms until the next wanted call (0: as
        soon as nothing else is to be done), or NEVER.
        """
        if self._due:
            self._fire(now)
        if idle or self._last_idle is None:
            self._last_idle = now
        if self._deferred and (idle or now - self._last_idle >= PATIENCE):
            self._call_deferred()
        if self._fresh:
            self._begin(now)
        if self._deferred:
            return 0
        return self._wait(now)

    def call_what_is_deferred(self) -> int:
        """The worker has drained: makes the calls that are still deferred; how many were left out.

        Those left out were deferred by these calls themselves, again and again.
        """
        for _ in range(len(self._deferred) + _EXTRA_AT_END):
            if not self._deferred:
                break
            self._call_deferred()
        left = len(self._deferred)
        self._deferred.clear()
        return left

    def _begin(self, now: float) -> None:
        fresh, self._fresh = self._fresh, []
        for timer, start in fresh:
            if timer.start == start:
                self._push(now + timer.seconds, timer)

    def _push(self, when: float, timer: _Timer) -> None:
        self._order += 1
        heappush(self._due, (when, self._order, timer.start, timer))
        if len(self._due) > 2 * len(self._timers) + 64:  # restarted again and again
            self._due = [entry for entry in self._due if entry[2] == entry[3].start]
            heapify(self._due)

    def _fire(self, now: float) -> None:
        """Each timer that is due, once: what fires again must not keep the loop from its clients."""
        ripe = []
        while self._due and self._due[0][0] <= now:
            ripe.append(heappop(self._due))
        for when, _, start, timer in ripe:
            if timer.start == start and self._call_timer(timer) and timer.start == start:
                following = when + timer.seconds
                if following <= now:  # it lags: back in step, without the calls that were missed
                    following = now + timer.seconds - (now - when) % timer.seconds
                self._push(following, timer)

    def _call_timer(self, timer: _Timer) -> bool:
        start = timer.start
        try:
            if timer.callback() is not False:
                return True
        except BaseException as error:  # the application's exception; the other timers go on
            self._log("a timer failed and is stopped", error)
        if timer.start == start:  # it has not restarted itself
            timer.start += 1
        return False

    def _call_deferred(self) -> None:
        function, argument = self._deferred.popleft()
        try:
            function(argument)
        except BaseException as error:  # the application's; the queue goes on
            self._log("a deferred call failed", error)

    def _wait(self, now: float) -> int:
        while self._due and self._due[0][3].start != self._due[0][2]:
            heappop(self._due)
        if not self._due:
            return NEVER
        wait = min((self._due[0][0] - now) * 1000, _LONGEST_MS)
        return max(math.ceil(wait - _ROUNDING_MS), 1)
