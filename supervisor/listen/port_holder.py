"""Which process listens on a TCP port, for the message of a start that finds it taken.

Linux tells it in /proc: sockets by inode in net/tcp and net/tcp6, and each process's descriptors. A process
of another user hides its descriptors from all but root. Other systems have no such files: nothing is found.
"""

from __future__ import annotations

import os

from fapws.lean import Iterator

_TABLES = ("net/tcp", "net/tcp6")
_LISTENING = "0A"
_PROCESSES_MAX = 65536
"""Processes that are looked at."""
_NAME_MAX = 64
"""Characters of a command line that are told."""


def port_holder(port: int, proc: str = "/proc") -> str:
    """``pid 4711, python3 shop.py``; empty: it cannot be found out."""
    links = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    if not links:
        return ""
    for pid in _processes(proc):
        if not links.isdisjoint(_descriptors(f"{proc}/{pid}/fd")):
            name = _command_line(f"{proc}/{pid}/cmdline")
            return f"pid {pid}, {name}" if name else f"pid {pid}"
    return ""


def _listening_inodes(port: int, proc: str) -> Iterator[str]:
    for table in _TABLES:
        try:
            with open(f"{proc}/{table}", encoding="ascii") as file:
                rows = [line.split() for line in file]
        except OSError:
            continue
        for row in rows[1:]:  # sl local_address rem_address st ... inode
            if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port:
                yield row[9]


def _processes(proc: str) -> list[int]:
    """The oldest first: a master has its socket before its workers."""
    try:
        return sorted(int(name) for name in os.listdir(proc) if name.isdigit())[:_PROCESSES_MAX]
    except OSError:
        return []


def _descriptors(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return  # it has ended, or is another user's
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def _command_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            text = file.read(4 * _NAME_MAX)
    except OSError:
        return ""
    return text.replace(b"\0", b" ").decode("utf-8", "replace").strip()[:_NAME_MAX]
