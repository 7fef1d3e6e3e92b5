"""Stacks on the channel: bytes without a length, in any pieces, among messages."""

from __future__ import annotations

import pytest

from fapws.messages import (
    FROM_MASTER,
    FROM_WORKER,
    MAX_PAYLOAD,
    STACKS_SENT,
    Changed,
    Decoder,
    Message,
    Ready,
    Stacks,
    encode,
)

SAID = encode(Ready()) + b"SThread 1:\n  File x\n\0" + encode(Changed("a.py")) + b"S\0"
MEANT = [Ready(), Stacks("Thread 1:\n  File x\n"), Changed("a.py"), Stacks("")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(SAID)])
def test_stacks_among_messages_are_read_in_any_pieces(size: int) -> None:
    decoder = Decoder(FROM_WORKER)
    heard: list[Message] = []
    for at in range(0, len(SAID), size):
        heard += decoder.feed(SAID[at : at + size])
    assert heard == MEANT
    assert not decoder.unfinished and decoder.last_words() == []


def test_long_stacks_are_cut_and_the_messages_behind_them_are_heard() -> None:
    decoder = Decoder(FROM_WORKER)
    heard: list[Message] = decoder.feed(b"S")
    for _ in range(40):
        heard += decoder.feed(b"x" * 20_000)
        assert decoder.unfinished
    heard += decoder.feed(b"\0" + encode(Changed("b")))
    stacks, changed = heard
    assert isinstance(stacks, Stacks) and changed == Changed("b")
    assert len(stacks.text) < MAX_PAYLOAD + 100
    assert stacks.text.endswith("(more than that is left out)\n")


def test_stacks_without_an_end_are_nonsense_at_last() -> None:
    decoder = Decoder(FROM_WORKER)
    piece = b"S" + b"x" * 65535
    with pytest.raises(ValueError, match="not a message"):
        for _ in range(STACKS_SENT // len(piece) + 2):
            decoder.feed(piece)


def test_a_worker_that_dies_meanwhile_has_said_what_it_has() -> None:
    decoder = Decoder(FROM_WORKER)
    assert decoder.feed(b"SThread 1:\n  Fi") == []
    assert decoder.last_words() == [Stacks("Thread 1:\n  Fi")]


def test_a_master_sends_no_stacks() -> None:
    with pytest.raises(ValueError, match="not a message"):
        Decoder(FROM_MASTER).feed(b"Sx\0")
