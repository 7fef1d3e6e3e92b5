"""The sockets at which the master answers about itself: opened, changed by a reload, handed over, closed."""

from __future__ import annotations

import os
import time
from math import inf

from fapws.lean import Callable
from fapws.settings.addresses import same_place
from fapws.settings.model import Address

from ..control.commands import View
from ..listen import bind
from ..listen.bind import Listener
from ..waiting import Readiness, Waiter
from . import agent
from .desk import BACKLOG, Answer, Desk
from .metrics import Figures
from .site import TOO_LATE, Site

_TELL_PAUSE = 60.0
"""Seconds between two lines on a defect: whoever asks again and again does not fill the log."""


class Monitor:
    """One desk for each address; none is open before prepare()."""

    def __init__(
        self, waiter: Waiter, say: Callable[[str], None], view: View, figures: Callable[[], Figures]
    ) -> None:
        """``say``: writes a line to the log; ``figures``: what metrics are made of besides the view."""
        self._waiter = waiter
        self._say = say
        self._told_at = -inf
        self._desks: dict[str, Desk] = {}
        """By option."""
        self._coming: dict[str, Listener] = {}
        """Of a configuration that is not in force yet."""
        self._answers: dict[str, tuple[Answer, bytes]] = {
            "status": (Site(view, figures, self._tell_defect).answer, TOO_LATE),
            # It says nothing, or what it says does not matter.
            "agent": (lambda _received: agent.line(view.state).encode() + b"\n", b""),
        }

    @property
    def open(self) -> dict[str, Listener]:
        """What is open now, by option."""
        return {key: desk.listener for key, desk in self._desks.items()}

    def adopt(self, found: dict[str, Listener]) -> None:
        """After an upgrade in place."""
        for key, listener in found.items():
            if key in self._answers:
                self._open(key, listener)

    def prepare(self, wanted: dict[str, Address]) -> None:
        """Opens what is wanted and not open. Raises CannotStart; nothing has changed then."""
        try:
            for key, address in wanted.items():
                if not self._serves(key, address):
                    self._coming[key] = bind.listen(address, BACKLOG, clients_speak=False)
        except BaseException:
            self._give_up_coming()
            raise

    def put_in_force(self, wanted: dict[str, Address], committed: bool) -> None:
        """``committed``: the configuration of the last prepare() is in force; else that is taken back."""
        if not committed:
            self._give_up_coming()
            return
        for key in [key for key in self._desks if key in self._coming or key not in wanted]:
            self._close(key)
        for key, listener in self._coming.items():
            self._open(key, listener)
        self._coming = {}
        for key, address in wanted.items():
            listener = self._desks[key].listener
            if address != listener.address:
                if address.kind == "unix":
                    bind.set_owner(address)
                self._desks[key].listener = listener._replace(address=address)

    def on_ready(self, ready: Readiness) -> bool:
        """Serves a descriptor; False: it is none of ours."""
        now = time.monotonic()
        return any(desk.on_ready(ready, now) for desk in self._desks.values())

    @property
    def due(self) -> float:
        """When end_overdue() has something to do, in monotonic seconds."""
        return min((moment for desk in self._desks.values() for moment in desk.due), default=inf)

    def end_overdue(self, now: float) -> None:
        """Ends clients whose time is over."""
        for desk in self._desks.values():
            desk.end_overdue(now)

    def close(self) -> None:
        """Gives all up."""
        self._give_up_coming()
        for key in list(self._desks):
            self._close(key)

    def _serves(self, key: str, address: Address) -> bool:
        """Whether that very place is open, and clients can reach it."""
        desk = self._desks.get(key)
        if desk is None or bind.is_lost(desk.listener.address.path, desk.listener.inode):
            return False
        ours = desk.listener.address
        return address.text == ours.text or (same_place(address) == same_place(ours) != ())

    def _open(self, key: str, listener: Listener) -> None:
        answer, too_late = self._answers[key]
        self._desks[key] = Desk(listener, self._waiter, answer, too_late)

    def _close(self, key: str) -> None:
        desk = self._desks.pop(key)
        desk.close()
        bind.remove_file(desk.listener)

    def _give_up_coming(self) -> None:
        for listener in self._coming.values():
            os.close(listener.fd)
            bind.remove_file(listener)
        self._coming = {}

    def _tell_defect(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_PAUSE:
            import traceback  # half a megabyte that is needed only here

            self._told_at = now
            self._say(f"a page at the status address cannot be made\n{traceback.format_exc()}")
