"""Binding and adopting one listening socket: TCP, IPv6, unix, inherited."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fapws.settings.model import Address
from fapws.supervisor import errors
from fapws.supervisor.errors import CannotStart
from fapws.supervisor.listen import bind, defer_accept
from fapws.supervisor.listen.bind import Listener


def tcp(host: str = "127.0.0.1", port: int = 0) -> Address:
    return Address(f"{host}:{port}", "tcp", host=host, port=port)


def unix(path: Path, mode: int = 0o666, group: str = "") -> Address:
    return Address(f"unix:{path}", "unix", path=str(path), mode=mode, group=group)


def as_socket(listener: Listener) -> socket.socket:
    """A second descriptor of it, with Python's methods."""
    return socket.socket(fileno=os.dup(listener.fd))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_tcp_listener_has_its_options_and_tells_the_real_port() -> None:
    listener = bind.listen(tcp(), 16)
    with as_socket(listener) as sock:
        host, port = sock.getsockname()
        assert listener.url == f"http://{host}:{port}"
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not os.get_inheritable(listener.fd)
        socket.create_connection((host, port)).close()
    os.close(listener.fd)


def test_name_is_resolved_and_shown_as_written() -> None:
    listener = bind.listen(tcp("localhost"), 16)
    with as_socket(listener) as sock:
        assert listener.url == f"http://localhost:{sock.getsockname()[1]}"
    os.close(listener.fd)


def test_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on nowhere\.invalid:80"):
        bind.listen(tcp("nowhere.invalid", 80), 16)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_stands_beside_ipv4_on_one_port() -> None:
    four = bind.listen(tcp("0.0.0.0"), 16)
    with as_socket(four) as sock:
        port = sock.getsockname()[1]
    six = bind.listen(tcp("::", port), 16)
    assert six.url == f"http://[::]:{port}"
    os.close(four.fd)
    os.close(six.fd)


def test_port_in_use_is_told() -> None:
    first = bind.listen(tcp(), 16)
    port = int(first.url.rsplit(":", 1)[1])
    with pytest.raises(
        CannotStart, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already"
    ) as caught:
        bind.listen(tcp(port=port), 16)
    assert caught.value.status == errors.FAILED
    os.close(first.fd)


def test_error_of_rights_has_the_exit_code_for_it() -> None:
    denied = PermissionError(13, "Permission denied")
    assert errors.refused("cannot listen on :80", denied).status == errors.NOT_ALLOWED


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_unix_socket_has_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "s"
    listener = bind.listen(unix(path, mode=mode), 16)
    assert path.stat().st_mode & 0o777 == mode
    assert listener.url == f"unix:{path}"
    os.close(listener.fd)
    bind.remove_file(listener)
    assert not path.exists()


def test_unix_socket_gets_its_group_by_name_or_number(tmp_path: Path) -> None:
    listener = bind.listen(unix(tmp_path / "s", group=str(os.getgid())), 16)
    assert (tmp_path / "s").stat().st_gid == os.getgid()
    os.close(listener.fd)
    bind.remove_file(listener)


def test_unknown_group_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no group nobody-has-this"):
        bind.listen(unix(tmp_path / "s", group="nobody-has-this"), 16)
    assert not (tmp_path / "s").exists()


def test_unix_socket_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    first = bind.listen(unix(tmp_path / "s"), 16)
    with pytest.raises(CannotStart, match="another process listens"):
        bind.listen(unix(tmp_path / "s"), 16)
    os.close(first.fd)


def test_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    first = bind.listen(unix(tmp_path / "s"), 16)
    os.close(first.fd)
    second = bind.listen(unix(tmp_path / "s"), 16)
    os.close(second.fd)


def test_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(CannotStart, match="not a socket"):
        bind.listen(unix(tmp_path / "s"), 16)
    assert (tmp_path / "s").read_text() == "precious"


def test_unix_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="too long"):
        bind.listen(unix(tmp_path / ("x" * 200)), 16)


def test_socket_file_that_became_somebody_elses_is_not_removed(tmp_path: Path) -> None:
    listener = bind.listen(unix(tmp_path / "s"), 16)
    os.close(listener.fd)
    (tmp_path / "s").rename(tmp_path / "away")
    (tmp_path / "s").write_text("new")
    bind.remove_file(listener)
    assert (tmp_path / "s").exists()


def test_inherited_socket_is_adopted() -> None:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        port = given.getsockname()[1]
        fd = os.dup(given.fileno())
    os.set_inheritable(fd, True)
    listener = bind.listen(Address(f"fd:{fd}", "fd", port=fd), 16)
    assert (listener.fd, listener.url) == (fd, f"http://127.0.0.1:{port}")
    assert not os.get_inheritable(fd)
    socket.create_connection(("127.0.0.1", port)).close()
    os.close(fd)


def test_inherited_descriptor_that_is_no_stream_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(CannotStart, match="cannot listen on fd:"):
        bind.listen(Address(f"fd:{file.fileno()}", "fd", port=file.fileno()), 16)
    with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(CannotStart, match="not a stream"):
        bind.listen(Address(f"fd:{udp.fileno()}", "fd", port=udp.fileno()), 16)
    with pytest.raises(CannotStart, match="Bad file descriptor"):
        bind.listen(Address("fd:987", "fd", port=987), 16)


def test_deferred_accept_is_optional() -> None:
    with socket.socket() as sock:
        assert defer_accept.apply(sock, None) is False
        assert defer_accept.apply(sock, 99999) is False, "an option the kernel does not know"


@pytest.mark.parametrize("place", ["file", "link"])
def test_what_has_taken_a_sockets_place_keeps_its_mode(tmp_path: Path, place: str) -> None:
    """Whoever may write in the directory could have the master open any file to everybody."""
    precious, path = tmp_path / "precious", tmp_path / "s"
    precious.touch(0o600)
    if place == "link":
        path.symlink_to(precious)
    else:
        os.link(precious, path)
    with pytest.raises(OSError, match="socket's place"):
        bind.admit(str(path), 0o666, -1, -1)
    assert precious.stat().st_mode & 0o777 == 0o600
