"""What is asked of the servers: one row a workload."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple

from . import clients
from .clients import CONNECTIONS, ONESHOT_CONNECTIONS, Answered

HERE = Path(__file__).resolve().parent


class Workload(NamedTuple):
    name: str
    what: str
    command: Callable[[str, int], list[str]]  # URL, seconds of a round
    parse: Callable[[str], Answered]
    tool: str
    kept: bool = True  # many requests a connection
    function: str = "application"  # the callable in apps/hello.py


def _plain(url: str, seconds: int) -> list[str]:
    return clients.wrk_command(url, seconds, None)


def _browser(url: str, seconds: int) -> list[str]:
    return clients.wrk_command(url, seconds, str(HERE / "browser.lua"))


_WRK = f"keep-alive, {CONNECTIONS} connections"
WORKLOADS = {
    row.name: row
    for row in (
        Workload("hello", f"GET, 12-byte answer, {_WRK}", _plain, clients.parse_wrk, "wrk"),
        Workload(
            "browser",
            f"the same with 13 browser headers, one value different each time, {_WRK}",
            _browser,
            clients.parse_wrk,
            "wrk",
        ),
        Workload(
            "oneshot",
            f"a connection for each request, {ONESHOT_CONNECTIONS} at a time",
            clients.ab_command,
            clients.parse_ab,
            "ab",
            kept=False,
        ),
        Workload(
            "bare",
            f"hello, but the application states no Content-Length, {_WRK}",
            _plain,
            clients.parse_wrk,
            "wrk",
            function="bare",
        ),
    )
}
DEFAULT = ("hello", "browser", "oneshot")
