"""The machine's readings from psutil. Raises what psutil raises: measure.py guards every call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil

VIRTUAL = frozenset(
    (
        *("autofs", "cd9660", "cifs", "devfs", "devtmpfs", "fdescfs", "fuse.sshfs", "iso9660", "linprocfs"),
        *("linsysfs", "nfs", "nfs4", "nullfs", "overlay", "procfs", "smbfs", "squashfs", "sysfs"),
    )
)
"""File systems that are always full, have no size of their own, or whose server may be gone: a worker
that asks a dead NFS server for its size waits with all its clients."""


class Usage(NamedTuple):
    """A process, as one look sees it. None: we may not know."""

    pid: int
    parent: int | None
    name: str
    born: float
    """Epoch seconds."""
    cpu: float | None
    """Seconds of processor it has used so far."""
    rss: int | None
    """Bytes."""


def cores() -> int | None:
    """Processors that run at the same time."""
    return psutil.cpu_count()


def cpu() -> tuple[float, float]:
    """Seconds since boot that the processors were busy, and all seconds; the sum of all processors."""
    times = psutil.cpu_times()._asdict()
    # Linux counts a guest's time in user and nice already.
    whole = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return whole - times["idle"] - times.get("iowait", 0.0), whole


def memory() -> tuple[int, int]:
    """Bytes in all, and bytes that programs could get without swapping."""
    found = psutil.virtual_memory()
    return found.total, found.available


def swap() -> tuple[int, int]:
    """Bytes in all, and bytes in use."""
    found = psutil.swap_memory()
    return found.total, found.used


def boot_time() -> float:
    """Epoch seconds."""
    return psutil.boot_time()


def network() -> dict[str, tuple[int, int]]:
    """Bytes in and out since boot, by interface; without loopback and those that never had any."""
    counters = psutil.net_io_counters(pernic=True)
    return {
        name: (count.bytes_recv, count.bytes_sent)
        for name, count in counters.items()
        if not _is_loopback(name) and (count.bytes_recv or count.bytes_sent)
    }


def _is_loopback(name: str) -> bool:
    return name == "lo" or (name[:2] == "lo" and name[2:].isdigit())


def disks() -> list[tuple[str, str, int, int, int]]:
    """Mount point, type, and bytes: in all, used, free for users."""
    found, seen = [], set()
    for part in psutil.disk_partitions(all=False):
        if part.fstype in VIRTUAL or part.device in seen or not os.path.isdir(part.mountpoint):
            continue
        seen.add(part.device)
        row = _disk(part.mountpoint, part.fstype)
        if row is not None:
            found.append(row)
    if not any(mount == "/" for mount, *_ in found):
        root = _disk("/", "")  # a container's, which is no device of its own
        found[:0] = [root] if root is not None else []
    return found


def _disk(mount: str, kind: str) -> tuple[str, str, int, int, int] | None:
    try:
        usage = psutil.disk_usage(mount)
    except OSError:
        return None
    return (mount, kind, usage.total, usage.used, usage.free) if usage.total else None


def temperatures() -> list[tuple[str, float, float | None]]:
    """Sensor, degrees Celsius, and what its maker calls high."""
    if not hasattr(psutil, "sensors_temperatures"):
        return []  # OpenBSD, macOS
    found = []
    for chip, sensors in psutil.sensors_temperatures().items():
        for number, sensor in enumerate(sensors, 1):
            if sensor.current is not None:
                label = sensor.label or (str(number) if len(sensors) > 1 else "")
                found.append((f"{chip} {label}".strip(), sensor.current, sensor.high))
    return found


def processes() -> list[Usage]:
    """All that can be seen. psutil keeps its objects from call to call, which makes the next cheap."""
    found = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                born = process.create_time()
                name, parent = process.name(), _allowed(process.ppid)
                times, memory = _allowed(process.cpu_times), _allowed(process.memory_info)
        except psutil.Error:
            continue  # it has ended, or is not ours to see
        cpu = times.user + times.system if times else None
        found.append(Usage(process.pid, parent, name, born, cpu, memory.rss if memory else None))
    return found


def _allowed(reading: Callable[[], Any]) -> Any:
    try:
        return reading()
    except psutil.AccessDenied:
        return None  # macOS: another user's


def user(pid: int) -> str | None:
    """Whose process it is."""
    try:
        return psutil.Process(pid).username()
    except psutil.Error:
        return None


def title(pid: int) -> str | None:
    """The command line, under which Fapws' own processes tell what they are."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return None
