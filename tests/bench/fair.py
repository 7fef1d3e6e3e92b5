"""Two workers of fapws: which gets the connections, and how many are woken for one."""

from __future__ import annotations

import json
import subprocess
from typing import NamedTuple

from . import clients, proc, server, startup
from .measure import FAILURES, Say, Setting, client, reason
from .peers import FAPWS
from .syscalls import parse_strace, tracing

WORKERS = 2
CONNECTIONS = 64
LIMIT = 1.5  # busiest : idlest
REQUESTS = 20_000
TRACED_REQUESTS = 2_000
CLIENT_SECONDS = 60


class Fair(NamedTuple):
    """One way to send requests to two workers, round by round."""

    how: str
    shares: list[list[int]]  # requests of each worker
    wakeups: list[float]  # one connection a request: voluntary context switches of all workers for each
    in_vain: float | None = None  # accepts without a connection, per accepted connection
    failure: str | None = None


def measure(setting: Setting, rounds: int, seconds: float, say: Say) -> list[Fair]:
    """Workers and client share all cores: with both workers on one, the kernel's choice would be another."""
    kept = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", "--latency"]
    single = ["ab", "-q", f"-n{REQUESTS}", f"-c{CONNECTIONS}"]
    return [
        _fair("keep-alive", kept, setting, rounds, say),
        _fair("a connection for each request", single, setting, rounds, say),
    ]


def _fair(how: str, command: list[str], setting: Setting, rounds: int, say: Say) -> Fair:
    result = Fair(how, [], [])
    cores = f"{setting.server_core},{setting.client_core}"
    try:
        with startup.daemon(FAPWS, setting, "fair", WORKERS, cores) as (ctl, port, _):
            url = clients.Goal(port, 1, setting.load).url()
            for number in range(rounds):
                say(f"fair: {how}: round {number + 1} of {rounds}")
                before = _status(ctl)
                pids = [worker["pid"] for worker in before["workers"]]
                asleep = proc.context_switches(pids)
                client([*command, url], b"", setting, CLIENT_SECONDS)
                asleep = proc.context_switches(pids) - asleep
                after = _status(ctl)
                accepted = after["totals"]["accepted"] - before["totals"]["accepted"]
                result.shares.append(_requests(before, after))
                if command[0] == "ab":  # a kept connection is waited for again and again
                    result.wakeups.append(asleep / max(accepted, 1))
            if command[0] == "ab":
                result = result._replace(in_vain=_in_vain(pids, url, setting))
    except (*FAILURES, KeyError) as error:
        return result._replace(failure=reason(error))
    return result


def _status(ctl: list[str]) -> dict:  # type: ignore[type-arg]
    said = subprocess.run(
        [*ctl, "-j", "status"], capture_output=True, text=True, check=True, timeout=CLIENT_SECONDS
    )
    found: dict = json.loads(said.stdout)  # type: ignore[type-arg]
    return found


def _requests(before: dict, after: dict) -> list[int]:  # type: ignore[type-arg]
    earlier = {worker["pid"]: worker["requests"] for worker in before["workers"]}
    if set(earlier) != {worker["pid"] for worker in after["workers"]}:
        raise server.ServerError("a worker ended under load")
    return [worker["requests"] - earlier[worker["pid"]] for worker in after["workers"]]


def _in_vain(pids: list[int], url: str, setting: Setting) -> float:
    """Accepts that found nothing: another worker had been quicker."""
    command = ["ab", "-q", f"-n{TRACED_REQUESTS}", f"-c{CONNECTIONS}", url]
    with tracing(pids, ["-c", "-e", "trace=accept,accept4"]) as log:
        client(command, b"", setting, CLIENT_SECONDS)
    calls = parse_strace(log.read_text())
    vain = sum(call.errors for call in calls)
    return vain / max(sum(call.calls for call in calls) - vain, 1)


def busiest_to_idlest(shares: list[int]) -> float:
    """By requests; a worker that got none makes it infinite."""
    least = min(shares, default=0)
    return max(shares) / least if least else float("inf")
