"""A connection that took a step which the core does not know: what the log says of it."""

from __future__ import annotations

from fapws._core import lib

from fapws.wsgi.serve import Server


class Quiet(Server):
    """Without a core: only what it does with an event."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, sentence: str) -> None:
        self.lines.append(sentence)


def test_a_wrong_step_is_logged_with_both_states_and_nothing_else_is_taken() -> None:
    server, fields = Quiet(), iter(["dispatched", "head", "the next record's"])
    server.event(lib.FW_FAULT, 0, fields)
    assert server.lines == [
        "a mistake in the C core: a connection went from dispatched to head and was closed"
    ]
    assert list(fields) == ["the next record's"]
