"""Tells of requests that take longer than ``slow_request``: while they run, and when they are over."""

from __future__ import annotations

from fapws.lean import Callable, NamedTuple, signal

from .core import actions, texts
from .process.last_requests import GOES_ON
from .process.workers import Workers


class Told(NamedTuple):
    """One that runs."""

    name: str
    """Of its worker."""
    pid: int
    request: str
    answered: int
    """How many the worker had answered before."""


class Slowness:
    """Those that were told of and are not over."""

    def __init__(self, workers: Workers, say: Callable[[str], None]) -> None:
        """``say``: writes a line to the log."""
        self._workers = workers
        self._say = say
        self._told: dict[int, Told] = {}
        """By the worker's number."""

    def slow(self, action: actions.Slow) -> None:
        """Logs it, and has the worker write its stack if that does it no harm."""
        child = action.child
        workers, number = self._workers, child.number
        line = workers.score(number).request_line
        told = Told(child.name, workers.pid(number), line, workers.answered(number))
        self._told[child.number] = told
        why_not = _why_no_stack(told.pid)
        self._say(texts.slow(child, told.pid, told.request, action.seconds, why_not))
        if not why_not:
            self._workers.ask_stacks(child.number, for_log=True)

    def over(self, action: actions.SlowOver) -> None:
        """Logs it."""
        self._end(action.child.number, f"after {action.seconds:.3f} s")

    def on_exit(self, number: int) -> None:
        """The worker has ended; if it had responded before, that is told."""
        self._end(number, "")

    def _end(self, number: int, otherwise: str) -> None:
        """``otherwise``: what is said of a request of which the worker has left nothing."""
        told = self._told.pop(number, None)
        if told is None:
            return
        since = self._workers.answered(number) - told.answered
        for found in self._workers.last_requests(number)[-since:] if since > 0 else ():
            if told.request.startswith(found.line) or found.line.startswith(told.request):
                begun = found.ms == GOES_ON
                otherwise = (
                    f"{found.status}, {'its response has begun' if begun else f'{found.ms / 1000:.3f} s'}"
                )
                break
        if otherwise:
            self._say(texts.slow_over(told.name, told.pid, told.request, otherwise))


def _why_no_stack(pid: int) -> str:
    """Why the signal that asks for it is not sent: where nobody catches it, it ends the process."""
    from .process.caught import catches

    caught = catches(pid, signal.SIGUSR2)
    if caught:
        return ""
    if caught is None:
        return "this system does not tell whether the worker would survive SIGUSR2"
    return "the application has taken SIGUSR2 for itself"
