"""Questions of fapwsctl that a worker itself has to answer: which it may not, or late, or in vain.

The master asks, nobody else can; what a worker says is bounded (fapws.messages) and only handed on. Every
question has an end: the answer, the worker's death, or a deadline.
"""

from __future__ import annotations

import time
from math import inf

from fapws.lean import Any, Callable, NamedTuple, signal
from fapws.messages import PROFILE_SECONDS_MAX, Profile

from ..core import worker_states as states
from ..core.children import Child
from ..core.decide import State
from ..process.caught import catches, catches_itself
from ..process.scoreboard import WorkerView
from ..process.workers import Workers
from .control_socket import Client, Request
from .conversations import Conversations
from .status import request_age

STACK_SECONDS = 5.0
"""A handler runs at once, whatever the worker is doing; but the machine may have much to do."""
PROFILE_MARGIN = 10.0
"""Seconds that a request which is in hand may take before the profile begins."""
_BOOTED = (states.SERVING, states.HUNG, states.DRAINING)


class Question(NamedTuple):
    """One that is under way."""

    due: float
    """Monotonic seconds."""
    late: str
    """What is said then."""
    facts: dict[str, Any]
    """What the master knows of the worker, as it was when it was asked."""


class Questions:
    """Those under way, by topic and worker."""

    def __init__(self, workers: Workers, conversations: Conversations, state: Callable[[], State]) -> None:
        self._workers = workers
        self._conversations = conversations
        self._state = state
        self._open: dict[tuple[str, int], Question] = {}

    def obey(self, client: Client, request: Request) -> None:
        """A command."""
        pid = request.get("pid")
        number = self._workers.number_of(pid) if type(pid) is int else 0
        child = self._state().children.get(number)
        if child is None:
            client.reply(False, error=f"there is no worker with pid {pid!r}")
        elif request["command"] == "profile":
            self._ask_profile(client, child, request)
        else:
            self._ask_stacks(client, child, request)

    @property
    def due(self) -> float:
        """The next deadline, in monotonic seconds."""
        return min((question.due for question in self._open.values()), default=inf)

    def end_overdue(self, now: float) -> None:
        """Tells those who have waited in vain."""
        for (kind, number), question in list(self._open.items()):
            if question.due <= now:
                self._end(kind, number, False, error=question.late)

    def on_exit(self, number: int) -> None:
        """The worker will not answer any more."""
        for kind, asked in list(self._open):
            if asked == number:
                self._end(kind, number, False, error="it has ended meanwhile")

    def on_stacks(self, number: int, text: str) -> bool:
        """Whether somebody waits for them."""
        question = self._open.get(("stack", number))
        if question is None:
            return False
        self._end("stack", number, True, text=text, **question.facts)
        return True

    def on_profiled(self, number: int, text: str) -> None:
        """Tells who waits for it."""
        if ("profile", number) in self._open:
            self._end("profile", number, True, text=text)

    # ---- Details --------------------------------------------------------------------------------

    def _ask_stacks(self, client: Client, child: Child, request: Request) -> None:
        number = child.number
        why_not = self._why_not(child, request)
        if why_not:
            client.reply(False, error=why_not)
            return
        self._conversations.wait_for(_topic("stack", number), client)
        if ("stack", number) not in self._open:
            late = f"it has not answered within {STACK_SECONDS:g} s: it is stopped, or holds the signal back"
            facts = {**self._facts(number), "state": child.state}
            self._open["stack", number] = Question(time.monotonic() + STACK_SECONDS, late, facts)
            self._workers.ask_stacks(number, for_log=False)

    def _ask_profile(self, client: Client, child: Child, request: Request) -> None:
        """Over the channel: the worker hears it between two requests."""
        number, seconds = child.number, request.get("length")
        if not self._serves(child):
            client.reply(False, error=f"it is {child.state}, and answers no questions")
        elif not isinstance(seconds, (int, float)) or not 0 < seconds <= PROFILE_SECONDS_MAX:
            client.reply(False, error=f"a profile takes up to {PROFILE_SECONDS_MAX:g} seconds")
        elif ("profile", number) in self._open:
            client.reply(False, error="it is being profiled already")
        elif not self._workers.send(
            number, Profile(f"{seconds} {'memory' if request.get('memory') else 'time'}")
        ):
            client.reply(False, error="it cannot be told: it has not heard what it was told before")
        else:
            late = "it has not answered: a worker begins between two requests, and ends when it has told"
            self._open["profile", number] = Question(time.monotonic() + seconds + PROFILE_MARGIN, late, {})
            self._conversations.wait_for(_topic("profile", number), client)

    def _serves(self, child: Child) -> bool:
        return child.state in _BOOTED and self._workers.score(child.number).beat > 0

    def _why_not(self, child: Child, request: Request) -> str:
        """Why it cannot be sent the signal; empty: it can. Where nobody catches it, it would end the process:
        at the beginning of a start, and where the application has taken the signal away since."""
        pid = self._workers.pid(child.number)
        if child.state == states.STARTING and not child.zygote and catches_itself(pid, signal.SIGUSR2):
            return ""
        if not self._serves(child):
            return f"it is {child.state}, and answers no questions"
        caught = catches(pid, signal.SIGUSR2)
        if caught is None:
            caught = request.get("caught")  # the system tells ps, which the caller has asked
        if caught is True:
            return ""
        if caught is False:
            return "its application has taken SIGUSR2 for itself, which would end it"
        return "this system does not tell whether it would survive SIGUSR2"

    def _facts(self, number: int) -> dict[str, Any]:
        view = self._workers.views().get(number, WorkerView(0, self._workers.score(number)))
        return {"request": view.score.request_line or None, "request_age": request_age(view)}

    def _end(self, kind: str, number: int, ok: bool, **values: Any) -> None:
        del self._open[kind, number]
        self._conversations.tell(_topic(kind, number), ok, **values)


def _topic(kind: str, number: int) -> str:
    return f"{kind} {number}"
