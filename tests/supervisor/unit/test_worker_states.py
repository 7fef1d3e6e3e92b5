"""The table of worker states: every state x happening has a cell, and what the cells promise."""

from __future__ import annotations

import pytest

from fapws.supervisor.core import worker_states as states


def test_every_state_knows_every_happening() -> None:
    assert set(states.TABLE) == set(states.STATES)
    for state, row in states.TABLE.items():
        assert set(row) == set(states.HAPPENINGS), state


@pytest.mark.parametrize("state", states.STATES)
@pytest.mark.parametrize("happening", states.HAPPENINGS)
def test_no_cell_leads_out_of_the_table(state: str, happening: str) -> None:
    assert states.TABLE[state][happening].state in states.STATES


@pytest.mark.parametrize("happening", states.HAPPENINGS)
def test_only_an_exit_ends_a_process(happening: str) -> None:
    """So that no process is forgotten before it has been reaped."""
    for state in states.WITH_PROCESS:
        after = states.TABLE[state][happening].state
        assert (after not in states.WITH_PROCESS) == (happening == states.EXITED)


@pytest.mark.parametrize("happening", states.HAPPENINGS)
def test_gone_is_for_ever(happening: str) -> None:
    assert states.TABLE[states.GONE][happening] == states.Cell(states.GONE)


def test_who_ends_without_being_told_to_leaves_a_slot_to_fill() -> None:
    unasked = (states.STARTING, states.SERVING, states.KILLED)
    assert {states.TABLE[state][states.EXITED].state for state in unasked} == {states.BACKING_OFF}
    assert states.TABLE[states.DRAINING][states.EXITED].state == states.GONE


def test_a_reload_never_kills_who_may_hold_clients() -> None:
    for state in states.STATES:
        assert states.TABLE[state][states.RETIRED].order in (states.NOTHING, states.DRAIN)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 1), (3, 1.5), (4, 2.25), (5, 3.375), (10, 25.62890625), (11, 30), (10**6, 30)],
)
def test_backoff(failures: int, seconds: float) -> None:
    assert states.backoff(failures) == seconds
