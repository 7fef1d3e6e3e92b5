"""conf/cluster: three instances behind a real HAProxy, restarted one by one without a lost request."""

from __future__ import annotations

import shutil

import pytest
from support.cluster import Cluster, cluster
from support.haproxy import needs_haproxy
from support.house import House, Load

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="roll.sh asks /readyz by curl")


@needs_haproxy
@needs_curl
def test_rolling_deployment_loses_no_request(house: House, load: type[Load]) -> None:
    with cluster(house) as (instances, port):
        before = [instance.pid for instance in instances.instances]
        with load(house, port) as clients:
            done = instances.deploy("new", "-w", "0")
            assert done.returncode == 0, done.stdout
            assert done.stdout.endswith("roll.sh: 3 instances restarted\n")
            clients.forget()
            clients.more(40)
            assert {content.split()[0] for content in clients.contents} == {b"new"}
        clients.check()
        assert clients.raced == 0, "HAProxy's connections to clients do not end with an instance"
        assert not set(before) & {instance.pid for instance in instances.instances}


@needs_curl
def test_one_that_does_not_start_stops_the_deployment(house: House) -> None:
    made = Cluster(house)
    made.start()
    pids = [instance.pid for instance in made.instances]
    made.instances[0].write_app("import not_there_at_all\n")
    done = made.roll("-w", "0")
    assert done.returncode == 1, done.stdout
    assert "does not start; the others serve as before" in done.stdout
    assert [instance.pid for instance in made.instances[1:]] == pids[1:]
    done = made.deploy("mended", "-w", "0")
    assert done.returncode == 1, done.stdout
    assert "is not ready, so nothing was done" in done.stdout
    assert [instance.pid for instance in made.instances[1:]] == pids[1:]
