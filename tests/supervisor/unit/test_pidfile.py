"""The pidfile: its lock is the truth, its content only a hint."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fapws.supervisor.process import pidfile
from fapws.supervisor.process.pidfile import Held, Pidfile, Probe


def test_held_file_tells_its_pid_and_refuses_a_second_owner(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    mine = Pidfile(path)
    assert pidfile.probe(path)[:3] == (True, os.getpid(), True)
    with pytest.raises(Held, match=rf"already running \(pid {os.getpid()}"):
        Pidfile(path)
    mine.release()
    assert pidfile.probe(path) == Probe(running=False, pid=0, exists=False)


def test_nobody_but_the_owner_may_open_and_so_lock_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    mine = Pidfile(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    mine.release()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_lock_of_whoever_may_read_the_file_is_no_sign_of_a_master(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    path.chmod(mode)
    stranger = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(stranger, fcntl.LOCK_EX)
        assert pidfile.probe(str(path)) == Probe(running=False, pid=1, exists=True)
        mine = Pidfile(str(path))
        assert pidfile.probe(str(path))[:2] == (True, os.getpid())
        mine.release()
    finally:
        os.close(stranger)


def test_file_that_is_no_pidfile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "settings.ini"
    for text in ("[app:blog]\n", "1" * 100):
        path.write_text(text)
        with pytest.raises(FileExistsError, match="it is no pidfile"):
            Pidfile(str(path))
        assert path.read_text() == text
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileExistsError, match="it is no pidfile"):
        Pidfile(str(tmp_path / "fifo"))
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        Pidfile(str(link))
    assert not target.exists()


@pytest.fixture(params=[0, 200])
def other_locks(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """As many that somebody else holds; 200 are more than one read of /proc/locks gives."""
    held = [os.open(tmp_path / f"other{number}", os.O_CREAT | os.O_RDWR) for number in range(request.param)]
    for fd in held:
        fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    for fd in held:
        os.close(fd)


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux tells who holds a lock")
@pytest.mark.usefixtures("other_locks")
def test_pid_is_that_of_the_holder_whatever_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    mine = Pidfile(str(path))
    for text in ("1\n", ""):
        path.write_text(text)
        assert pidfile.probe(str(path)) == Probe(True, os.getpid(), exists=True, proven=True)
        with pytest.raises(Held, match=rf"pid {os.getpid()}"):
            Pidfile(str(path))
    mine.release()


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
