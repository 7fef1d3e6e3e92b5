"""Memory and processor time of processes, as Linux tells them (proc(5)) without a process of its own.

Other systems tell by ps(1), which takes a while: fapwsctl asks it, the master does not.
"""

from __future__ import annotations

import os

from fapws.lean import Any, Sequence

Usage = dict[int, tuple[int, float]]
"""By PID: resident memory in bytes, and seconds of processor time."""


def usage_of_proc(pids: Sequence[int]) -> Usage:
    """Of those that have not gone; empty: there is no /proc."""
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    usage: Usage = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()  # the name before may hold anything
            usage[pid] = int(fields[21]) * page, (int(fields[11]) + int(fields[12])) / tick
        except (OSError, ValueError, IndexError):
            continue
    return usage


def put_in(status: dict[str, Any], usage: Usage) -> None:
    """Gives every worker of a status its ``rss`` (bytes) and ``cpu`` (seconds), and, if a zygote has forked
    it, how much of its memory is its own and how much it shares; None if unknown."""
    for worker in status["workers"]:
        worker["rss"], worker["cpu"] = usage.get(worker["pid"], (None, None))
        own = private_of(worker["pid"]) if worker.get("preloaded") and worker["rss"] else None
        worker["private"] = own
        worker["shared"] = None if own is None else max(0, worker["rss"] - own)


def private_of(pid: int) -> int | None:
    """Bytes of memory that no other process has, as Linux tells whoever may know; None: it does not."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as rollup:
            lines = rollup.read(8192).split(b"\n")
        return sum(int(line.split()[1]) for line in lines if line.startswith(b"Private_")) * 1024
    except (OSError, ValueError, IndexError):
        return None
