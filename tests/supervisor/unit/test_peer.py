"""Who is at the other end of the control socket."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from fapws.supervisor.control import peer

TELLS = sys.platform.startswith(("linux", "openbsd", "freebsd", "netbsd", "dragonfly", "darwin"))


@pytest.mark.skipif(not TELLS, reason="this system does not tell: runs on Linux, the BSDs and macOS")
def test_the_system_tells_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.ids(ours) == (os.geteuid(), os.getegid())
        assert peer.may_command(ours)


def test_a_peer_whom_the_system_does_not_tell_is_left_to_the_mode_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer, "ids", lambda _: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.may_command(ours)


def test_another_user_may_command_only_by_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "ids", lambda _: (os.geteuid() + 7, 4242))
    monkeypatch.setattr(peer, "groups", lambda _: [4243])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not peer.may_command(ours)
        assert not peer.may_command(ours, 4241)
        assert peer.may_command(ours, 4242)
        assert peer.may_command(ours, 4243)


@pytest.mark.skipif(not TELLS, reason="this system does not tell: runs on Linux, the BSDs and macOS")
def test_what_is_no_connection_between_processes_is_refused() -> None:
    with socket.socket() as sock, pytest.raises(OSError):
        sock.close()
        peer.ids(sock)
