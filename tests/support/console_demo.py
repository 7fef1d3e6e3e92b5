"""A made-up box for the dashboard: every part it can show, also what this machine does not have."""

from __future__ import annotations

import math
from typing import Any

MIB, GIB = 2**20, 2**30
SAMPLES = 180


def demo() -> dict[str, Any]:
    """What the watcher would say of it, before the verdict."""
    waves = [math.sin(n / 9) + 0.6 * math.sin(n / 3.7) + 0.35 * math.sin(n * 1.9) for n in range(SAMPLES)]
    return {
        "title": "garden shed",
        "system": "OpenBSD 7.9",
        "time": 1795168800.0,
        "uptime_s": 86400 * 41 + 3600 * 7,
        "cores": 4,
        "missing_psutil": "",
        "interval_s": 5.0,
        "window_s": 900.0,
        "worker_pid": 4712,
        "load": (0.82, 0.64, 0.51),
        "cpu_percent": 18.4,
        "memory": {
            "total_bytes": 2 * GIB,
            "available_bytes": 1215 * MIB,
            "used_bytes": 833 * MIB,
            "used_percent": 40.7,
        },
        "swap": {"total_bytes": 512 * MIB, "used_bytes": 12 * MIB, "used_percent": 2.3},
        "network": {
            "in_bytes_per_s": 41_300.0,
            "out_bytes_per_s": 187_000.0,
            "interfaces": [
                {
                    "name": "em0",
                    "in_bytes": 83 * GIB,
                    "out_bytes": 411 * GIB,
                    "in_bytes_per_s": 40_100.0,
                    "out_bytes_per_s": 186_000.0,
                },
                {
                    "name": "wg0",
                    "in_bytes": 2 * GIB,
                    "out_bytes": 3 * GIB,
                    "in_bytes_per_s": 1_200.0,
                    "out_bytes_per_s": 1_000.0,
                },
            ],
        },
        "history": {
            "ago_s": [5.0 * (SAMPLES - 1 - n) for n in range(SAMPLES)],
            "load": [round(0.6 + 0.25 * math.sin(n / 30) + 0.0012 * n, 2) for n in range(SAMPLES)],
            "cpu_percent": [None, *(round(max(1.0, 14 + 7 * wave), 1) for wave in waves[1:])],
            "memory_percent": [round(37 + 0.02 * n + 0.4 * math.sin(n / 12), 1) for n in range(SAMPLES)],
            "in_bytes_per_s": [None, *(round(max(500, 36_000 + 21_000 * wave)) for wave in waves[1:])],
            "out_bytes_per_s": [None, *(round(max(900, 150_000 + 98_000 * wave)) for wave in waves[1:])],
        },
        "disks": [
            _disk("/", "ffs", 15, 4.1),
            _disk("/home", "ffs", 220, 131),
            _disk("/var", "ffs", 30, 27.8),
        ],
        "temperatures": [
            {"name": "cpu0", "celsius": 51.0, "high_celsius": 90.0},
            {"name": "disk", "celsius": 38.0, "high_celsius": None},
        ],
        "services": [
            {"name": "sshd", "check": "process sshd", "up": True},
            {"name": "mail", "check": "port 25", "up": True},
            {"name": "database", "check": "/run/db.sock", "up": True},
            {"name": "backup", "check": "10.0.0.2:873", "up": False},
            {"name": "clock", "check": "process ntpd", "up": None},
        ],
        "fapws": {
            "source": "control socket",
            "state": "running",
            "uptime_s": 86400 * 12.2,
            "master": _worker("master", 4711, None, 0.0, 12.9),
            "pools": [
                {"name": "blog", "listen": [], "workers": 2, "serving": 2, "asleep": False},
                {"name": "dashboard", "listen": [], "workers": 1, "serving": 1, "asleep": False},
                {"name": "wiki", "listen": [], "workers": 1, "serving": 0, "asleep": True},
            ],
            "workers": [
                _worker("blog/0", 4801, 1_284_310, 3.1, 48.2, in_flight=1),
                _worker("blog/1", 4802, 1_279_002, 2.8, 47.7),
                _worker("dashboard/0", 4712, 9_420, 0.2, 17.1),
            ],
            "totals": {"requests": 2_572_732, "refused": 41, "connections": 17},
            "last_reload": {"ok": True, "text": "", "ago": 86400.0 * 2},
            "last_deaths": [
                {"pool": "blog", "slot": 1, "pid": 4790, "text": "was killed by SIGKILL", "ago": 86400.0 * 5}
            ],
            "error": None,
        },
        "processes": {
            "count": 94,
            "cpu_over_s": 10.0,
            "by_cpu": [
                _process("postgres", 812, "_postgresql", 6.4, 212),
                _process("fapws: worker blog/0", 4801, "www", 3.1, 48.2),
                _process("fapws: worker blog/1", 4802, "www", 2.8, 47.7),
                _process("relayd", 640, "_relayd", 1.9, 9.4),
                _process("smtpd", 655, "_smtpd", 0.3, 7.8),
            ],
            "by_memory": [
                _process("postgres", 812, "_postgresql", 6.4, 212),
                _process("unbound", 588, "_unbound", 0.1, 96.5),
                _process("fapws: worker blog/0", 4801, "www", 3.1, 48.2),
                _process("fapws: worker blog/1", 4802, "www", 2.8, 47.7),
                _process("fapws: worker dashboard/0", 4712, "www", 0.2, 17.1),
            ],
        },
    }


def _disk(mount: str, kind: str, size: float, used: float) -> dict[str, Any]:
    return {
        "mount": mount,
        "type": kind,
        "total_bytes": int(size * GIB),
        "used_bytes": int(used * GIB),
        "free_bytes": int((size - used) * GIB),
        "used_percent": round(100 * used / size, 1),
    }


def _worker(
    name: str, pid: int, requests: int | None, cpu: float, memory: float, in_flight: int | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "pid": pid,
        "state": None if name == "master" else "serving",
        "age_s": 86400 * 12.2 if name == "master" else 86400 * 2.0,
        "requests": requests,
        "in_flight": in_flight,
        "connections": None,
        "rss_bytes": int(memory * MIB),
        "cpu_percent": cpu,
    }


def _process(name: str, pid: int, user: str, cpu: float, memory: float) -> dict[str, Any]:
    return {
        "pid": pid,
        "name": name,
        "user": user,
        "age_s": 86400.0,
        "cpu_percent": cpu,
        "rss_bytes": int(memory * MIB),
    }
