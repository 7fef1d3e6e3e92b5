"""What systemd is told, and the environment that it passes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fapws.supervisor.process.systemd import Notifier, Service, take_environment


def test_nobody_is_told_without_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    service = take_environment()
    assert service == Service(str(tmp_path / "gone"), 0.0), "the watchdog is somebody else's"
    assert "NOTIFY_SOCKET" not in os.environ
    notifier = Notifier(service)
    notifier.ready("x")  # nobody is there, and nothing happens
    assert notifier.beat(0.0) == float("inf")
    Notifier(Service()).stopping("stopping")
