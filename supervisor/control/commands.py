"""The commands of fapwsctl: what the master does on each, and what it replies."""

from __future__ import annotations

import os
import time

from fapws.lean import Callable, Protocol
from fapws.settings.model import WORKERS_MAX

from ..core import events
from ..core.decide import BOOTING, RUNNING, State
from . import status
from .control_socket import Client, Request
from .conversations import Command, Conversations

UPGRADE = "upgrade"
"""The topic of clients that wait for the end of an upgrade."""


class View(Protocol):
    """What the commands look at."""

    @property
    def state(self) -> State:
        """The decision core's, as it is now."""

    def urls(self) -> dict[str, list[str]]:
        """Where each pool listens."""

    def facts(self) -> status.Facts:
        """What the status is made of besides."""


class Commands:
    """Replies at once to what is known, and has the others wait for the end of what they asked for."""

    def __init__(
        self,
        view: View,
        post: Callable[[events.Event], None],
        conversations: Conversations,
        reopen_logs: Callable[[], str],
    ) -> None:
        """``post``: tells the core. ``reopen_logs``: returns a complaint, or an empty text."""
        self._view = view
        self._post = post
        self._conversations = conversations
        self._reopen_logs = reopen_logs

    def table(self) -> dict[str, Command]:
        """What each command calls."""
        return {
            "ping": self._ping,
            "reload": self._reload,
            "reopen": self._reopen,
            "scale": self._scale,
            "status": self._status,
            "stop": self._stop,
            "upgrade": self._upgrade,
        }

    def _ping(self, client: Client, _request: Request) -> None:
        client.reply(True, pid=os.getpid())

    def _status(self, client: Client, _request: Request) -> None:
        client.reply(True, **status.describe(self._view.state, self._view.facts(), time.monotonic()))

    def _reopen(self, client: Client, _request: Request) -> None:
        complaint = self._reopen_logs()
        if complaint:
            client.reply(False, error=complaint)
        else:
            client.reply(True, pid=os.getpid())

    def _scale(self, client: Client, request: Request) -> None:
        pool = request.get("pool")
        workers = request.get("workers")
        pools = self._view.urls()
        if self._view.state.phase != RUNNING:
            client.reply(False, error="the server is starting or stopping")
        elif pool not in pools:
            client.reply(False, error=f"there is no pool {pool!r}; known: {', '.join(pools)}")
        elif type(workers) is not int or not 1 <= workers <= WORKERS_MAX:
            client.reply(False, error=f"the number of workers must be from 1 to {WORKERS_MAX}")
        else:
            self._conversations.wait_for(f"scale {pool}", client)
            self._post(events.ScaleAsked(str(pool), workers))

    def _reload(self, client: Client, _request: Request) -> None:
        if self._view.state.phase not in (BOOTING, RUNNING):
            client.reply(False, error="the server is stopping")
            return
        self._conversations.wait_for_reload(client)
        self._post(events.ReloadAsked())

    def _stop(self, client: Client, _request: Request) -> None:
        client.reply(True, pid=os.getpid())
        self._post(events.StopAsked(fast=False))

    def _upgrade(self, client: Client, _request: Request) -> None:
        if self._view.state.phase != RUNNING:
            client.reply(False, error="the server is starting or stopping")
            return
        self._conversations.wait_for(UPGRADE, client)
        self._post(events.UpgradeAsked())
