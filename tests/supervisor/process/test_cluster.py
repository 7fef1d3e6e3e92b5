"""conf/cluster: instances behind a real HAProxy, nginx and Caddy, restarted without a lost request.

All balancers stand before the same three instances, and one roll.sh serves them all. `make fleet` does
the same with 200,000 requests for each, in networks of their own, and has the instances fail.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from fleet.balancers import CADDY, MARKS, caddy, haproxy, nginx
from fleet.clients import ANSWERED, SOURCE, Clients, Request
from fleet.instances import Fleet, here
from fleet.ssh import can_serve_ssh, one_server
from support.haproxy import PROGRAM as HAPROXY
from support.haproxy import needs_haproxy
from support.house import House, wait_until
from support.nginx import PROGRAM as NGINX

KINDS = {"GET": 1, "GET, one a connection": 1, "POST": 1}
PAUSE = 0.03
"""Of each client, in seconds: a hundred requests a second behind each balancer leave room for other tests."""
DEPLOYED = {("one", "first"), ("two", "second"), ("three", "first")}


def has_addresses() -> bool:
    """Whether all of 127.0.0.0/8 is this machine's, as on Linux."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.3", 0))
        except OSError:
            return False
    return True


pytestmark = pytest.mark.skipif(not has_addresses(), reason="three instances have an address each: Linux")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three instances that serve."""
    parent = House(tmp_path_factory.mktemp("fleet"))
    try:
        made = Fleet(parent, here(), by_socket=True, master="isolate = no")
        made.start()
        yield made
        made.stop()
    finally:
        parent.clean()


class Deployment(NamedTuple):
    """What became of one under load."""

    books: dict[str, Clients]
    """Of the clients behind each balancer that is there."""
    by_ssh: bool
    """Whether the instance was reached so."""


@pytest.fixture(scope="module")
def deployed(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The second instance gets new code, while clients ask through each balancer."""
    books: dict[str, Clients] = {}
    with contextlib.ExitStack() as stack:

        def stand(name: str, port: int) -> None:
            books[name] = stack.enter_context(Clients(port, KINDS, PAUSE))

        if HAPROXY:
            directory = tmp_path_factory.mktemp("haproxy")
            stand("haproxy", stack.enter_context(haproxy(fleet, directory, quick=True)))
            directory = tmp_path_factory.mktemp("here")
            stand("here", stack.enter_context(haproxy(fleet, directory, "here", quick=True)))
        if CADDY:
            directory = tmp_path_factory.mktemp("caddy")
            stand("caddy", stack.enter_context(caddy(fleet, directory, quick=True)))
        options = ["-n", "-w", "0", "-r", f'{fleet.program} -c "$1" restart']
        if NGINX:
            directory = tmp_path_factory.mktemp("nginx")
            stand("nginx", stack.enter_context(nginx(fleet, directory, quick=True)))
        instance = fleet.files()[1]
        ssh = (
            stack.enter_context(one_server(tmp_path_factory.mktemp("ssh"), "two")) if can_serve_ssh() else ""
        )
        if ssh and subprocess.run([*ssh.split(), "two", "true"], check=False).returncode == 0:
            options += ["-e", ssh]
            instance = f"two:{instance}"
        pids = [house.pid for house in fleet.instances]
        fleet.code("second")
        done = fleet.roll(*options, instance)
        assert done.returncode == 0, done.stdout
        assert done.stdout.endswith("roll.sh: all restarted\n")
        for name, clients in books.items():
            wait_until(lambda clients=clients: latest(clients) == DEPLOYED, f"{name} sends to all")
    assert [old == house.pid for old, house in zip(pids, fleet.instances)] == [True, False, True]
    return Deployment(books, instance.startswith("two:"))


def answered(request: Request) -> bool:
    return request.result == ANSWERED


def latest(clients: Clients) -> set[tuple[str, ...]]:
    """Who has responded of late, and by which code."""
    return {tuple(request.told.split()[:2]) for request in clients.those(answered)[-40:]}


@pytest.mark.parametrize(
    "balancer", [pytest.param(name, marks=MARKS.get(name, MARKS["haproxy"])) for name in (*MARKS, "here")]
)
def test_rolling_deployment_loses_no_request(deployed: Deployment, balancer: str) -> None:
    clients = deployed.books[balancer]
    assert not clients.those(lambda request: request.result != ANSWERED)
    origins = {request.told.split(" ", 2)[2] for request in clients.those(answered)}
    assert origins == {f"{SOURCE} http"}


def test_one_that_does_not_start_stops_the_deployment(fleet: Fleet) -> None:
    """The next deployment touches nothing while one is not there."""
    pids = [house.pid for house in fleet.instances[:2]]
    fleet.instances[2].write_app("import not_there_at_all\n")
    for what in ("does not start; the others serve as before", "is not ready, so nothing was done"):
        done = fleet.roll("-w", "0", fleet.files()[2], fleet.files()[0])
        assert done.returncode == 1, done.stdout
        assert what in done.stdout
    assert [house.pid for house in fleet.instances[:2]] == pids


@needs_haproxy
@pytest.mark.skipif(not can_serve_ssh(), reason="sshd is not installed: runs where it is, and in CI")
def test_an_instance_is_restarted_by_ssh(deployed: Deployment) -> None:
    if not deployed.by_ssh:
        pytest.skip("sshd lets this user not in: the account is locked, or has no shell")
    assert "haproxy" in deployed.books


def test_an_instance_that_cannot_be_reached_stops_before_anything(fleet: Fleet) -> None:
    done = fleet.roll("-e", "false", fleet.files()[0], "nowhere:/etc/fapws.ini")
    assert done.returncode == 1
    assert "nowhere:/etc/fapws.ini is not ready, so nothing was done" in done.stdout
