"""The pidfile: its lock is the truth, its content only a hint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fapws.supervisor.process import pidfile
from fapws.supervisor.process.pidfile import Held, Pidfile, Probe


def test_held_file_tells_its_pid_and_refuses_a_second_owner(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    mine = Pidfile(path)
    assert pidfile.probe(path) == Probe(running=True, pid=os.getpid(), exists=True)
    with pytest.raises(Held, match=rf"already running \(pid {os.getpid()}"):
        Pidfile(path)
    mine.release()
    assert pidfile.probe(path) == Probe(running=False, pid=0, exists=False)


def test_stale_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1234567890123456789\n")
    assert pidfile.probe(str(path)).running is False
    mine = Pidfile(str(path))
    assert path.read_text() == f"{os.getpid()}\n"
    mine.release()


@pytest.mark.parametrize("content", ["", "nonsense\n", "-1\n", "12 34\n"])
def test_content_that_is_no_pid_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pid"
    path.write_text(content)
    assert pidfile.probe(str(path)) == Probe(running=False, pid=0, exists=True)


def test_file_that_became_somebody_elses_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    mine = Pidfile(str(path))
    path.unlink()
    other = Pidfile(str(path))
    mine.release()
    assert pidfile.probe(str(path)).running
    other.release()
    assert not path.exists()


def test_directory_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Pidfile(str(tmp_path / "no" / "pid"))
