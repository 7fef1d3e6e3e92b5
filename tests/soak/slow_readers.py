#!/usr/bin/env python3
"""1,000 clients that read 10 MB at 1 KB a second from one worker, beside 50 fast clients.

    python tests/soak/slow_readers.py [-c 1000] [--rate 1024] [--rounds 5] [--only NAME]

Needs wrk. Kinds of answer: a generator, a file through wsgi.file_wrapper, one bytes object that all
share, write(); with write() it is 100 readers, and their arrival is not judged, because the application
writes 1 GB without a pause. A small receive buffer makes what a reader has not read wait at the server.
Each kind has a server of its own with the default configuration. wrk (50 connections) measures alone, and
beside the slow readers while they come and while they read, for --rounds rounds. In the last round they
stay longer than the default write_timeout, so a cut would show; then some of them read on at full speed,
and their answers must be whole. Exits 1 when the worker's RSS grows by 80 MB or more, p99 more than
doubles, or a reader loses its connection.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from measuring import (
    ANSWER_SIZE,
    MEGABYTE,
    Address,
    Figures,
    SlowReaders,
    Speed,
    Verdict,
    Wrk,
    figures,
    kernel_tcp_kilobytes,
    need,
    raise_descriptor_limit,
    serve,
    spread,
    table,
    wait_until_left,
    worker_of,
)

RSS_MAX = 80 * 1024
"""KB by which a worker may grow: 64 KB a connection and something for Python."""
FINISHERS = 5
WRITERS = 10
"""One in so many for write(): it may not wait, so each answer is spooled to the disk, 10 MB at once."""


class Round(NamedTuple):
    """Alone, and beside the readers while they come and while they read."""

    calm: Speed
    arrival: Speed
    reading: Speed


class Result(NamedTuple):
    """One kind of answer."""

    rounds: list[Round]
    grown: int
    peak: int
    kernel: int
    """KB."""
    cpu: float
    """CPU seconds of the worker a second while only the readers are there."""
    lost: int
    fewest: int
    """Bytes that the slowest reader has got."""
    finished: list[int]
    left: bool


class Run:
    """One server and its readers, which come and go once a round."""

    def __init__(self, address: Address, target: str, options: argparse.Namespace) -> None:
        self.address = address
        self.target = target
        self.options = options
        self.count = options.connections // WRITERS if target == "/write" else options.connections
        self.pid = worker_of(address)
        Wrk(address, 50, 1).result()  # warm
        self.before = figures(self.pid)
        self.last: Figures = self.before
        self.most_rss = 0
        self.most_kernel = 0

    def sample(self) -> None:
        """Notes the most that was seen."""
        self.last = figures(self.pid)
        self.most_rss = max(self.most_rss, self.last.rss)
        self.most_kernel = max(self.most_kernel, kernel_tcp_kilobytes())

    def beside(self, readers: SlowReaders, seconds: int) -> Speed:
        """wrk while the readers read."""
        wrk = Wrk(self.address, 50, seconds)
        self._read(readers, lambda: wrk.running())
        return wrk.result()

    def _read(self, readers: SlowReaders, go_on: object) -> None:
        assert callable(go_on)
        next_look = 0.0
        while go_on():
            readers.read()
            now = time.monotonic()
            if now > next_look:
                next_look = now + 0.5
                self.sample()
            time.sleep(0.005)

    def play(self) -> Result:
        """All rounds."""
        seconds = self.options.seconds
        kernel = kernel_tcp_kilobytes()
        rounds: list[Round] = []
        finished: list[int] = []
        lost, fewest, cpu, left = 0, ANSWER_SIZE, 0.0, False
        for number in range(self.options.rounds):
            calm = Wrk(self.address, 50, seconds).result()
            readers = SlowReaders(
                self.address, self.target, self.count, self.options.rate, self.options.receive_buffer
            )
            wrk = Wrk(self.address, 50, 4)
            for count, _ in enumerate(readers.connect(within=3.0)):
                if count % 100 == 0:
                    self.sample()
            arrival = wrk.result()
            reading = self.beside(readers, seconds)
            if number == self.options.rounds - 1:
                cpu = self._cpu_alone(readers)
                finished = readers.finish(FINISHERS)
            lost += readers.lost
            fewest = min(fewest, *readers.bytes.values())
            readers.close()
            left = left or not wait_until_left(self.pid, self.before.descriptors + 1, 20.0)
            rounds.append(Round(calm, arrival, reading))
        grown = self.most_rss - self.before.rss
        return Result(
            rounds, grown, self.last.peak, self.most_kernel - kernel, cpu, lost, fewest, finished, left
        )

    def _cpu_alone(self, readers: SlowReaders) -> float:
        """Longer than write_timeout: 30 s by default."""
        started, before = time.monotonic(), figures(self.pid).cpu
        ends = started + self.options.alone
        self._read(readers, lambda: time.monotonic() < ends)
        return (figures(self.pid).cpu - before) / (time.monotonic() - started)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="slow readers; see the file's first lines")
    parser.add_argument("-c", "--connections", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=1024, help="bytes a second of each reader")
    parser.add_argument("--receive-buffer", type=int, default=4096, help="of a reader; 0: the kernel's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--alone", type=int, default=40, help="seconds with readers and nobody else")
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    options = parser.parse_args()
    need("wrk")
    raise_descriptor_limit(8000)
    verdict = Verdict()
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ten-megabytes"
        file.write_bytes(b"f" * ANSWER_SIZE)
        kinds = {
            "generator": "/stream",
            "file": f"/file?{file}",
            "one bytes object": "/shared",
            "write()": "/write",
        }
        for name, target in kinds.items():
            if options.only not in name:
                continue
            with serve() as server:
                assert isinstance(server.address, tuple)
                results[name] = Run(server.address, target, options).play()
            _judge(verdict, name, results[name], options)
    print(_table(results))
    return int(verdict.failures > 0)


def _table(results: dict[str, Result]) -> str:
    rows = []
    for name, result in results.items():
        for label in ("calm", "arrival", "reading"):
            speeds: list[Speed] = [getattr(one, label) for one in result.rounds]
            rows.append(
                [
                    f"{name}, {label}",
                    spread([one.p50 for one in speeds]),
                    spread([one.p99 for one in speeds]),
                    spread([one.requests for one in speeds], 0),
                    str(sum(one.errors for one in speeds)),
                ]
            )
    text = table(["answer", "p50 ms", "p99 ms", "requests/s", "errors"], rows)
    rows = [
        [
            name,
            f"{result.grown / 1024:.1f}",
            f"{result.peak / 1024:.1f}",
            f"{result.kernel / 1024:.0f}",
            f"{result.cpu:.4f}",
            str(result.lost),
            str(result.fewest),
        ]
        for name, result in results.items()
    ]
    head = ["answer", "RSS grown MB", "peak MB", "kernel MB", "CPU s/s", "lost", "fewest bytes"]
    return text + "\n\n" + table(head, rows)


def _judge(verdict: Verdict, name: str, result: Result, options: argparse.Namespace) -> None:
    calm = statistics.median(one.calm.p99 for one in result.rounds)
    for label in ("reading",) if name == "write()" else ("arrival", "reading"):
        beside = statistics.median(getattr(one, label).p99 for one in result.rounds)
        ratio = beside / calm
        verdict.check(ratio <= 2, f"{name}, {label}: p99 {beside:.2f} ms, {ratio:.2f} of {calm:.2f}")
    errors = sum(one.arrival.errors + one.reading.errors for one in result.rounds)
    verdict.check(errors == 0, f"{name}: everybody is answered ({errors} were not)")
    verdict.check(result.grown < RSS_MAX, f"{name}: RSS grew by {result.grown / 1024:.1f} MB")
    verdict.check(result.lost == 0, f"{name}: {result.lost} readers lost their connection")
    verdict.check(result.fewest > 0, f"{name}: every reader got something")
    whole = [size for size in result.finished if size >= ANSWER_SIZE]
    verdict.check(
        len(whole) == len(result.finished),
        f"{name}: clients that read on get all of it ({[size / MEGABYTE for size in result.finished]} MB)",
    )
    verdict.check(not result.left, f"{name}: nothing is left when the readers have gone")


if __name__ == "__main__":
    sys.exit(main())
