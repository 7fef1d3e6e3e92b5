"""The register of listening sockets, which a reload changes or leaves as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fapws.settings.model import Address, Config, Pool
from fapws.supervisor.errors import CannotStart
from fapws.supervisor.listen.listeners import Listeners


def tcp(host: str = "127.0.0.1", port: int = 0) -> Address:
    return Address(f"{host}:{port}", "tcp", host=host, port=port)


def unix(path: Path, mode: int = 0o666, group: str = "") -> Address:
    return Address(f"unix:{path}", "unix", path=str(path), mode=mode, group=group)


def config(*addresses: Address, name: str = "hello") -> Config:
    return Config("", (Pool(name, listen=addresses, backlog=16),))


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    register = Listeners()
    yield register
    register.close()
    register.remove_files()


def test_address_that_stays_keeps_its_socket(listeners: Listeners, tmp_path: Path) -> None:
    stays, goes, comes = tcp(), unix(tmp_path / "goes"), unix(tmp_path / "comes")
    before = config(stays, goes)
    listeners.prepare(before)
    fd = listeners.of_pool(before.pools[0])[0].fd
    after = config(comes, stays)
    listeners.prepare(after)
    assert (tmp_path / "goes").exists(), "until the reload is done both are open"
    listeners.put_in_force(after)
    assert listeners.of_pool(after.pools[0])[1].fd != fd, "port 0 belongs to its position"
    assert not (tmp_path / "goes").exists()
    assert (tmp_path / "comes").exists()


def test_address_that_moves_to_another_pool_keeps_its_socket(listeners: Listeners, tmp_path: Path) -> None:
    before, after = config(unix(tmp_path / "s"), name="a"), config(unix(tmp_path / "s"), name="b")
    listeners.prepare(before)
    fd = listeners.of_pool(before.pools[0])[0].fd
    listeners.prepare(after)
    listeners.put_in_force(after)
    assert listeners.of_pool(after.pools[0])[0].fd == fd


def test_failed_preparation_closes_what_it_had_opened(listeners: Listeners, tmp_path: Path) -> None:
    good = config(tcp())
    listeners.prepare(good)
    with pytest.raises(CannotStart):
        listeners.prepare(config(tcp(), unix(tmp_path / "s"), unix(tmp_path / "no" / "s")))
    assert not (tmp_path / "s").exists()
    assert len(listeners.of_pool(good.pools[0])) == 1


def test_reload_that_fails_later_is_settled_back(listeners: Listeners, tmp_path: Path) -> None:
    old = config(unix(tmp_path / "old"))
    listeners.prepare(old)
    listeners.prepare(config(unix(tmp_path / "new")))
    listeners.put_in_force(old)
    assert (tmp_path / "old").exists()
    assert not (tmp_path / "new").exists()


def test_mode_of_a_socket_that_stays_is_changed(listeners: Listeners, tmp_path: Path) -> None:
    listeners.prepare(config(unix(tmp_path / "s", mode=0o600)))
    after = config(unix(tmp_path / "s", mode=0o660))
    listeners.prepare(after)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    listeners.put_in_force(after)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660


def test_backlog_of_a_socket_that_stays_is_changed_without_making_it_blocking(
    listeners: Listeners, tmp_path: Path
) -> None:
    before = config(unix(tmp_path / "s"))
    listeners.prepare(before)
    (listener,) = listeners.of_pool(before.pools[0])
    assert not os.get_blocking(listener.fd)
    after = before._replace(pools=(before.pools[0]._replace(backlog=99),))
    listeners.prepare(after)
    listeners.put_in_force(after)
    assert listeners.of_pool(after.pools[0])[0].backlog == 99
    assert not os.get_blocking(listener.fd)


def test_socket_can_be_inherited_only_at_the_start(listeners: Listeners) -> None:
    listeners.prepare(config(tcp()))
    with pytest.raises(CannotStart, match="only at the start"):
        listeners.prepare(config(tcp(), Address("fd:3", "fd", port=3)))
