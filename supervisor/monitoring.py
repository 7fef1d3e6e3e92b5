"""What the master's loop knows of its monitor: nothing, and no module of it, until the configuration asks."""

from __future__ import annotations

from math import inf

from fapws.lean import TYPE_CHECKING
from fapws.settings.files import own_addresses
from fapws.settings.model import Config

from .control.commands import View
from .listen.bind import Listener
from .waiting import Readiness

if TYPE_CHECKING:
    from .monitor.metrics import Figures
    from .monitor.monitor import Monitor
    from .resources import Resources


class Monitoring:
    """Brings the monitor in when an address is configured for it, and lets it go with the last one."""

    def __init__(self, resources: Resources, view: View) -> None:
        """``view``: what is told about, besides the resources."""
        self._resources = resources
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

    def _figures(self) -> Figures:
        """What metrics are made of besides the view. Called when somebody asks for them."""
        from .listen.backlog import waiting
        from .monitor.metrics import Figures

        resources, state = self._resources, self._view.state
        queues = {
            pool.name: [waiting(one.fd) for one in resources.listeners.queues_of_pool(pool) if one.fd >= 0]
            for pool in state.config.pools
        }
        told = {pool: [n for n in lengths if n is not None] for pool, lengths in queues.items()}
        books = resources.books
        return Figures(
            backlogs={pool: sum(lengths) for pool, lengths in told.items() if lengths},
            exits=books.exits,
            reloads=books.reloads,
            read_at=books.read_at,
            log_lines_lost=books.log_lines_lost + resources.error_log.lost_ever,
            gone_tallies=resources.workers.gone_tallies,
            gone_busy=resources.workers.gone_busy,
        )

    def _needed(self) -> Monitor:
        if self._monitor is None:
            from .monitor.monitor import Monitor

            resources = self._resources
            self._monitor = Monitor(resources.waiter, resources.error_log.write, self._view, self._figures)
        return self._monitor
