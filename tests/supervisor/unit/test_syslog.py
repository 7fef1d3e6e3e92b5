"""Lines for syslogd."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from fapws.supervisor.logs import syslog


def test_syslog_line_has_priority_time_and_role(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(10)
        sender = syslog.Syslog(3, (str(tmp_path / "none"), path))
        sender.send(b"hello")
        received = daemon.recv(4096)
    assert re.fullmatch(rb"<30>\w{3} [ \d]\d \d\d:\d\d:\d\d fapws\[%d\]: hello" % os.getpid(), received)
    with pytest.raises(OSError):
        sender.send(b"nobody listens")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sender._tried = 0.0
        sender.send(b"found again")
        assert daemon.recv(4096).endswith(b": found again")
    sender.close()


def test_syslog_without_a_daemon_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no syslogd listens at"):
        syslog.connect((str(tmp_path / "none"),))
