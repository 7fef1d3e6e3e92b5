"""CPU time, memory and children of a process, read from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """What the bench wants of proc(5), /proc/PID/stat."""

    parent: int
    cpu_ticks: int  # utime + stime of all threads


class Memory(NamedTuple):
    processes: int
    pss_kb: int  # a page shared by n processes counts one nth
    uss_kb: int  # pages that nobody else has


def parse_stat(text: str) -> Stat:
    # The name of the program stands in brackets and may hold spaces and brackets itself.
    fields = text.rpartition(")")[2].split()
    return Stat(parent=int(fields[1]), cpu_ticks=int(fields[11]) + int(fields[12]))


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
            parent = parse_stat((PROC / str(pid) / "stat").read_text()).parent
        except OSError:  # it has ended since
            continue
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_seconds(pids: list[int]) -> float:
    ticks = sum(parse_stat((PROC / str(pid) / "stat").read_text()).cpu_ticks for pid in pids)
    return ticks / TICKS_PER_SECOND


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
