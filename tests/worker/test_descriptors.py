"""Descriptors: closed, kept, and sent to another process."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fapws import descriptors
from fapws.messages import FROM_MASTER, Decoder, Reopened, encode


@pytest.mark.parametrize("directories", [("/proc/self/fd", "/dev/fd"), ("/nowhere",), ()])
def test_only_what_is_kept_stays_open(directories: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    report_reader, report_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        descriptors.close_all_but((0, 1, 2, writer, report_writer), directories)
        answer = b""
        for fd in (reader, writer, report_reader):
            try:
                os.fstat(fd)
                answer += b"o"
            except OSError:
                answer += b"-"
        os.write(report_writer, answer)
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(report_reader, 10) == b"-o-"
    for fd in (reader, writer, report_reader, report_writer):
        os.close(fd)


def test_descriptors_travel_with_the_bytes_of_their_message(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(tmp_path / "f", "w+") as file:
        data = encode(Reopened("error access"))
        assert descriptors.send(ours.fileno(), data, (file.fileno(), file.fileno()))
        head, fds = descriptors.receive(theirs.fileno(), 3)
        rest, more = descriptors.receive(theirs.fileno(), 100)
        assert Decoder(FROM_MASTER).feed(head + rest) == [Reopened("error access")]
        assert (len(fds), more) == (2, [])
        assert all(not os.get_inheritable(fd) for fd in fds)
        assert all(os.path.sameopenfile(fd, file.fileno()) for fd in fds)
        for fd in fds:
            os.close(fd)
        assert ours.gettimeout() is None
        ours.setblocking(False)
        descriptors.send(ours.fileno(), b"x", ())
        assert not os.get_blocking(ours.fileno()), "it stays what it was"


@pytest.mark.skipif(not hasattr(socket, "MSG_CMSG_CLOEXEC"), reason="this system sets the flag afterwards")
def test_descriptors_arrive_close_on_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a moment later: a thread that forks and execs in between would hand them on."""
    monkeypatch.setattr(os, "set_inheritable", lambda *_: pytest.fail("too late"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert descriptors.send(ours.fileno(), b"x", [0])
        data, (fd,) = descriptors.receive(theirs.fileno(), 10)
    try:
        assert data == b"x" and not os.get_inheritable(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("default", [None, 0.0, 5.0])
def test_an_adopted_socket_blocks_as_before(blocking: bool, default: float | None) -> None:
    former = socket.getdefaulttimeout()
    ours, theirs = socket.socketpair()
    try:
        os.set_blocking(ours.fileno(), blocking)
        socket.setdefaulttimeout(default)
        adopted = descriptors.adopt(ours.fileno())
        assert os.get_blocking(ours.fileno()) == blocking
        assert socket.getdefaulttimeout() == default
        adopted.detach()
    finally:
        socket.setdefaulttimeout(former)
        ours.close()
        theirs.close()
