"""Who is at the other end of the control socket."""

from __future__ import annotations

import socket

from fapws.supervisor.control import peer


def test_peer_without_a_name_is_left_to_the_mode_of_the_file() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer.ids(ours, None) is None
        assert peer.may_command(ours)
