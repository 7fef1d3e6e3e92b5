"""The readings that Linux's /proc and POSIX give without psutil; the same functions as with_psutil.py.

Raises OSError where there is no /proc: measure.py guards every call.
"""

from __future__ import annotations

import os
from typing import Any


def cores() -> int | None:
    """Processors that run at the same time."""
    return os.cpu_count()


def cpu() -> tuple[float, float]:
    """Seconds since boot that the processors were busy, and all seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    words = _read("/proc/stat").partition("\n")[0].split()[1:9]  # behind these: guests, in user already
    times = [int(word) / ticks for word in words]
    return sum(times) - times[3] - times[4], sum(times)


def memory() -> tuple[int, int]:
    """Bytes in all, and bytes that programs could get without swapping."""
    found = _meminfo()
    return found["MemTotal"], found["MemAvailable"]


def swap() -> tuple[int, int]:
    """Bytes in all, and bytes in use."""
    found = _meminfo()
    return found["SwapTotal"], found["SwapTotal"] - found["SwapFree"]


def _meminfo() -> dict[str, int]:
    rows = (line.partition(":") for line in _read("/proc/meminfo").splitlines())
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in rows}


def boot_time() -> float:
    """Epoch seconds."""
    for line in _read("/proc/stat").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise OSError("/proc/stat does not tell when the machine was started")


def network() -> dict[str, tuple[int, int]]:
    """Bytes in and out since boot, by interface; without loopback and those that never had any."""
    found = {}
    for line in _read("/proc/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        inward, outward = int(words[0]), int(words[8])
        if name.strip() != "lo" and (inward or outward):
            found[name.strip()] = (inward, outward)
    return found


def disks() -> list[tuple[str, str, int, int, int]]:
    """Mount point, type, and bytes: in all, used, free for users. The root alone."""
    found = os.statvfs("/")
    size = found.f_frsize
    return [("/", "", found.f_blocks * size, (found.f_blocks - found.f_bfree) * size, found.f_bavail * size)]


def temperatures() -> list[Any]:
    """None are known."""
    return []


def processes() -> list[Any] | None:
    """Not known."""
    return None


def user(pid: int) -> str | None:
    """Not known."""
    return None


def title(pid: int) -> str | None:
    """Not known."""
    return None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
