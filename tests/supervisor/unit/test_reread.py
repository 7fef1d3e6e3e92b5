"""The child that reads the configuration for a reload."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Any

import pytest

from fapws.settings.files import own_addresses
from fapws.settings.ini import Problem
from fapws.settings.model import Address, Config, Network, Pool
from fapws.settings.problems import ConfigError
from fapws.supervisor import reread
from fapws.supervisor.listen.lookup import look_up
from fapws.supervisor.reread import CannotRead, Reading

CONFIG = Config(
    "/etc/x.ini",
    (
        Pool(
            "a",
            listen=(
                Address(":80", "tcp", "0.0.0.0", 80, numeric="0.0.0.0"),
                Address("unix:/s", "unix", path="/s", mode=0o660),
            ),
            env=(("KEY", "caf\u00e9"),),
            trusted_proxies=(Network("fd00::/8", 6, 0xFD << 120, 0xFF << 120), Network("unix")),
            idle_timeout=0.5,
        ),
    ),
    control_group="33",
)


def come_to_an_end(child: Reading) -> None:
    while select.select([child.fd], [], [], 30)[0] and child.hear():
        pass


def reap(child: Reading) -> None:
    os.waitpid(child._pid, 0)


def test_configuration_arrives_as_it_was_read() -> None:
    child = Reading(lambda: CONFIG, 0.0)
    come_to_an_end(child)
    assert child.result() == CONFIG
    reap(child)


def test_names_of_the_masters_own_addresses_are_looked_up() -> None:
    tcp = Address(":81", "tcp", "", 81)
    unix = Address("unix:/t", "unix", path="/t", mode=0o660, user="root")
    for config in (CONFIG._replace(status=tcp, agent=unix), CONFIG._replace(status=unix, agent=tcp)):
        own = dict(own_addresses(look_up(config)))
        assert len(own) == 2
        assert {(address.numeric, address.user) for address in own.values()} == {("0.0.0.0", ""), ("", "0")}


def refuse() -> Any:
    raise ConfigError([Problem("x.ini", 3, "app:a", "workers", "0", "too few")])


def fail() -> Any:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (refuse, "x.ini:3: [app:a] workers = 0: too few"),
        (fail, "Traceback"),
        (lambda: os._exit(3), "the process that reads the configuration failed"),
        (lambda: CONFIG._replace(path="x" * reread._OUTCOME_MAX), "the process that reads the config"),
    ],
)
def test_why_there_is_none(source: Callable[[], Any], told: str) -> None:
    child = Reading(source, 0.0)
    come_to_an_end(child)
    with pytest.raises(CannotRead, match=told.replace("[", r"\[")):
        child.result()
    reap(child)


def test_child_that_is_given_up_ends_with_what_it_has_forked() -> None:
    reader, writer = os.pipe()

    def hang() -> Any:
        os.fork()
        os.write(1, b"x")
        time.sleep(60)

    saved = os.dup(1)
    os.dup2(writer, 1)  # which the child keeps
    try:
        child = Reading(hang, 0.0)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writer)
    assert os.read(reader, 1) + os.read(reader, 1) == b"xx"
    child.end()
    assert os.read(reader, 1) == b"", "both have ended"
    os.close(reader)
    reap(child)
