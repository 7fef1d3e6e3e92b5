"""How the service is, in one sentence, without a process."""

from __future__ import annotations

from fapws.settings.model import Config, Pool
from fapws.supervisor.core import decide, events, outlook


def service(*names: str) -> decide.State:
    """One worker a pool, numbered from 1; all serve."""
    state = decide.State(Config("", tuple(Pool(name, request_timeout=0.0) for name in names)))
    state, _ = decide.step(state, events.Boot(), 1000.0)
    for number in range(1, len(names) + 1):
        state, _ = decide.step(state, events.WorkerReady(number), 1000.0)
    return state


def after(state: decide.State, *told: events.Event) -> decide.State:
    for event in told:
        state, _ = decide.step(state, event, 1001.0)
    return state


def crashed_for_good(state: decide.State, number: int) -> decide.State:
    """Its successor does not come up either, so the pool has nobody."""
    state = after(state, events.WorkerExited(number, 1))
    (successor,) = [child.number for child in state.children if child.state == "starting"]
    return after(state, events.WorkerExited(successor, 1))


def test_a_drained_pool_hides_no_other_that_lacks_workers() -> None:
    state = after(service("blog", "shop"), events.DrainAsked("blog"))
    assert outlook.complaint(state) == "pool blog: draining"
    state = crashed_for_good(state, 2)
    assert outlook.complaint(state) == "pool blog: draining; pool shop: 0 of 1 workers serve"
    assert outlook.complaint(state, "blog") == "pool blog: draining"
    assert outlook.complaint(state, "shop") == "pool shop: 0 of 1 workers serve"


def test_a_drained_pool_that_lacks_workers_says_both() -> None:
    state = crashed_for_good(after(service("blog", "shop"), events.DrainAsked("blog")), 1)
    assert outlook.complaint(state, "blog") in (
        "pool blog: draining, 0 of 1 workers serve",
        "pool blog: drained, 0 of 1 workers serve",
    )
    assert outlook.complaint(state, "shop") == ""


def test_sentence_stays_short_with_many_pools() -> None:
    names = [f"p{number}" for number in range(outlook.TOLD + 3)]
    state = service(*names)
    for name in names:
        state = after(state, events.DrainAsked(name))
    said = outlook.complaint(state)
    assert said.count("pool p") == outlook.TOLD
    assert said.endswith("; 3 more pools")
