"""Configurations of gunicorn, uWSGI and Unit: each is translated as its server's manual means it, passes
configtest, and serves a stand-in application where and as the original did.

The thirty of tests/cli/others have the settings and the form of a public project's file each, with other
names and values; those of tests/cli/shapes have forms that are rare. A few are served here for real;
FAPWS_TRANSLATED=all serves all.
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
from support.translated import OTHERS, SHAPES, Expected, Site, unequal
from support.translated_expected import OF_OTHERS
from support.translated_shapes import OF_SHAPES

from fapws.settings.ini import read
from fapws.settings.model import Address, Pool

EXPECTED: dict[str, Expected] = {
    **{f"others/{name}": expected for name, expected in OF_OTHERS.items()},
    **{f"shapes/{name}": expected for name, expected in OF_SHAPES.items()},
}
SERVED = ("shapes/gunicorn/unix_socket.conf.py", "others/uwsgi/buildings.ini", "others/unit/racks.json")
CHOSEN = tuple(EXPECTED) if os.environ.get("FAPWS_TRANSLATED") == "all" else SERVED


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that every user may enter, with a short name: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="fapws-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def files_below(folder: Path) -> list[str]:
    """Their names from there on, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*") if path.is_file())


def test_each_file_is_expected_and_there_are_ten_of_each_kind() -> None:
    files = files_below(OTHERS)
    assert files == sorted(OF_OTHERS)
    assert files_below(SHAPES) == sorted(OF_SHAPES)
    assert [sum(name.startswith(kind) for name in files) for kind in ("gunicorn", "uwsgi", "unit")] == [
        10
    ] * 3


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_translated_as_its_server_means_it_and_passes_configtest(name: str, root: Path) -> None:
    expected = EXPECTED[name]
    site = Site(OTHERS.parent / name, root, expected)
    assert site.result.status == (1 if expected.to_do else 0), site.text
    to_do = list(site.result.values["to_do"])
    assert len(to_do) == len(expected.to_do), to_do
    assert all(lack.startswith(begins) for lack, begins in zip(to_do, expected.to_do)), to_do
    pools = site.pools()
    assert sorted(pools) == sorted(expected.pools)
    for pool, wanted in expected.pools.items():
        here = {key: site.option_here(key, value) for key, value in wanted.items()}
        assert {key: pools[pool].get(key) for key in here} == here
    master = {key: site.here(value) for key, value in expected.master.items()}
    assert {key: site.sections()["fapws"].get(key) for key in master} == master
    environments = [found for key, found in site.sections().items() if key.endswith(":env")]
    wanted_environment = {name: site.here(value) for name, value in expected.environment.items()}
    assert environments == ([wanted_environment] if wanted_environment else [])
    said = unequal(site)
    assert len(said) == len(expected.unequal), said
    for setting, begins in zip(said, expected.unequal):
        assert setting.startswith(site.here(begins))
    site.furnish()
    config = read(str(site.ini))
    assert len(config.pools) == len(pools)


def ask(address: Address, target: str, fields: dict[str, str], proxied: bool = False) -> tuple[int, bytes]:
    """Status and content of one response; ``proxied``: behind a line of the PROXY protocol."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    if address.kind == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(address.path)
    else:
        host = "127.0.0.1" if address.host == "0.0.0.0" else address.host
        connection.sock = socket.create_connection((host, address.port), PATIENCE)
    if proxied:
        connection.sock.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
    try:
        connection.request("GET", target, headers=fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def look_at(pool: Pool, site: Site, environment: dict[str, str]) -> None:
    """Addresses, user, folder, environment and limits, as a client and the application see them."""
    prefix, proxied = pool.script_name or "", pool.proxy_protocol
    for address in pool.listen:
        for path, _ in pool.static:
            found = ask(address, f"{prefix}{path.rstrip('/')}/stand-in.txt", {}, proxied)
            assert found == (200, b"a file"), (path, found)
        if not (pool.app or pool.script):
            continue
        status, content = ask(address, f"{prefix}/stand-in", {}, proxied)
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
        too_long = 414 if limits.max_uri < limits.max_header_size else 431
        assert ask(address, "/" + "x" * limits.max_uri, {}, proxied)[0] == too_long
        length = {"Content-Length": str(limits.max_body_size + 1)}
        assert ask(address, f"{prefix}/", length, proxied)[0] == 413
        many = {f"X-{number}": "x" for number in range(limits.max_headers)}
        assert ask(address, f"{prefix}/", many, proxied)[0] == 431


@pytest.mark.parametrize("name", CHOSEN)
def test_it_serves_as_the_original_did(name: str, root: Path) -> None:
    site = Site(OTHERS.parent / name, root, EXPECTED[name])
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
            look_at(pool, site, {key: site.here(value) for key, value in EXPECTED[name].environment.items()})
        found = house.status()
        serving = [row["pool"] for row in found["workers"] if row["state"] == "serving"]
        for pool in config.pools:
            assert serving.count(pool.name) == pool.workers
        house.ctl("stop")
        house.assert_nothing_is_left()
