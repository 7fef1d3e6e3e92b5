"""CPU time, memory and children of a process, read from the kernel (Linux).

CPU time is that of the process's own clock, clock_getcpuclockid(3): utime + stime of all its threads,
ended ones too, as /proc/PID/stat has them, but in nanoseconds instead of ticks of 10 ms. Children that
have ended are in nobody's clock; where one could be missing, the measurement is refused.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    processes: int
    pss_kb: int  # a page shared by n processes counts one nth
    uss_kb: int  # pages that nobody else has


def parse_parent(text: str) -> int:
    """The parent's process id in proc(5), /proc/PID/stat."""
    # The name of the program stands in brackets and may hold spaces and brackets itself.
    return int(text.rpartition(")")[2].split()[1])


def parse_smaps_rollup(text: str) -> tuple[int, int]:
    """PSS and USS in kB."""
    sizes: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        name, _, size = line.partition(":")
        sizes[name] = int(size.split()[0])
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        try:
            parent = parse_parent((PROC / str(pid) / "stat").read_text(errors="replace"))
        except OSError:  # it has ended since
            continue
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Raises OSError when one of them has ended."""
    return sum(time.clock_gettime(_cpu_clock(pid)) for pid in pids)


def _cpu_clock(pid: int) -> int:
    """The clock's number, as clock_getcpuclockid(3) of the Linux libc makes it."""
    precise = 2  # CPUCLOCK_SCHED: what the scheduler has counted
    return (~pid << 3) | precise


def context_switches(pids: list[int]) -> int:
    """How often they went to sleep and were woken (all threads): proc(5), voluntary_ctxt_switches."""
    count = 0
    for pid in pids:
        for status in (PROC / str(pid) / "task").glob("*/status"):
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            count += int(lines["voluntary_ctxt_switches"])
    return count


def memory(pids: list[int]) -> Memory:
    sizes = [parse_smaps_rollup((PROC / str(pid) / "smaps_rollup").read_text()) for pid in pids]
    return Memory(len(pids), sum(pss for pss, _ in sizes), sum(uss for _, uss in sizes))


def strangers(pids: list[int]) -> list[int]:
    """Processes outside this list that share the pages of its program files or libpython."""
    ours = {file for pid in pids for file in _interpreters(pid)}
    return [pid for pid in _all_pids() if pid not in pids and ours & _interpreters(pid)]


def parse_maps(text: str, program: str) -> set[tuple[str, str]]:
    """Device and inode of the program and of any libpython in proc(5), /proc/PID/maps."""
    found = set()
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and (fields[5] == program or "/libpython" in fields[5]):
            found.add((fields[3], fields[4]))
    return found


def _interpreters(pid: int) -> set[tuple[str, str]]:
    try:
        return parse_maps((PROC / str(pid) / "maps").read_text(), os.readlink(PROC / str(pid) / "exe"))
    except OSError:  # ended, a kernel thread, or somebody else's
        return set()


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]
