"""What the master does about its memory before it forks."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import re
from fapws.supervisor.process.worker_process import prepare_memory

def resident():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmRSS:\\s+(\\d+)", file.read())[1])

blocks = [bytes(4000) for _ in range(5000)]
pinned = blocks[::500]
del blocks
before = resident()
prepare_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give back by themselves")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy keeps what was freed for itself")
def test_what_was_freed_before_the_first_fork_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 10_000, "KB, of twenty thousand"
