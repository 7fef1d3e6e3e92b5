"""What has failed: the master's memory for ``fapwsctl why``. Bounded in number and size.

Texts that a worker gave (a traceback, stacks, what it printed) are its own words: they are kept as such, and
whoever shows them marks them so.
"""

from __future__ import annotations

import time

from fapws.lean import Any, NamedTuple

RELOAD, BOOT, CRASH, HANG, REFUSALS = "reload", "boot", "crash", "hang", "refusals"
KEPT = 5
WORDS_MAX = 16384
"""Characters of each text that a worker gave; of a longer one the end is kept."""
_STORM = 100
"""Refusals between two looks at the scoreboard that are worth a word, if they are more than the responses."""
_STORM_OVER = 60.0
"""Seconds after which another storm is another trouble."""


class Trouble(NamedTuple):
    """One that has failed."""

    at: float
    """Monotonic seconds."""
    kind: str
    pool: str
    """Empty: the whole service."""
    text: str
    """The line of the log."""
    traceback: str = ""
    stack: str = ""
    printed: str = ""
    requests: tuple[str, ...] = ()
    """Those that the worker had answered; the latest at the end."""


class Troubles:
    """The last ones."""

    def __init__(self, kept: tuple[Trouble, ...] = ()) -> None:
        """``kept``: those before an upgrade in place."""
        self.kept = kept
        self._stacks: dict[int, str] = {}
        """Of workers that hang, by number."""
        self._counts: dict[str, tuple[int, int]] = {}
        """By pool: refusals and responses at the last look."""

    def add(self, trouble: Trouble) -> None:
        """One more; the oldest gives way."""
        words = {name: getattr(trouble, name)[-WORDS_MAX:] for name in ("traceback", "stack", "printed")}
        self.kept = (*self.kept, trouble._replace(**words))[-KEPT:]

    def note_stack(self, number: int, text: str) -> None:
        """A worker that hangs has written its stacks."""
        self._stacks[number] = text[-WORDS_MAX:]

    def take_stack(self, number: int) -> str:
        """It has ended."""
        return self._stacks.pop(number, "")

    def look(self, counts: dict[str, tuple[int, int]]) -> None:
        """``counts``: by pool, refusals and responses ever. Many refusals since the last look are a storm."""
        for pool, (refused, responses) in counts.items():
            known = self._counts.get(pool, (refused, responses))
            more, others = refused - known[0], responses - known[1]
            if more >= _STORM and more > others:
                self._storm(pool, more, others)
        self._counts = counts

    def _storm(self, pool: str, refused: int, others: int) -> None:
        now = time.monotonic()
        last = self.kept[-1] if self.kept else None
        text = f"pool {pool}: {refused} requests were refused by the server itself, {others} were answered"
        if last and (last.kind, last.pool) == (REFUSALS, pool) and now - last.at < _STORM_OVER:
            self.kept = (*self.kept[:-1], last._replace(at=now, text=text))
        else:
            self.add(Trouble(now, REFUSALS, pool, text))

    def describe(self) -> list[dict[str, Any]]:
        """For the reply to ``why``: the latest first; only of that one there is more than its line."""
        now = time.monotonic()
        told: list[dict[str, Any]] = []
        for trouble in reversed(self.kept):
            one = trouble._asdict()
            one["ago"] = round(now - one.pop("at"), 3)
            one["requests"] = list(trouble.requests)
            told.append(one if not told else {key: one[key] for key in ("kind", "pool", "text", "ago")})
        return told
