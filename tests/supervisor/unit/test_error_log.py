"""The master's own log file: its lines, its reopening, a full disk."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fapws.supervisor.logs import error_log
from fapws.supervisor.logs.error_log import Log


def test_log_line_has_time_and_role(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.write("hello\n")
    log.close()
    line = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} master: hello\n", line)


def test_log_is_reopened_by_its_name(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"))
    log.write("one")
    (tmp_path / "log").rename(tmp_path / "old")
    log.reopen()
    log.write("two")
    log.close()
    assert "one" in (tmp_path / "old").read_text()
    assert "two" in (tmp_path / "log").read_text()


def test_log_that_cannot_be_reopened_stays_with_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    log = Log(str(tmp_path / "d" / "log"))
    (tmp_path / "d").rename(tmp_path / "e")
    log.reopen()
    log.write("still here")
    log.close()
    text = (tmp_path / "e" / "log").read_text()
    assert "cannot reopen" in text
    assert "still here" in text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_costs_lines_and_nothing_else() -> None:
    log = Log("/dev/full")
    log.write("lost")
    log.write("lost")
    assert log.lost == 2
    log.close()


def test_full_disk_is_told_once_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path / "log"))
    room = [30, 0]

    def write(fd: int, data: bytes) -> int:
        left = room.pop(0) if room else len(data)
        return os.write(fd, data[:left]) if left else -1

    monkeypatch.setattr(error_log, "write_now", write)
    log.write_lines([b"cut", b"gone"], "w")
    log.write("gone too")
    log.write("back")
    log.close()
    lines = (tmp_path / "log").read_text().split("\n")
    assert len(lines[0]) == 30
    assert lines[1].endswith(" master: 3 lines before this one could not be written")
    assert lines[2].endswith(" master: back")


@pytest.mark.parametrize("umask", [0, 0o077])
def test_file_that_is_made_has_its_mode_and_another_keeps_its_own(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        Log(str(tmp_path / "fresh"), 0o640).close()
        (tmp_path / "there").touch(0o604)
        (tmp_path / "there").chmod(0o604)
        Log(str(tmp_path / "there"), 0o640).close()
    finally:
        os.umask(former)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("there", [True, False])
def test_link_is_followed_only_where_nobody_else_can_put_it(tmp_path: Path, there: bool) -> None:
    (tmp_path / "logs").mkdir(0o755)
    target, link = tmp_path / "target", tmp_path / "logs" / "link"
    if there:
        target.write_text("precious\n")
    link.symlink_to(target)
    (tmp_path / "logs").chmod(0o1777)
    with pytest.raises(OSError, match=r"symbolic link|File exists"):
        Log(str(link))
    assert target.read_text() == "precious\n" if there else not target.exists()
    (tmp_path / "logs").chmod(0o755)
    log = Log(str(link))
    log.write("line")
    log.close()
    assert "line" in target.read_text()


OPENS_ITS_OUTPUT = """
import fcntl, os
vars(fcntl).pop("F_DUPFD_CLOEXEC", None)
from fapws.supervisor.logs.error_log import open_file
fd = open_file("/dev/stdout", 0o600)
os.write(fd, b"descriptor %d, inherited: %s" % (fd > 2, str(os.get_inheritable(fd)).encode()))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere a socket can be opened by that name"
)
def test_socket_as_output_is_opened_without_what_pypy_does_not_have() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([sys.executable, "-c", OPENS_ITS_OUTPUT], stdout=theirs, check=True, timeout=60)
        assert ours.recv(100) == b"descriptor 1, inherited: False"
