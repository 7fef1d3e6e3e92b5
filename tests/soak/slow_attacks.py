#!/usr/bin/env python3
"""Slow heads, slow contents and slow reading by 4,000 connections, and what other clients feel of it.

    python tests/soak/slow_attacks.py [-c 4000] [--rounds 5] [--seconds 15] [--only NAME]

Needs slowhttptest and wrk. The server has its default configuration and one worker. In each round wrk
(20 connections) measures once alone and once beside the attack, for each kind of attack in turn; the
attack begins together with wrk, so its arrival counts as well. A prober opens a new connection again and
again: each must be answered. Then each attack runs alone, which shows the CPU time and the memory that
it costs. Exits 1 when p99 more than doubles, somebody is not answered or a connection is left behind.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from measuring import (
    CLIENT_CPU,
    Address,
    Probe,
    Prober,
    Speed,
    Verdict,
    Wrk,
    cpu_of,
    figures,
    kernel_tcp_kilobytes,
    need,
    pinned,
    raise_descriptor_limit,
    serve,
    spread,
    table,
    wait_until_left,
    worker_of,
)

ATTACKS = {
    # A field of the head every 5 s: 408 ends it after header_timeout.
    "slow head (-H)": ("-H", "/hello", ["-i", "5", "-x", "24"]),
    # A piece of content every 5 s.
    "slow content (-B)": ("-B", "/upload", ["-i", "5", "-x", "10", "-s", "8192"]),
    # 10 MB from a generator, read 32 bytes every 5 s with a window of a few hundred bytes.
    "slow reading (-X)": ("-X", "/stream", ["-w", "256", "-y", "512", "-n", "5", "-z", "32"]),
    # The same with 10 MB in one bytes object.
    "slow reading, one object": ("-X", "/shared", ["-w", "256", "-y", "512", "-n", "5", "-z", "32"]),
}
CONNECTIONS_A_SECOND = 1000
RSS_MAX = 320 * 1024
"""KB: 4,000 connections at 64 KB and one chunk of the generator (the arrival is part of it)."""


class Beside(NamedTuple):
    """One measurement of wrk, with or without an attack."""

    speed: Speed
    probe: Probe
    most_open: int
    attacker_cpu: float


class Alone(NamedTuple):
    """What an attack costs when nobody else is there."""

    cpu_share: float
    """CPU seconds of the worker a second."""
    most_open: int
    grown: int
    """KB of RSS."""
    kernel: int
    """KB in the kernel's socket buffers, both ends."""
    left: bool


class Attack:
    """slowhttptest in the background."""

    def __init__(self, name: str, address: Address, connections: int, seconds: int, directory: str) -> None:
        kind, path, words = ATTACKS[name]
        url = f"http://{address[0]}:{address[1]}{path}"
        command = ["slowhttptest", kind, "-u", url, "-c", str(connections), "-l", str(seconds)]
        command += ["-r", str(CONNECTIONS_A_SECOND), "-p", "10", "-v", "0", *words]
        self.process = subprocess.Popen(
            [*pinned(CLIENT_CPU), *command],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._cpu = 0.0

    def cpu(self) -> float:
        """Seconds it has used; the last that was seen when it has ended."""
        self._cpu = max(self._cpu, cpu_of(self.process.pid))
        return self._cpu

    def end(self) -> None:
        """Stops it, if it runs still."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Run:
    """One server under attack."""

    def __init__(self, address: Address, connections: int, seconds: int, directory: str) -> None:
        self.address = address
        self.connections = connections
        self.seconds = seconds
        self.directory = directory
        self.pid = worker_of(address)
        self.at_rest = figures(self.pid).descriptors

    def beside(self, name: str | None) -> Beside:
        """wrk for some seconds, beside an attack or not."""
        attack = None
        if name is not None:
            attack = Attack(name, self.address, self.connections, self.seconds, self.directory)
        wrk, prober = Wrk(self.address, 20, self.seconds), Prober(self.address)
        most_open = 0
        attacker_cpu = 0.0
        while wrk.running():
            prober.ask()
            most_open = max(most_open, figures(self.pid).descriptors - self.at_rest)
            if attack is not None:
                attacker_cpu = attack.cpu()
            time.sleep(0.1)
        if attack is not None:
            attack.end()
        self.settle()
        return Beside(wrk.result(), prober.result(), most_open, attacker_cpu)

    def settle(self) -> bool:
        """Whether all connections are gone soon after their clients."""
        return wait_until_left(self.pid, self.at_rest + 1, 20.0)

    def alone(self, name: str) -> Alone:
        """An attack, and nobody else."""
        before, kernel = figures(self.pid), kernel_tcp_kilobytes()
        attack = Attack(name, self.address, self.connections, self.seconds, self.directory)
        started = time.monotonic()
        most_open, most_kernel, most_rss = 0, 0, 0
        while time.monotonic() < started + self.seconds:
            now = figures(self.pid)
            most_open = max(most_open, now.descriptors - self.at_rest)
            most_rss = max(most_rss, now.rss)
            most_kernel = max(most_kernel, kernel_tcp_kilobytes())
            time.sleep(0.5)
        spent = (figures(self.pid).cpu - before.cpu) / (time.monotonic() - started)
        attack.end()
        left = not self.settle()
        return Alone(spent, most_open, most_rss - before.rss, most_kernel - kernel, left)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="slow attacks; see the file's first lines")
    parser.add_argument("-c", "--connections", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    parser.add_argument("--only", default="", help="attacks whose name contains this")
    options = parser.parse_args()
    need("slowhttptest", "wrk")
    limit = raise_descriptor_limit(12_000)
    names = [name for name in ATTACKS if options.only in name]
    verdict = Verdict()
    calm: dict[str, list[Beside]] = {name: [] for name in names}
    attacked: dict[str, list[Beside]] = {name: [] for name in names}
    alone: dict[str, Alone] = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            with serve() as server:  # a fresh one each: memory that was used once is used again
                assert isinstance(server.address, tuple)
                run = Run(server.address, options.connections, options.seconds, directory)
                alone[name] = run.alone(name)
    with serve() as server, tempfile.TemporaryDirectory() as directory:
        assert isinstance(server.address, tuple)
        run = Run(server.address, options.connections, options.seconds, directory)
        print(f"{options.connections} connections, {options.rounds} rounds, descriptors: {limit}", flush=True)
        for _ in range(options.rounds):
            for name in names:
                calm[name].append(run.beside(None))
                attacked[name].append(run.beside(name))
        verdict.check(worker_of(run.address) == run.pid, "the worker is the one that was started")
    print(_table(names, calm, attacked, alone))
    for name in names:
        if options.rounds:
            _judge_beside(verdict, name, calm[name], attacked[name])
        _judge_alone(verdict, name, alone[name])
    return int(verdict.failures > 0)


def _table(
    names: list[str],
    calm: dict[str, list[Beside]],
    attacked: dict[str, list[Beside]],
    alone: dict[str, Alone],
) -> str:
    rows = []
    for name in names:
        for label, several in (("without", calm[name]), ("with", attacked[name])):
            if not several:
                continue
            rows.append(
                [
                    f"{name} {label}",
                    spread([one.speed.p50 for one in several]),
                    spread([one.speed.p99 for one in several]),
                    spread([one.speed.requests for one in several], 0),
                    str(sum(one.speed.errors for one in several)),
                    str(max(one.most_open for one in several)),
                    f"{max(one.probe.slowest for one in several):.0f}",
                    f"{sum(one.probe.failed for one in several)}/{sum(one.probe.asked for one in several)}",
                    f"{statistics.median(one.attacker_cpu for one in several):.1f}",
                ]
            )
    head = ["attack", "p50 ms", "p99 ms", "requests/s", "errors", "open", "slowest new, ms"]
    text = table([*head, "unanswered", "attacker s"], rows)
    rows = [
        [name, f"{cost.cpu_share:.3f}", str(cost.most_open), str(cost.grown), str(cost.kernel)]
        for name, cost in alone.items()
    ]
    return text + "\n\n" + table(["attack alone", "CPU s/s", "open", "RSS KB", "kernel KB"], rows)


def _judge_beside(verdict: Verdict, name: str, calm: list[Beside], attacked: list[Beside]) -> None:
    before = statistics.median(one.speed.p99 for one in calm)
    beside = statistics.median(one.speed.p99 for one in attacked)
    verdict.check(beside <= 2 * before, f"{name}: p99 {beside:.2f} ms, {beside / before:.2f} of {before:.2f}")
    failed = sum(one.probe.failed + one.speed.errors for one in attacked)
    verdict.check(failed == 0, f"{name}: everybody is answered ({failed} were not)")


def _judge_alone(verdict: Verdict, name: str, alone: Alone) -> None:
    verdict.check(alone.cpu_share < 0.5, f"{name}: {alone.cpu_share:.3f} of a CPU when alone")
    verdict.check(alone.grown < RSS_MAX, f"{name}: RSS grew by {alone.grown / 1024:.1f} MB when alone")
    verdict.check(not alone.left, f"{name}: no connection is left when the attackers have gone")


if __name__ == "__main__":
    sys.exit(main())
