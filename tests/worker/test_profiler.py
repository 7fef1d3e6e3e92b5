"""What a worker finds of itself, and what fapwsctl understands of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from fapws.cli.profile import hottest, read
from fapws.messages import MAX_PAYLOAD, Changed, Profiled
from fapws.supervisor.process.worker_process import Judge
from fapws.worker import profiler
from fapws.worker.profiler import STACKS_MAX, TEXT_MAX, Sampler


def test_threads_have_their_names_and_an_idle_main_thread_is_waiting() -> None:
    begun, done = threading.Event(), threading.Event()

    def nap_of_mine() -> None:
        begun.set()
        done.wait()

    thread = threading.Thread(target=nap_of_mine, name="a;b\x1b c")
    thread.start()
    begun.wait()
    found: list[str] = []
    sampler = threading.Thread(target=lambda: found.append(Sampler(main, lambda: False).run(0.1)))
    main = threading.get_ident()
    sampler.start()
    sampler.join()
    done.set()
    thread.join()
    head, *lines = found[0].splitlines()
    _, looks, idle, _ = head.split()
    assert looks == idle and int(looks) >= 9
    assert f"MainThread;(waiting for requests) {looks}" in lines
    assert any(line.startswith("a:b\\x1b c;") and "nap_of_mine" in line for line in lines)


def test_looks_that_were_missed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """C code that keeps the GIL holds the sampler up."""
    sampler = Sampler(threading.get_ident(), lambda: True)
    took: list[float] = []  # by its own clock: this thread may be held up before it and behind it
    text_of = sampler._text
    monkeypatch.setattr(sampler, "_text", lambda seconds: took.append(seconds) or text_of(seconds))
    text = sampler.run(0.1)
    looks = int(text.split()[1])
    assert looks >= int(took[0] / profiler.PERIOD) - 2


def test_deep_and_many_stacks_stay_within_their_bounds() -> None:
    def deep(level: int, then: Callable[[], None]) -> None:
        deep(level - 1, then) if level else then()

    sampler = Sampler(threading.get_ident(), lambda: True)
    sampler._own = 0  # look at this thread
    deep(500, lambda: sampler._look(1))
    own = threading.get_ident()
    (stack,) = (one for one in sampler._counts if one[0] == own)  # pytest may have threads of its own
    assert len(stack[1]) == profiler.DEPTH_MAX
    sampler._counts = {(1, (n,)): 1 for n in range(STACKS_MAX)}
    sampler._look(5)
    assert sampler._counts[0, ()] >= 5
    many = profiler._cut([(f"{n};" + "x" * 500, 1) for n in range(1000)])
    assert len(many) < TEXT_MAX + 100 < MAX_PAYLOAD
    assert sum(int(line.rsplit(" ", 1)[1]) for line in many.splitlines()) == 1000


def test_table_has_a_recursive_frame_once_and_leaves_waiting_out() -> None:
    lines = [("T;a;b;a", 4, 4), ("T;a", 1, 1), ("T;(waiting for requests)", 9, 9), ("(other stacks)", 2, 2)]
    assert hottest(lines) == [("a", 5, 5), ("b", 0, 4)]


@pytest.mark.parametrize(
    "text",
    ["", "#", "nonsense\n;;\nx y z", "# 1 2 3\n" + "a 9" * 99, "# nan inf -1\na -\nb ٣", "#" + "9" * 5000],
)
def test_nonsense_of_a_worker_is_no_figure(text: str) -> None:
    found = read(text, 1)
    assert len(found.figures) == 3
    assert hottest(found.lines) is not None


def test_worker_that_tells_of_itself_without_being_asked_is_found_out() -> None:
    judge = Judge(autoreload=True)
    judge.hear(Profiled(""), 1.0)  # an earlier master may have asked
    with pytest.raises(ValueError, match="without being asked"):
        judge.hear(Profiled(""), 2.0)
    judge = Judge(autoreload=True)
    judge.profiles_due += 1
    for _ in range(2):
        judge.hear(Profiled(""), 3.0)
    judge.hear(Changed("x"), 3.0)
