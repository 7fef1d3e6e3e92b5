"""Our parser against two that it shares no line with: llhttp (httptools) and h11.

A message is generated from the grammar (grammar.py) and then damaged (damage.py): line ends, white
space, framing, hosts, targets, chunks. All three read it (readers.py). What two of them accept they
must read alike, byte for byte, including where the message ends. Where we accept and a peer refuses,
or the other way round, the difference must be found in differences.py with its reason; anything else
fails, with the message.

Every run tries the same messages. FAPWS_DIFFERENTIAL_SEED begins elsewhere, for those who have time.
"""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protocol.differential.damage import messages
from protocol.differential.differences import (
    STRICTER,
    TOLERATED,
    Difference,
    Rule,
    broken_rules,
    explain,
)
from protocol.differential.grammar import NEXT
from protocol.differential.readers import PEERS, Reading, Stream, running_stream
from protocol.differential.rules import take_apart

pytestmark = pytest.mark.skipif(
    platform.python_implementation() == "PyPy",
    reason="compares C programs, which are the same there, and llhttp's module keeps gigabytes on PyPy",
)

MESSAGES = 210_000
"""Different ones."""
SEED = int(os.environ.get("FAPWS_DIFFERENTIAL_SEED", "1"))
EXAMPLES = 100
"""Of hypothesis, about 13 messages each."""


def check_message(stream: Stream, message: bytes) -> Reading:
    ours = stream.read(message)
    assert broken_rules(message, ours) == [], message
    for peer, read in PEERS.items():
        problem = explain(message, ours, peer, read(message))
        assert problem is None, f"{problem}\n{message!r}"
    return ours


def test_what_is_accepted_is_read_as_llhttp_and_h11_read_it() -> None:
    chance = Random(SEED)
    verdicts: Counter[str] = Counter()
    tried: set[int] = set()
    with running_stream() as stream:
        while len(tried) < MESSAGES:
            for message in messages(chance):
                if hash(message) not in tried:
                    tried.add(hash(message))
                    verdicts[check_message(stream, message).verdict] += 1
    # The generator must neither be so tame nor so wild that one side is hardly tried.
    assert verdicts["ok"] >= MESSAGES // 10
    assert set(verdicts) >= {rule.token for rule in STRICTER}


def test_a_difference_that_hypothesis_finds_is_told_at_its_smallest() -> None:
    """The same generator, on dice that hypothesis throws and knows how to make smaller."""
    with running_stream() as stream:

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=False))
        def check(chance: Random) -> None:
            for message in messages(chance):
                check_message(stream, message)

        check()


@pytest.mark.parametrize("rule", STRICTER, ids=lambda rule: str(rule.token))
def test_each_rule_has_a_peer_that_is_more_lenient_or_says_so(rule: Rule) -> None:
    """A rule without an example is one that both peers keep too."""
    if not rule.example:
        return
    with running_stream() as stream:
        message = rule.example + NEXT
        assert stream.read(message).verdict == rule.token
        assert rule.broken(take_apart(message))
        assert any(read(message).accepted for read in PEERS.values())


@pytest.mark.parametrize("row", TOLERATED, ids=lambda row: f"{row.peer}-{row.theirs}")
def test_each_tolerated_difference_is_real(row: Difference) -> None:
    with running_stream() as stream:
        message = row.example + NEXT
        ours = stream.read(message)
        theirs = PEERS[row.peer](message)
    assert ours.accepted
    assert ours != theirs
    assert row.holds(take_apart(message))
    assert re.search(row.theirs, theirs.verdict)


def test_the_content_of_a_refused_message_is_not_taken_for_the_next_request() -> None:
    """What smuggling needs: two readers, two lengths."""
    with running_stream() as stream:
        for message in (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nG",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
            b"0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n",
        ):
            assert not stream.read(message + NEXT).accepted, message
