"""The machine and the versions a figure belongs to."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import time
from pathlib import Path

from . import tools
from .install import Venv
from .peers import Recipe
from .proc import TICKS_PER_SECOND

_PYPY_VERSION = "import sys; print('%d.%d.%d' % sys.pypy_version_info[:3])"
_PYTHON_VERSION = "import platform as p; print(p.python_implementation(), p.python_version())"


def describe(python: str, network: str) -> dict[str, str]:
    return {
        "network": network,
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _release(),
        "python": _output([python, "-c", _PYTHON_VERSION]),
        "wrk": _first(r"wrk (?:debian/)?(\S+)", _output(["wrk", "-v"])),
        "ab": _first(r"Version (\S+)", _output(["ab", "-V"])),
        "day": time.strftime("%-d %B %Y"),
    }


class Neighbours:
    """How much of the machine other programs took during the run: the noise in the figures.

    What this process and its children use is known once the children have ended.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._others = _busy_seconds() - _our_seconds()

    def cores(self) -> float:
        """Cores that others used, or the hypervisor kept back, on average since the beginning."""
        others = _busy_seconds() - _our_seconds() - self._others
        return max(others, 0.0) / (time.monotonic() - self._began)


def version(recipe: Recipe, venv: Venv) -> str:
    """The server's, and its Python's where that is another one."""
    if recipe.pypy:
        python = _output(
            [str(venv.bin / "python"), "-c", "import sys; print('%d.%d.%d' % sys.pypy_version_info[:3])"]
        )
        return f"{venv.version(str(recipe.distribution)) or '?'} on PyPy {python}"
    if recipe.built:
        return ""
    if recipe.distribution:
        return venv.version(recipe.distribution) or "?"
    return _first(r"nginx/(\S+)", _output([tools.program(recipe.name) or recipe.name, "-v"]))


def _busy_seconds() -> float:
    """user + nice + system + steal of all cores: proc(5), /proc/stat."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(ticks[:3]) + ticks[7]) / TICKS_PER_SECOND


def _our_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text()
    return _first(r"(?:model name|Model|Processor)\s*:\s*(.+)", text)


def _memory() -> str:
    kb = int(_first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text()))
    return f"{kb / 2**20:.1f} GB"


def _release() -> str:
    try:
        return _first(r'PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text())
    except OSError:
        return "?"


def _output(command: list[str]) -> str:
    """What it prints, on either stream: `nginx -v` and `wrk -v` differ in that."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return ran.stdout.strip()


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return (found.group(found.lastindex or 0)).strip() if found else "?"
