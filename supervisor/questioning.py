"""Asks single workers, and hears what they say of themselves: brought in by the first that asks or says."""

from __future__ import annotations

import time
from math import inf

from fapws.lean import TYPE_CHECKING
from fapws.stacks import above

from .control.commands import View
from .control.control_socket import Client, Request
from .core import events
from .core import worker_states as states
from .process.worker_process import Process
from .process.workers import Post
from .resources import Resources

if TYPE_CHECKING:
    from .control.questions import Questions


class Questioning:
    """Brings the questions in with the first command that needs them. Stacks nobody waits for are logged."""

    def __init__(self, resources: Resources, view: View, post: Post) -> None:
        self._resources = resources
        self._view = view
        self._post = post
        self._questions: Questions | None = None

    def obey(self, client: Client, request: Request) -> None:
        """One of QUESTIONS."""
        if request["command"] == "top":
            self._tell_figures(client)
        else:
            self._needed().obey(client, request)

    @property
    def due(self) -> float:
        """When end_overdue() has something to do, in monotonic seconds."""
        return self._questions.due if self._questions else inf

    def end_overdue(self, now: float) -> None:
        """Tells clients whose worker does not answer."""
        if self._questions:
            self._questions.end_overdue(now)

    def on_exit(self, number: int) -> None:
        """A worker has ended."""
        if self._questions:
            self._questions.on_exit(number)

    def on_profiled(self, number: int, text: str) -> None:
        """A worker has told what it found of itself; nobody may wait for that any more."""
        if self._questions:
            self._questions.on_profiled(number, text)

    def on_stacks(self, number: int, process: Process, text: str) -> None:
        """A worker has sent its stacks."""
        asked = self._questions is not None and self._questions.on_stacks(number, text)
        text = above(text)
        failed = self._failed(number, text) if process.logs_stacks else None
        if failed is not None:
            process.logs_stacks = False
            self._post(failed)
        elif process.logs_stacks or (not asked and process.unasked.allows(time.monotonic())):
            if process.logs_stacks:
                self._resources.troubles.note_stack(number, text)
            process.logs_stacks = False
            lines = text.rstrip("\n").encode("utf-8", "backslashreplace").split(b"\n")
            self._resources.error_log.write_lines(lines, process.role)

    def _failed(self, number: int, text: str) -> events.Event | None:
        """Where one stands that still starts is why it fails, if it does; None: it is no such one."""
        state = self._view.state
        child = state.children.get(number)
        if child is not None and child.state == states.STARTING:
            return events.WorkerFailed(number, text)
        if any(zygote.number == number and zygote.state == "doomed" for zygote in state.zygotes):
            return events.ZygoteFailed(number, text)
        return None

    def _tell_figures(self, client: Client) -> None:
        from .control.figures import describe

        client.reply(True, **describe(self._view.state, self._view.facts(), time.monotonic()))

    def _needed(self) -> Questions:
        if self._questions is None:
            from .control.questions import Questions

            resources = self._resources
            self._questions = Questions(resources.workers, resources.conversations, lambda: self._view.state)
        return self._questions
