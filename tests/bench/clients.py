"""wrk, ab and load.c: their command lines, and what their output says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

CONNECTIONS = 100  # wrk: all kept alive
ONESHOT_CONNECTIONS = 1000  # ab: one request each
ONESHOT_REQUESTS_PER_SECOND_OF_ROUND = 25_000  # rounds of 2 s: fapws3's own `ab -n50000 -c1000`

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}


class Answered(NamedTuple):
    """What a client says of one round."""

    requests: int  # completed, as the client counts them
    per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int  # answers that are not 2xx or 3xx, or not of the length of the first
    unconnected: int
    timed_out: int  # wrk: no answer within 2 s
    longest_ms: float = 0.0  # load: of all requests


class ClientError(Exception):
    """The client gave no figures, or figures of answers that were not right."""


class Goal(NamedTuple):
    """What a client is sent against."""

    port: int
    seconds: float
    load: Path  # the program made of load.c

    def url(self, target: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{target}"


def wrk_command(goal: Goal, script: str | None, connections: int, target: str, field: str = "") -> list[str]:
    lua = ["-s", script] if script else []
    fields = ["-H", field] if field else []
    seconds = max(round(goal.seconds), 1)  # it knows no parts of a second
    how = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    return ["wrk", *how, *lua, *fields, goal.url(target)]


def ab_command(goal: Goal) -> list[str]:
    requests = int(ONESHOT_REQUESTS_PER_SECOND_OF_ROUND * goal.seconds)
    return ["ab", "-q", f"-n{requests}", f"-c{min(ONESHOT_CONNECTIONS, requests)}", goal.url()]


def load_command(goal: Goal, *options: str) -> list[str]:
    """The request is what load reads from its standard input."""
    counted = "-n" in options
    until = [] if counted else ["-d", str(goal.seconds)]
    return [str(goal.load), *options, *until, "127.0.0.1", str(goal.port)]


def parse_load(text: str) -> Answered:
    said = dict(re.findall(r"^(\w+) ([\d.]+)$", text, re.MULTILINE))
    try:
        return Answered(
            requests=int(said["requests"]),
            per_second=float(said["per_second"]),
            p50_ms=float(said["p50_ms"]),
            p99_ms=float(said["p99_ms"]),
            wrong=int(said["wrong"]),
            unconnected=0,
            timed_out=0,
            longest_ms=float(said["longest_ms"]),
        )
    except KeyError:
        raise ClientError("unexpected output: " + _last_line(text)) from None


def parse_wrk(text: str) -> Answered:
    errors = re.search(r"Socket errors: connect (\d+), read \d+, write \d+, timeout (\d+)", text)
    return Answered(
        requests=int(_find(r"^\s*(\d+) requests in ", text)),
        per_second=float(_find(r"^Requests/sec:\s*([\d.]+)", text)),
        p50_ms=_duration(_find(r"^\s*50%\s+(\S+)", text)),
        p99_ms=_duration(_find(r"^\s*99%\s+(\S+)", text)),
        wrong=int(_find(r"^\s*Non-2xx or 3xx responses: (\d+)", text, "0")),
        unconnected=int(errors.group(1)) if errors else 0,
        timed_out=int(errors.group(2)) if errors else 0,
    )


def parse_ab(text: str) -> Answered:
    # When "Failed requests" is not 0, "(Connect: 0, Receive: 0, Length: 3, Exceptions: 0)" follows.
    return Answered(
        requests=int(_find(r"^Complete requests:\s*(\d+)", text)),
        per_second=float(_find(r"^Requests per second:\s*([\d.]+)", text)),
        p50_ms=float(_find(r"^\s*50%\s+(\d+)", text)),
        p99_ms=float(_find(r"^\s*99%\s+(\d+)", text)),
        wrong=int(_find(r"^Failed requests:\s*(\d+)", text))
        + int(_find(r"^Non-2xx responses:\s*(\d+)", text, "0")),
        unconnected=int(_find(r"\(Connect: (\d+)", text, "0")),
        timed_out=0,
    )


def check(answered: Answered) -> Answered:
    if not answered.requests:
        raise ClientError("not one request was completed")
    if answered.wrong or answered.unconnected:
        raise ClientError(f"{answered.wrong} wrong answers, {answered.unconnected} failed connections")
    return answered


def _find(pattern: str, text: str, default: str | None = None) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found:
        return str(found.group(1))
    if default is None:
        raise ClientError("unexpected output: " + _last_line(text))
    return default


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["none"])[-1]


def _duration(text: str) -> float:
    """wrk's `63.00us`, `1.20ms`, `2.00s` in milliseconds."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _MILLISECONDS[unit]
