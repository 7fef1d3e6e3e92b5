"""The commands of fapwsctl: what the master does on each, and what it replies."""

from __future__ import annotations

import os
import time

from fapws.lean import Callable, Protocol
from fapws.settings.model import WORKERS_MAX

from ..core import drain_rules, events, progress
from ..core.decide import BOOTING, RUNNING, State
from . import status
from .control_socket import Client, Request
from .conversations import Command, Conversations
from .troubles import Troubles

UPGRADE = "upgrade"
"""The topic of clients that wait for the end of an upgrade."""

QUESTIONS = ("profile", "stack", "top")
"""Commands of supervisor/questioning.py."""


def drain_topic(pool: str) -> str:
    """The topic of clients that wait for a pool's drain; of none: of all pools'."""
    return f"drain {pool}"


def scale_topic(pool: str, workers: int | str = "") -> str:
    """The topic of clients that wait for so many workers; without a number, how all of the pool begin."""
    return f"scale {pool}\0{workers}"


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
        troubles: Troubles,
        reopen_logs: Callable[[], str],
        look_for_storms: Callable[[], None],
    ) -> None:
        """``post``: tells the core. ``reopen_logs``: returns a complaint, or an empty text."""
        self._troubles = troubles
        self._view = view
        self._post = post
        self._conversations = conversations
        self._reopen_logs = reopen_logs
        self._look_for_storms = look_for_storms

    def table(self) -> dict[str, Command]:
        """What each command calls."""
        return {
            "drain": self._drain,
            "ping": self._ping,
            "reload": self._reload,
            "reopen": self._reopen,
            "rollback": self._rollback,
            "scale": self._scale,
            "status": self._status,
            "stop": self._stop,
            "undrain": self._undrain,
            "upgrade": self._upgrade,
            "why": self._why,
        }

    def _ping(self, client: Client, _request: Request) -> None:
        client.reply(True, pid=os.getpid())

    def _status(self, client: Client, _request: Request) -> None:
        client.reply(True, **status.describe(self._view.state, self._view.facts(), time.monotonic()))

    def _why(self, client: Client, _request: Request) -> None:
        self._look_for_storms()
        state, facts = self._view.state, self._view.facts()
        moment = time.monotonic()
        now = {
            "summary": status.summary(state, facts.last_reload),
            "uptime": round(moment - facts.began, 3),
            "last_reload": status.reload_ended(facts.last_reload, moment),
            "config": state.config.path,
            "error_log": state.config.error_log,
        }
        client.reply(True, failures=self._troubles.describe(), **now)

    def _reopen(self, client: Client, _request: Request) -> None:
        complaint = self._reopen_logs()
        if complaint:
            client.reply(False, error=complaint)
        else:
            client.reply(True, pid=os.getpid())

    def _scale(self, client: Client, request: Request) -> None:
        pool = request.get("pool")
        workers = request.get("workers")
        if not self._may_change(client, pool):
            return
        if type(workers) is not int or not 1 <= workers <= WORKERS_MAX:
            client.reply(False, error=f"the number of workers must be from 1 to {WORKERS_MAX}")
        else:
            self._conversations.wait_for(scale_topic(str(pool), workers), client)
            self._post(events.ScaleAsked(str(pool), workers))

    def _may_change(self, client: Client, pool: object) -> bool:
        """Whether something may be ordered for a pool; else the client is told why not."""
        pools = self._view.urls()
        if not self._runs():
            client.reply(False, error="the server is starting or stopping")
        elif not isinstance(pool, str) or pool not in pools:
            client.reply(False, error=f"there is no pool {pool!r}; known: {', '.join(pools)}")
        else:
            return True
        return False

    def _runs(self) -> bool:
        state = self._view.state
        return state.phase == RUNNING and not drain_rules.leaves(state)

    def _drain(self, client: Client, request: Request) -> None:
        pool = request.get("pool") or ""
        if self._may_change(client, pool or next(iter(self._view.urls()))):
            self._conversations.wait_for(drain_topic(pool), client)
            self._post(events.DrainAsked(pool))

    def _undrain(self, client: Client, request: Request) -> None:
        pool = request.get("pool") or ""
        if self._may_change(client, pool or next(iter(self._view.urls()))):
            self._post(events.UndrainAsked(pool))
            client.reply(True, text=f"pool {pool} is ready" if pool else "every pool is ready")

    def _reload(self, client: Client, request: Request) -> None:
        leaves = drain_rules.leaves(self._view.state)
        if self._view.state.phase not in (BOOTING, RUNNING) or leaves:
            client.reply(False, error="the server is stopping")
            return
        client.follows = request.get("steps") is True
        before = self._view.state.reload
        if client.follows and before is not None:
            client.reply(True, step=progress.waits(before, time.monotonic()))
        self._conversations.wait_for_reload(client)
        self._post(events.ReloadAsked())

    def _rollback(self, client: Client, request: Request) -> None:
        from ..core import rollback_rules

        pool = request.get("pool") or ""
        if not self._may_change(client, pool or next(iter(self._view.urls()))):
            return
        why_not = rollback_rules.why_not(self._view.state, pool)
        if why_not:
            client.reply(False, error=why_not)
            return
        client.follows = request.get("steps") is True
        self._conversations.wait_for_reload(client)
        self._post(events.RollbackAsked(pool))

    def _stop(self, client: Client, _request: Request) -> None:
        client.stays = True
        client.reply(True, pid=os.getpid())
        self._post(events.StopAsked(fast=False))

    def _upgrade(self, client: Client, _request: Request) -> None:
        if not self._runs():
            client.reply(False, error="the server is starting or stopping")
            return
        self._conversations.wait_for(UPGRADE, client)
        self._post(events.UpgradeAsked())
