"""What the master answers to fapwsctl. A part of Master, which owns everything named here."""

from __future__ import annotations

import os
import time

from fapws.lean import Callable

from ..core import decide, events
from ..listen.listeners import Listeners
from ..process.workers import Post, Workers
from . import status
from .control_socket import Client, Request
from .conversations import Clients
from .status import describe

WORKERS_MAX = 1024
"""Of a pool, as for the option."""


class Answering:
    """The commands of the control socket."""

    _state: decide.State
    _clients: Clients
    _listeners: Listeners
    _workers: Workers
    _post: Post
    _began: float
    _deaths: tuple[status.Death, ...]
    _last_reload: status.LastReload | None
    _reopen_logs: Callable[[], str]
    _ask_upgrade: Callable[[], None]

    def commands(self) -> dict[str, Callable[[Client, Request], None]]:
        """What each command calls."""
        return {
            "ping": self._answer_ping,
            "reload": self._answer_reload,
            "reopen": self._answer_reopen,
            "scale": self._answer_scale,
            "status": self._answer_status,
            "stop": self._answer_stop,
            "upgrade": self._answer_upgrade,
        }

    def _answer_ping(self, client: Client, _request: Request) -> None:
        client.answer(True, pid=os.getpid())

    def _answer_status(self, client: Client, _request: Request) -> None:
        client.answer(True, **describe(self._state, self._facts(), time.monotonic()))

    def _answer_reopen(self, client: Client, _request: Request) -> None:
        complaint = self._reopen_logs()
        if complaint:
            client.answer(False, error=complaint)
        else:
            client.answer(True, pid=os.getpid())

    def _answer_scale(self, client: Client, request: Request) -> None:
        pool = request.get("pool")
        workers = request.get("workers")
        if self._state.phase != decide.RUNNING:
            client.answer(False, error="the server is starting or stopping")
        elif pool not in self._urls():
            client.answer(False, error=f"there is no pool {pool!r}; known: {', '.join(self._urls())}")
        elif type(workers) is not int or not 1 <= workers <= WORKERS_MAX:
            client.answer(False, error=f"the number of workers must be from 1 to {WORKERS_MAX}")
        else:
            self._clients.wait_for(f"scale {pool}", client)
            self._post(events.ScaleAsked(str(pool), workers))

    def _answer_reload(self, client: Client, _request: Request) -> None:
        if self._state.phase not in (decide.BOOTING, decide.RUNNING):
            client.answer(False, error="the server is stopping")
            return
        self._clients.wait_for_reload(client)
        self._post(events.ReloadAsked())

    def _answer_stop(self, client: Client, _request: Request) -> None:
        client.answer(True, pid=os.getpid())
        self._post(events.StopAsked(fast=False))

    def _facts(self) -> status.Facts:
        return status.Facts(
            pid=os.getpid(),
            began=self._began,
            urls=self._urls(),
            workers=self._workers.views(),
            gone=self._workers.gone,
            deaths=self._deaths,
            last_reload=self._last_reload,
        )

    def _urls(self) -> dict[str, list[str]]:
        return {
            pool.name: [listener.url for listener in self._listeners.of_pool(pool)]
            for pool in self._state.config.pools
        }

    def _answer_upgrade(self, client: Client, _request: Request) -> None:
        if self._state.phase != decide.RUNNING:
            client.answer(False, error="the server is starting or stopping")
            return
        self._clients.wait_for("upgrade", client)
        self._ask_upgrade()
