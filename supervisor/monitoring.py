"""What the master's loop knows of its monitor: nothing, and no module of it, until the configuration asks."""

from __future__ import annotations

from math import inf

from fapws.lean import TYPE_CHECKING, Callable
from fapws.settings.files import own_addresses
from fapws.settings.model import Config

from .control.commands import View
from .listen.bind import Listener
from .waiting import Readiness, Waiter

if TYPE_CHECKING:
    from .monitor.monitor import Monitor


class Monitoring:
    """Brings the monitor in when an address is configured for it, and lets it go with the last one."""

    def __init__(self, waiter: Waiter, say: Callable[[str], None], view: View) -> None:
        """``say``: writes a line to the log. ``view``: what is told about."""
        self._waiter = waiter
        self._say = say
        self._view = view
        self._monitor: Monitor | None = None

    @property
    def open(self) -> dict[str, Listener]:
        """What is open now, by option."""
        return self._monitor.open if self._monitor else {}

    def adopt(self, found: dict[str, Listener]) -> None:
        """After an upgrade in place."""
        if found:
            self._needed().adopt(found)

    def prepare(self, config: Config) -> None:
        """Opens what the configuration names and is not open. Raises CannotStart, without any change."""
        wanted = dict(own_addresses(config))
        if wanted:
            self._needed().prepare(wanted)

    def put_in_force(self, config: Config, committed: bool = True) -> None:
        """``committed``: whether the last ``prepare`` was for this configuration; else it is taken back."""
        if self._monitor:
            self._monitor.put_in_force(dict(own_addresses(config)), committed)
            if not self._monitor.open:
                self._monitor = None

    def on_ready(self, ready: Readiness) -> bool:
        """Serves a descriptor; False: it is none of the monitor's."""
        return self._monitor is not None and self._monitor.on_ready(ready)

    @property
    def due(self) -> float:
        """When end_overdue() has something to do, in monotonic seconds."""
        return self._monitor.due if self._monitor else inf

    def end_overdue(self, now: float) -> None:
        """Ends clients whose time is over."""
        if self._monitor:
            self._monitor.end_overdue(now)

    def close(self) -> None:
        """Gives all up."""
        if self._monitor:
            self._monitor.close()

    def _needed(self) -> Monitor:
        if self._monitor is None:
            from .monitor.monitor import Monitor

            self._monitor = Monitor(self._waiter, self._say, self._view)
        return self._monitor
