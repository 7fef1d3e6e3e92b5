#!/usr/bin/env python3
"""10,000 idle keep-alive connections: their memory, and what others feel of it.

    python tests/soak/idle.py [-c 10000]

Needs wrk. Each connection asks once, is answered, and stays. PSS of the worker may grow by 1 KB for
each. Then wrk measures alone, beside them, and while all of them close at the same moment, for several
rounds. At last more come than max_connections allows: the kernel keeps them waiting without costing
CPU time, and they are served once the others leave.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import time
from typing import NamedTuple

from measuring import (
    Address,
    Speed,
    Verdict,
    Wrk,
    figures,
    need,
    raise_descriptor_limit,
    serve,
    spread,
    table,
    wait_until_left,
    worker_of,
)

REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Crowd:
    """Idle connections in a process of their own, which ends and so closes all of them at one moment."""

    def __init__(self, address: Address, count: int) -> None:
        """Opens them; each has had an answer when this returns."""
        ready, self._end = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._end[1])
            self._hold(address, count, ready[1])
        os.close(ready[1])
        os.close(self._end[0])
        opened = os.read(ready[0], 1)
        os.close(ready[0])
        assert opened == b"y", "not all connections were answered"

    def _hold(self, address: Address, count: int, ready: int) -> None:
        """The child; never returns."""
        try:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
            clients = [_client(address, number) for number in range(count)]
            os.write(ready, b"y")
            os.read(self._end[0], 1)
            assert clients
        finally:
            os._exit(0)

    def leave(self) -> None:
        """All of them, now."""
        os.close(self._end[1])

    def wait(self) -> None:
        """Until the process has ended."""
        os.waitpid(self.pid, 0)


def _client(address: Address, number: int) -> socket.socket:
    one = socket.socket()
    one.settimeout(20)
    # Several source addresses: one has hardly enough ports for 10,000 that come again and again.
    one.bind((f"127.0.1.{1 + number % 200}", 0))
    one.connect(address)
    one.sendall(REQUEST)
    assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
    return one


def slowest_ping(address: Address, seconds: float) -> float:
    """Milliseconds that one request on a connection which asks without a pause had to wait at most."""
    slowest = 0.0
    ends = time.monotonic() + seconds
    with socket.create_connection(address, 20) as one:
        while time.monotonic() < ends:
            asked = time.monotonic()
            one.sendall(REQUEST)
            assert one.recv(1000)
            slowest = max(slowest, time.monotonic() - asked)
    return slowest * 1000


class Round(NamedTuple):
    """Alone, beside, and while they close."""

    calm: Speed
    beside: Speed
    closing: Speed
    grown: int
    """KB of PSS."""
    calm_ping: float
    closing_ping: float
    left: bool


def play(address: Address, pid: int, count: int, seconds: int) -> Round:
    """One round."""
    at_rest = figures(pid).descriptors
    calm = Wrk(address, 20, seconds).result()
    calm_ping = slowest_ping(address, 1.0)
    before = figures(pid).pss
    clients = Crowd(address, count)
    grown = figures(pid).pss - before
    beside = Wrk(address, 20, seconds).result()
    wrk = Wrk(address, 20, seconds)
    time.sleep(seconds / 4)
    clients.leave()
    closing = wrk.result()
    clients.wait()
    left = not wait_until_left(pid, at_rest + 1, 20.0)
    clients = Crowd(address, count)
    clients.leave()
    ping = slowest_ping(address, 1.0)
    clients.wait()
    left = left or not wait_until_left(pid, at_rest + 1, 20.0)
    return Round(calm, beside, closing, grown, calm_ping, ping, left)


def crowd(verdict: Verdict, room: int) -> None:
    """More clients than max_connections."""
    with serve(f"max_connections = {room}") as server:
        assert isinstance(server.address, tuple)
        pid = worker_of(server.address)
        inside = Crowd(server.address, room)
        outside = []
        for _ in range(200):
            one = socket.create_connection(server.address, 20)
            one.sendall(REQUEST)
            outside.append(one)
        started, before = time.monotonic(), figures(pid)
        time.sleep(3)
        share = (figures(pid).cpu - before.cpu) / (time.monotonic() - started)
        verdict.check(share < 0.02, f"200 wait for room at no cost: {share:.4f} CPU s/s")
        inside.leave()
        inside.wait()
        answered = sum(one.recv(1000).startswith(b"HTTP/1.1 200 ") for one in outside)
        verdict.check(answered == 200, f"they are served when it comes: {answered} of 200")
        for one in outside:
            one.close()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="idle connections; see the file's first lines")
    parser.add_argument("-c", "--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of each measurement")
    options = parser.parse_args()
    need("wrk")
    limit = raise_descriptor_limit(options.connections + 2000)
    count = min(options.connections, limit - 1000)
    verdict = Verdict()
    with serve(f"max_connections = {count + 1000}") as server:
        assert isinstance(server.address, tuple)
        pid = worker_of(server.address)
        Wrk(server.address, 20, 1).result()  # warm
        rounds = [play(server.address, pid, count, options.seconds) for _ in range(options.rounds)]
    rows = [
        [
            label,
            spread([speed.p50 for speed in speeds]),
            spread([speed.p99 for speed in speeds]),
            spread([speed.requests for speed in speeds], 0),
            str(sum(speed.errors for speed in speeds)),
        ]
        for label, speeds in (
            ("alone", [one.calm for one in rounds]),
            (f"beside {count} idle", [one.beside for one in rounds]),
            ("while they close", [one.closing for one in rounds]),
        )
    ]
    print(table(["", "p50 ms", "p99 ms", "requests/s", "errors"], rows))
    first = rounds[0]
    print(f"PSS: {first.grown} KB for {count}, {first.grown / count:.2f} each")
    calm_pings, pings = [one.calm_ping for one in rounds], [one.closing_ping for one in rounds]
    print(f"slowest of one client's requests: {spread(calm_pings)} ms alone, {spread(pings)} ms meanwhile")
    verdict.check(first.grown <= count, f"PSS grew by {first.grown / 1024:.1f} MB")
    calm = statistics.median(one.calm.p99 for one in rounds)
    for label in ("beside", "closing"):
        speeds = [getattr(one, label) for one in rounds]
        p99 = statistics.median(speed.p99 for speed in speeds)
        verdict.check(p99 <= 2 * calm, f"{label}: p99 {p99:.2f} ms, {p99 / calm:.2f} of {calm:.2f}")
        failed = sum(speed.errors for speed in speeds)
        verdict.check(failed == 0, f"{label}: everybody is answered ({failed} were not)")
    verdict.check(not any(one.left for one in rounds), "no connection is left when its client has gone")
    crowd(verdict, min(count, 2000))
    return int(verdict.failures > 0)


if __name__ == "__main__":
    sys.exit(main())
