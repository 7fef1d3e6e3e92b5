"""The text of `fapwsctl status`, and where memory and processor time come from."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from fapws.cli import status_text
from fapws.supervisor.process.usage import usage_of_proc

BROKEN = """worker blog/0: the application cannot be loaded
Traceback (most recent call last):
  File "/srv/blog.py", line 1, in <module>
    import b
ImportError: no b
"""


def test_status_for_people_is_a_table() -> None:
    totals = {"requests": 10, "in_flight": 1, "connections": 2}
    worker = {"pool": "blog", "slot": 0, "pid": None, "state": "backing-off", "age": 7300.0}
    counts = {"generation": 3, "requests": 0, "in_flight": 0, "connections": 0}
    answer = {
        "state": "degraded",
        "pid": 1,
        "generation": 3,
        "uptime": 200.0,
        "pools": [{"name": "blog", "listen": ["http://[::]:80", "unix:/s"], "workers": 1, "serving": 0}],
        "workers": [{**worker, **counts}],
        "totals": totals,
        "last_reload": {"ok": False, "text": BROKEN, "ago": 5.0},
        "last_deaths": [{"text": "worker blog/0 died", "ago": 1.0}],
    }
    status_text.add_usage(answer)
    lines = status_text.render(answer).splitlines()
    assert lines[0] == "fapws: degraded (pid 1), generation 3, up 3m"
    assert lines[1] == "pool blog: 0 of 1 serving on http://[::]:80, unix:/s"
    assert lines[3].split() == ["blog/0", "-", "backing-off", "2h", "3", "0", "0", "0", "-", "-"]
    assert lines[4].split() == ["total", "10", "1", "2"]
    assert lines[5:] == [
        "last reload: failed 5s ago: worker blog/0: the application cannot be loaded: ImportError: no b"
        " (fapwsctl why tells more)",
        "death 1s ago: worker blog/0 died",
    ]


@pytest.mark.parametrize("ask", [usage_of_proc, status_text._usage_of_ps])
def test_memory_and_processor_time_of_a_process_are_told(ask: Any) -> None:
    """``ps`` may count whole seconds."""
    work = "import time\nwhile time.process_time() < 1.1: pass\nprint(flush=True)\ninput()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", work], stdin=pipe, stdout=pipe) as busy:
        try:
            assert busy.stdout is not None and busy.stdout.readline()
            told = ask([busy.pid])
        finally:
            busy.kill()
    if ask is usage_of_proc and not os.path.isdir("/proc/self/fd"):
        assert told == {}
        return
    rss, cpu = told[busy.pid]
    assert 10**6 < rss < 10**9
    assert 1.0 <= cpu < 20.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:07", 7.0), ("1-02:03:04", 93784.0), ("0:12.34", 12.34), ("210:01.50", 12601.5)],
)
def test_processor_time_as_ps_writes_it(text: str, seconds: float) -> None:
    assert status_text.cpu_seconds(text) == seconds
