"""Thirty configurations of gunicorn, uWSGI and Unit, in the manner of public ones: each is translated as its
server's manual means it, passes configtest, and serves a stand-in application where and as the original did.

A few are served here for real; FAPWS_TRANSLATED=all serves all thirty.
"""

from __future__ import annotations

import ast
import contextlib
import http.client
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.house import PATIENCE, House
from support.syslogd import syslog_place, syslogd
from support.translated import OTHERS, Site, unequal
from support.translated_expected import EXPECTED

from fapws.settings.ini import read
from fapws.settings.model import Address, Pool

SERVED = ("gunicorn/unix_socket.conf.py", "uwsgi/conditions.ini", "unit/django.json")
CHOSEN = tuple(EXPECTED) if os.environ.get("FAPWS_TRANSLATED") == "all" else SERVED


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that every user may enter, with a short name: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="fapws-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_there_are_ten_of_each_kind() -> None:
    files = sorted(str(path.relative_to(OTHERS)) for path in OTHERS.glob("*/*.*"))
    assert files == sorted(EXPECTED)
    assert [sum(name.startswith(kind) for name in files) for kind in ("gunicorn", "uwsgi", "unit")] == [
        10
    ] * 3


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_translated_as_its_server_means_it_and_passes_configtest(name: str, root: Path) -> None:
    site = Site(OTHERS / name, root)
    expected = EXPECTED[name]
    assert site.result.status == 0, site.text
    pools = site.pools()
    assert sorted(pools) == sorted(expected.pools)
    for pool, wanted in expected.pools.items():
        here = {key: site.option_here(key, value) for key, value in wanted.items()}
        assert {key: pools[pool].get(key) for key in here} == here
    master = {key: site.here(value) for key, value in expected.master.items()}
    assert {key: site.sections()["fapws"].get(key) for key in master} == master
    environments = [found for key, found in site.sections().items() if key.endswith(":env")]
    assert environments == ([expected.environment] if expected.environment else [])
    said = unequal(site)
    assert len(said) == len(expected.unequal), said
    for setting, begins in zip(said, expected.unequal):
        assert setting.startswith(site.here(begins))
    site.furnish()
    config = read(str(site.ini))
    assert len(config.pools) == len(pools)


def ask(address: Address, target: str, fields: dict[str, str]) -> tuple[int, bytes]:
    """Status and content of one response."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    if address.kind == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(address.path)
    else:
        host = "127.0.0.1" if address.host == "0.0.0.0" else address.host
        connection.sock = socket.create_connection((host, address.port), PATIENCE)
    try:
        connection.request("GET", target, headers=fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def look_at(pool: Pool, site: Site, environment: dict[str, str]) -> None:
    """Addresses, user, folder, environment and limits, as a client and the application see them."""
    prefix = pool.script_name or ""
    for address in pool.listen:
        status, content = ask(address, f"{prefix}/stand-in", {})
        assert status == 200, content
        told: dict[str, Any] = ast.literal_eval(content.decode())
        assert told["cwd"] == os.path.realpath(pool.directory)
        assert told["uid"] == (site.uid if pool.user else os.geteuid())
        assert told["mounted"] == prefix
        assert {name: told["environment"].get(name) for name in environment} == environment
        if pool.rlimit_nofile:
            assert told["files"] == pool.rlimit_nofile
        if address.kind == "unix":
            mode = os.stat(address.path)
            assert stat.S_IMODE(mode.st_mode) == address.mode
        limits = pool.limits
        assert ask(address, "/" + "x" * limits.max_uri, {})[0] == 414
        assert ask(address, f"{prefix}/", {"Content-Length": str(limits.max_body_size + 1)})[0] == 413
        many = {f"X-{number}": "x" for number in range(limits.max_headers)}
        assert ask(address, f"{prefix}/", many)[0] == 431


@pytest.mark.parametrize("name", CHOSEN)
def test_it_serves_as_the_original_did(name: str, root: Path) -> None:
    site = Site(OTHERS / name, root)
    site.furnish()
    config = read(str(site.ini))
    house = House(root)
    house.ini, house.pidfile, house.control = site.ini, Path(config.pidfile), Path(config.control)
    with contextlib.ExitStack() as stack:
        stack.callback(house.clean)
        if config.error_log.startswith("syslog:"):
            stack.enter_context(syslog_place())
            stack.enter_context(syslogd())
        house.start()
        for pool in config.pools:
            look_at(pool, site, EXPECTED[name].environment)
        found = house.status()
        serving = [row["pool"] for row in found["workers"] if row["state"] == "serving"]
        for pool in config.pools:
            assert serving.count(pool.name) == pool.workers
        house.ctl("stop")
        house.assert_nothing_is_left()
