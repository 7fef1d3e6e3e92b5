"""Carries out what the decision core orders about a reload: read and prepare; at the end, tidy and tell.

prepare() -> a child reads the configuration -> on_ready() at its end, or end_overdue(): Prepared or Refused.
"""

from __future__ import annotations

import time
from math import inf

from fapws.lean import Callable
from fapws.settings.model import Config
from fapws.settings.source import Source

from .control import status
from .control.troubles import RELOAD, Trouble
from .core import actions, events, progress, texts
from .core import worker_states as states
from .core.decide import RUNNING, State
from .core.rolling import limited
from .errors import CannotStart
from .process.workers import Post
from .reread import SECONDS, CannotRead, Reading
from .resources import Resources


class ReloadOrders:
    """Remembers how the last reload ended, for the status."""

    def __init__(
        self,
        resources: Resources,
        source: Source,
        state: Callable[[], State],
        post: Post,
        last: status.LastReload | None,
    ) -> None:
        """``source``: reads the configuration. ``last``: the last reload of an earlier master."""
        self.last = last
        self._resources = resources
        self._source = source
        self._state = state
        self._post = post
        self._unchanged = ""
        """Options that the reload under way could not change."""
        self._reading: Reading | None = None
        """The child that reads the configuration."""
        self._generation_before = 0
        """The generation in force when it began."""

    def prepare(self, action: actions.Prepare) -> None:
        """Has the configuration read, unless it is known. Prepared or Refused follows."""
        self._resources.conversations.reload_begins()
        if not action.config and self._resources.conversations.followed:
            self._resources.conversations.tell_step(progress.READING)
        self._resources.notifier.reloading(self.summary())
        self._generation_before = self._state().generation
        self._resources.workers.doubts.clear()
        known = action.config
        if known is not None:
            self._open(lambda: known)
            return
        try:
            self._reading = Reading(self._source, time.monotonic(), self._resources.opened)
        except OSError as error:
            self._post(events.Refused(f"the configuration cannot be read: {error.strerror}"))
            return
        self._resources.waiter.watch(self._reading.fd)

    def on_ready(self, fd: int) -> bool:
        """Hears the child; at its end opens what is new in the configuration. False: it is not the child."""
        if self._reading is None or fd != self._reading.fd:
            return False
        if not self._reading.hear():
            reading, self._reading = self._reading, None
            self._resources.waiter.forget(fd)
            self._open(reading.result)
        return True

    def _open(self, result: Callable[[], Config]) -> None:
        try:
            fresh = result()
            self._resources.workers.know(fresh)
            _bring_in_what_preload_needs(fresh)
            config = self._keep_what_cannot_change(self._limited(fresh))
            self._resources.renew_pidfile()
            self._resources.listeners.prepare(config)
            self._resources.logs.prepare(config)
            self._resources.monitoring.prepare(config)
        except (CannotRead, CannotStart) as error:
            self._post(events.Refused(str(error)))
        except Exception:
            # A defect must not take the service down; the reload fails and says why.
            import traceback  # half a megabyte that is needed only here

            self._post(events.Refused(traceback.format_exc()))
        else:
            self._post(events.Prepared(config))

    def summary(self) -> str:
        """How the service is, in one line."""
        return status.summary(self._state(), self.last)

    @property
    def due(self) -> float:
        """When end_overdue() has something to do, in monotonic seconds."""
        return self._reading.deadline if self._reading else inf

    def end_overdue(self, now: float) -> None:
        """Gives a child up that takes too long."""
        if now >= self.due:
            self.close()
            self._post(events.Refused(f"the configuration could not be read in {SECONDS:.0f} s"))

    def close(self) -> None:
        """Ends the child, if there is one: its result is not wanted any more."""
        if self._reading is not None:
            self._resources.waiter.forget(self._reading.fd)
            self._reading.end()
            self._reading = None

    def _keep_what_cannot_change(self, config: Config) -> Config:
        """A pidfile or control socket that moved while it is in use takes a restart."""
        now = self._state().config
        kept = config._replace(pidfile=now.pidfile, control=now.control)
        names = [name for name in ("pidfile", "control") if getattr(kept, name) != getattr(config, name)]
        self._unchanged = texts.unchanged(names)
        return kept

    def _limited(self, fresh: Config) -> Config:
        """A worker that tells of a change has no say in other pools."""
        state = self._state()
        return limited(state.config, fresh, state.reload.only) if state.reload else fresh

    def done(self, action: actions.ReloadDone) -> None:
        """Closes what the configuration in force has no use for, and tells waiting clients how it ended."""
        self.close()
        running = self._state().phase == RUNNING
        if running:
            self._tidy(action.config)
        word = "rollback" if action.back else "reload"
        text = action.text + (self._unchanged if action.ok else "")
        self._resources.error_log.write(
            texts.after(f"{word} {'done' if action.ok else 'failed'}", text),
        )
        after = texts.doubts(self._resources.workers.doubts) if action.ok else self._what_goes_on()
        for line in after:
            self._resources.error_log.write(line)
        self.last = status.LastReload(time.monotonic(), action.ok, text, tuple(sorted(action.pools)))
        self._resources.books.reload_ends(action.ok)
        if not action.ok:
            pool = next(iter(action.pools)) if len(action.pools) == 1 else ""
            more = texts.below_headline(text)
            stack = "(most recent call first" in more
            self._resources.troubles.add(
                Trouble(
                    at=self.last.at,
                    kind=RELOAD,
                    pool=pool,
                    text=f"{word} failed: {texts.headline(text)}",
                    traceback="" if stack else more,
                    stack=more if stack else "",
                )
            )
        if running:
            self._resources.notifier.ready(self.summary())
        if action.ok:
            self._resources.conversations.reload_ends(True, text=text, after=after)
        else:
            self._resources.conversations.reload_ends(False, error=text, after=after)
            self._resources.workers.tell_broken(text, self._who_watches(action))

    def _what_goes_on(self) -> list[str]:
        """Whom clients have after a reload that has failed, which a traceback does not tell."""
        state = self._state()
        stays = state.phase == RUNNING and state.generation == self._generation_before
        serving = any(child.state == states.SERVING for child in state.children)
        return [texts.OLD_SERVE_ON] if stays and serving else []

    @staticmethod
    def _who_watches(action: actions.ReloadDone) -> set[str]:
        """The pools whose workers are told why a reload failed: it may quote an application."""
        pools = action.config.pools
        return {
            pool.name
            for pool in pools
            if pool.autoreload and (pool.name in action.pools or len(pools) == 1)
        }

    def _tidy(self, config: Config) -> None:
        resources = self._resources
        try:
            committed = self._state().generation != self._generation_before
            resources.listeners.put_in_force(config, committed)
            resources.monitoring.put_in_force(config, committed)
            if resources.logs.put_in_force(config):
                resources.workers.renew_logs(resources.logs)
            resources.conversations.renew_socket(config.control_group)
        except (OSError, CannotStart) as error:
            resources.error_log.write(f"the reload left something behind: {error}")


def _bring_in_what_preload_needs(config: Config) -> None:
    """Now, when it only ends the reload if the installation has been removed. Raises ImportError."""
    if any(pool.preload for pool in config.pools):
        from .core import rollback_rules, zygote_rules
        from .process import births

        del births, rollback_rules, zygote_rules
