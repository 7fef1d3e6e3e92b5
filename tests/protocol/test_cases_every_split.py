"""Plays every tests/protocol/*.case against the C core alone, split at every position.

The program ``case_player`` (tests/c/case_player.c) holds the core and an application like that of the
other runs, both under AddressSanitizer and UBSan. FAPWS_CASE_PLAYER names it; otherwise it is built
here. Whatever outcomes the splits of a case have, each must be what the case says.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.cases import PROBE, Case, converse, load
from support.raw import BadAnswer, Client

from fapws.settings.model import Limits

ROOT = Path(__file__).resolve().parents[2]
CASES = [case for path in sorted(Path(__file__).parent.glob("*.case")) for case in load(path)]


class Replied(NamedTuple):
    """What came back in a step."""

    ended: bool
    data: bytes


class Outcome(NamedTuple):
    """What some of the splits of a case led to."""

    splits: int
    first: int
    """Bytes before the first of these splits; 0: not split."""
    seen: int
    """Requests that reached the application."""
    steps: list[Replied]


class Player:
    """The running case_player."""

    def __init__(self, folder: Path) -> None:
        limits = Limits()
        sizes = (limits.max_header_size, limits.max_headers, limits.max_uri, limits.max_body_size)
        self.splits = 0
        # Leaks are looked for by the programs that may be traced (tools/test-c.sh, tools/fuzz.sh).
        self.process = subprocess.Popen(
            [program(), str(folder / "s"), *map(str, sizes)],
            env={"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1", **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def play(self, case: Case) -> list[Outcome]:
        """The different outcomes of all splits."""
        assert self.process.stdin is not None
        steps = [(step.half_close, step.send) for step in case.steps]
        if case.then == "open":
            steps.append((False, PROBE))
        message = [struct.pack(">I", len(steps))]
        message += [struct.pack(">II", half_close, len(data)) + data for half_close, data in steps]
        self.process.stdin.write(b"".join(message))
        self.process.stdin.flush()
        (count,) = self._numbers(1)
        outcomes = [self._outcome(len(steps)) for _ in range(count)]
        self.splits += sum(outcome.splits for outcome in outcomes)
        return outcomes

    def _outcome(self, steps: int) -> Outcome:
        splits, first, seen = self._numbers(3)
        return Outcome(splits, first, seen, [self._step() for _ in range(steps)])

    def _step(self) -> Replied:
        ended, size = self._numbers(2)
        return Replied(bool(ended), self._read(size))

    def _numbers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}I", self._read(4 * count))

    def _read(self, size: int) -> bytes:
        assert self.process.stdout is not None
        data = self.process.stdout.read(size)
        assert len(data) == size, "case_player has ended; its report is on standard error"
        return data

    def end(self) -> None:
        """Ends the program, which frees all that it holds."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0


class Replay(Client):
    """A client that gets what came back in an earlier run, step by step."""

    def __init__(self, steps: Iterable[Replied]) -> None:
        self.seconds = 0.0
        self._steps = iter(steps)
        self._buffer = bytearray()
        self._ended = self._will_end = False
        self._framing = ""
        self._left = 0

    def _more(self) -> bool:
        if not self._will_end and not self._ended:
            raise BadAnswer(f"nothing more came: {bytes(self._buffer[:300])!r}")
        self._ended = True
        return False

    def send(self, data: bytes) -> None:
        """The next step."""
        step = next(self._steps)
        self._buffer += step.data
        self._will_end = step.ended

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """The next step."""
        self.send(b"")

    def half_close(self) -> None:
        """Was done with the step."""

    def close(self) -> None:
        """There is no connection."""

    def quiet(self, seconds: float = 0.0) -> bool:
        """Whether nothing came in this step and before."""
        return not self._buffer and not self._will_end


def program() -> str:
    """The path of case_player."""
    name = os.environ.get("FAPWS_CASE_PLAYER")
    if not name:
        # Without its arguments it only says how to use it: to run it is to build it.
        subprocess.run(["sh", str(ROOT / "tools" / "test-c.sh"), "case_player"], check=True)
        name = str(ROOT / "build" / "c" / "case_player")
    return name


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    """One process for all cases."""
    # Not below pytest's folder: a unix socket's path may have only about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="fapws-test-"))
    running = Player(folder)
    try:
        yield running
        running.end()
    finally:
        running.process.kill()
        running.process.wait(10)
        shutil.rmtree(folder)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_case_split_anywhere(case: Case, player: Player) -> None:
    for outcome in player.play(case):
        try:
            reached = converse(case, Replay(outcome.steps), "whole", lambda: None)
            assert outcome.seen == reached + (case.then == "open"), "requests without an answer"
        except AssertionError as error:
            where = f"{outcome.splits} splits, the first at byte {outcome.first}: "
            raise AssertionError(where + f"{error}\n{outcome.steps}"[:2000]) from None


def test_every_position_was_tried(player: Player) -> None:
    """Except in the few long cases, which would take minutes."""
    short = sum(len(b"".join(step.send for step in case.steps)) for case in CASES if size(case) < 9000)
    assert player.splits >= short


def size(case: Case) -> int:
    """Bytes that the client sends."""
    return sum(len(step.send) for step in case.steps)
