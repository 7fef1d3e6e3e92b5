"""What the master remembers of failures: the last ones, and not too much of each."""

from __future__ import annotations

import re

from fapws._core import ffi, lib

from fapws.settings.plain import plain, rebuilt
from fapws.supervisor.control import troubles
from fapws.supervisor.control.troubles import CRASH, KEPT, REFUSALS, RELOAD, WORDS_MAX, Trouble, Troubles


def test_last_ones_are_kept_and_only_the_latest_is_told_whole() -> None:
    memory = Troubles()
    for number in range(KEPT + 3):
        memory.add(Trouble(float(number), CRASH, "a", f"death {number}", stack="frame", requests=("GET /",)))
    told = memory.describe()
    assert [one["text"] for one in told] == [f"death {number}" for number in range(KEPT + 2, 2, -1)]
    assert told[0]["stack"] == "frame"
    assert told[0]["requests"] == ["GET /"]
    assert all(set(one) == {"kind", "pool", "text", "ago"} for one in told[1:])


def test_of_a_workers_words_the_end_is_kept() -> None:
    memory = Troubles()
    memory.note_stack(1, "x" * WORDS_MAX * 2)
    words = "x" * WORDS_MAX + "end"
    memory.add(
        Trouble(0, CRASH, "a", "death", traceback=words, stack=memory.take_stack(1), printed=words),
    )
    (kept,) = memory.kept
    assert len(kept.traceback) == len(kept.stack) == len(kept.printed) == WORDS_MAX
    assert kept.traceback.endswith("end")
    assert memory.take_stack(1) == "", "it is the worker's that has ended"


def test_many_refusals_between_two_looks_are_a_storm_unless_more_was_answered() -> None:
    memory = Troubles()
    looks: list[dict[str, tuple[int, int]]] = [
        {"a": (1000, 0), "b": (0, 0)},
        {"a": (1099, 0), "b": (100, 100)},
        {"a": (1199, 20), "b": (300, 150)},
        {"a": (1199, 20), "b": (500, 150)},
    ]
    memory.look(looks[0], looks[1], {}, {})
    assert memory.kept == ()
    memory.look(looks[1], looks[2], {}, {})
    assert [(one.kind, one.pool) for one in memory.kept] == [(REFUSALS, "a"), (REFUSALS, "b")]
    assert "100 requests were refused by the server itself, 20 were answered" in memory.kept[0].text
    memory.look(looks[2], looks[3], {}, {})
    assert len(memory.kept) == 2, "a storm that goes on is one"


def test_storm_is_told_with_its_reasons_the_most_frequent_first() -> None:
    memory = Troubles()
    before, now = [0] * 96, [0] * 96
    before[30], now[30], now[43] = 900, 980, 20
    memory.look({"a": (900, 0)}, {"a": (1000, 0)}, {"a": tuple(before)}, {"a": tuple(now)})
    tokens = [ffi.string(lib.fw_error_name(code)).decode() for code in (-30, -43)]
    assert f"itself ({tokens[0]} 80, {tokens[1]} 20), 0 were" in memory.kept[0].text
    many = tuple(1000 - code if lib.fw_error_status(-code) else 7 for code in range(96))
    words = troubles.most_frequent((), many)
    assert len(words.split(", ")) == 6, "five, and the others together"
    assert re.search(r", other reasons \d+$", words)


def test_successor_of_a_master_remembers() -> None:
    memory = Troubles()
    memory.add(Trouble(1.0, RELOAD, "", "reload failed", "Traceback", requests=("GET /: 200, 1 ms",)))
    handed = rebuilt(plain(memory.kept), {"Trouble": Trouble})
    assert Troubles(tuple(handed)).describe()[0]["text"] == "reload failed"
