"""Starting in the background: what the process that started it is told."""

from __future__ import annotations

from fapws.supervisor.process import daemon


def test_daemon_that_ends_without_a_word_is_a_failed_start() -> None:
    outcome = daemon.start(lambda tell: 0, 30.0)
    assert (outcome.status, outcome.late) == (1, False)
    assert "without a word" in outcome.text


def test_daemon_tells_once_whatever_the_size() -> None:
    def serve(tell: object) -> int:
        assert callable(tell)
        tell(6, "x" * 200_000)
        tell(0, "never heard")
        return 0

    outcome = daemon.start(serve, 30.0)
    assert (outcome.status, outcome.text) == (6, "x" * 200_000)


def test_daemon_that_breaks_tells_its_traceback() -> None:
    def serve(tell: object) -> int:
        raise RuntimeError("broken")

    outcome = daemon.start(serve, 30.0)
    assert outcome.status == 1
    assert "RuntimeError: broken" in outcome.text
