"""What happens to zygotes, and what holds of them and of those that they fork."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fapws.supervisor.core import decide, events
from fapws.supervisor.core import worker_states as states

from .world import WINDOW, World


class Zygotes(World):
    """They import, fork, are stopped, die."""

    def pick_zygote(self, choice: int) -> int:
        return sorted(self.zygotes)[choice % len(self.zygotes)]

    def zygote_ready(self, number: int) -> None:
        self.zygotes[number] = True
        if number in self.killed | self.dismissed:
            return  # it was about to say so
        self.tell(events.ZygoteReady(number))

    @rule()
    def all_ready(self) -> None:
        while booting := [number for number, ready in self.zygotes.items() if not ready]:
            self.zygote_ready(booting[0])
        while starting := [c.number for c in self.state.children if c.state == states.STARTING]:
            self.serving.add(starting[0])
            self.tell(events.WorkerReady(starting[0]))

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100))
    def preloaded(self, choice: int) -> None:
        number = self.pick_zygote(choice)
        if not self.zygotes[number]:
            self.zygote_ready(number)

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100), status=st.sampled_from([0, 1, -9]), says=st.booleans())
    def zygote_dies(self, choice: int, status: int, says: bool) -> None:
        number = self.pick_zygote(choice)
        if says and not self.zygotes[number]:
            self.tell(events.ZygoteFailed(number, "why\n"))
        serving = set(self.serving)
        del self.zygotes[number]
        self.killed.discard(number)
        self.dismissed.discard(number)
        lost = [worker for worker, zygote in self.unborn.items() if zygote == number]
        self.tell(events.ZygoteExited(number, status))
        assert self.serving == serving or self.state.reload, "its workers serve on"
        for worker in lost:
            self.end(worker, status)

    @precondition(lambda self: self.zygotes)
    @rule(choice=st.integers(0, 100), goes_on=st.booleans())
    def zygote_stopped(self, choice: int, goes_on: bool) -> None:
        number = self.pick_zygote(choice)
        self.tell(events.ZygoteContinued(number) if goes_on else events.ZygotePaused(number, "SIGSTOP"))

    @precondition(lambda self: self.unborn)
    @rule(choice=st.integers(0, 100))
    def born(self, choice: int) -> None:
        number = sorted(self.unborn)[choice % len(self.unborn)]
        del self.unborn[number]
        self.tell(events.WorkerBorn(number))

    @invariant()
    def every_zygote_is_known_and_needed(self) -> None:
        assert {zygote.number for zygote in self.state.zygotes} == set(self.zygotes)
        reload = self.state.reload
        current = {self.state.generation, reload.generation if reload else 0}
        for zygote in self.state.zygotes:
            used = any(child.zygote == zygote.number for child in self.state.children)
            ends = zygote.number in self.dismissed | self.killed
            assert used or ends or zygote.generation in current or zygote.keep_until > self.now
        idle = [z for z in self.state.zygotes if z.state in ("booting", "ready")]
        idle = [z for z in idle if all(child.zygote != z.number for child in self.state.children)]
        assert len(idle) == len({(z.pool.name, z.generation) for z in idle}), "two for the same workers"

    @invariant()
    def of_each_pool_one_is_kept_and_no_longer_than_it_may(self) -> None:
        kept = [zygote for zygote in self.state.zygotes if zygote.keep_until > self.now]
        assert len({zygote.pool.name for zygote in kept}) == len(kept)
        for zygote in kept:
            assert zygote.keep_until <= self.now + WINDOW and not zygote.carried
            assert decide.next_wakeup(self.state, self.now) <= zygote.keep_until, "it would be kept for ever"

    @invariant()
    def who_waits_for_a_zygote_waits_for_one_that_comes(self) -> None:
        coming = {z.number for z in self.state.zygotes if z.state in ("booting", "doomed", "killed")}
        waiting = {c.zygote for c in self.state.children if c.state == states.WAITING}
        assert waiting <= coming - self.dismissed, "it is neither ready nor fails"
        born_of = {c.zygote for c in self.state.children if c.unborn and c.has_process} & set(self.zygotes)
        soon = decide.next_wakeup(self.state, self.now) <= self.now + 10.0
        assert soon or not born_of - self.killed, "it would wait for ever"
