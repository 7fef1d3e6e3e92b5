"""Rolls and fails a fleet behind each balancer: `make fleet`, or

usage: python -m tests.fleet [--balancers haproxy,nginx,caddy] [--failures kill,frozen,...]
                             [--requests 200000] [--seconds 25]

Checks the files of conf/cluster/, prints a line for each deployment and each failure. Exit status 1: a
file has a mistake, or a deployment has lost a request.
--requests 0: no deployments; --failures none: only these. It runs as root, on Linux, in namespaces of its
own, with a real sshd on each instance; docs/fleet.md has its figures.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.house import House

from fleet.balancers import BALANCERS
from fleet.check_files import check_files
from fleet.clients import ANSWERED, LOST, RACED, Clients
from fleet.failures import CLIENTS, FAILURES, PAUSE, play, told
from fleet.instances import Fleet, Place
from fleet.rooms import enter, rooms
from fleet.ssh import servers


def roll(balancer: str, requests: int) -> bool:
    """Deploys on three instances, three times and until so many requests are over; whether none was lost."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="fapws-fleet-")))
        parent = House(directory)
        stack.callback(parent.clean)
        cables = stack.enter_context(rooms(3))
        fleet = Fleet(parent, Place())
        for house, room in zip(fleet.instances, cables):
            house.prefix = room.prefix
        fleet.start()
        ssh = stack.enter_context(servers(directory, [room.prefix for room in cables]))
        (directory / balancer).mkdir()
        port = stack.enter_context(BALANCERS[balancer](fleet, directory / balancer))
        options = ["-n", "-w", "11"] if balancer == "nginx" else ["-w", "1"]
        hosts = [f"{house.ini.stem}:{house.ini}" for house in fleet.instances]
        began, deployments = time.monotonic(), 0
        with Clients(port, CLIENTS, PAUSE) as clients:
            while len(clients) < requests or deployments < 3:
                deployments += 1
                fleet.code(f"code{deployments}")
                done = fleet.roll("-e", ssh, *options, *hosts)
                assert done.returncode == 0, done.stdout
                clients.more(100)
        seconds = time.monotonic() - began
        results = Counter(request.result for request in clients.requests())
        lost = Counter(
            (request.kind, request.told) for request in clients.requests() if request.result == LOST
        )
        last = clients.those(lambda request: request.result == ANSWERED)[-60:]
        served = {tuple(request.told.split()[:2]) for request in last}
        expected = {(house.ini.stem, f"code{deployments}") for house in fleet.instances}
        assert served == expected, served
    print(
        f"{balancer:8} {sum(results.values())} requests, {results[ANSWERED]} answered, "
        f"{results[RACED]} raced, {results[LOST]} lost {dict(lost) or ''}, "
        f"{deployments} deployments of 3 instances in {seconds:.0f} s",
        flush=True,
    )
    return not lost


def main() -> int:
    """The program; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet")
    parser.add_argument("--balancers", default=",".join(BALANCERS))
    parser.add_argument("--failures", default=",".join(FAILURES))
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=25)
    words = parser.parse_args()
    enter("tests.fleet", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # with all that it has started
    fine = check_files()
    for balancer in words.balancers.split(","):
        if words.requests:
            fine &= roll(balancer, words.requests)
        for failure in words.failures.split(","):
            if failure != "none":
                print(told(balancer, failure, play(balancer, failure, words.seconds)), flush=True)
    return int(not fine)


if __name__ == "__main__":
    raise SystemExit(main())
