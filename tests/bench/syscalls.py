"""System calls per request: strace -c of a whole server under a fixed number of requests."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from . import clients, server
from .clients import CONNECTIONS
from .measure import FAILURES, Say, Setting, asked, client, reason
from .peers import Recipe
from .workloads import WORKLOADS, Workload

REQUESTS = 5_000
FAR_REQUESTS = 500  # of servers that take many calls for one, and strace much time for a call
LARGE_REQUESTS = 20  # of 1 MB and more
WORKLOADS_TRACED = ("hello", "browser", "oneshot")
ATTACH_SECONDS = 10
CLIENT_SECONDS = 60
HEADERS = (
    b"Host: 127.0.0.1\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/128.0.0.0\r\n"
    b"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\nReferer: http://127.0.0.1/articles/\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,fr;q=0.7\r\n"
    b"Cookie: theme=dark; session=0123456789abcdef\r\n\r\n"
)


class Call(NamedTuple):
    """One line of strace's summary."""

    name: str
    calls: int
    errors: int  # EAGAIN: it was asked in vain


class Calls(NamedTuple):
    """One server under one workload."""

    server: str
    workload: str
    requests: int
    calls: list[Call]
    failure: str | None = None


def measure(
    recipes: Sequence[Recipe], names: Sequence[str], setting: Setting, told: bool, say: Say
) -> list[Calls]:
    """told: the servers were chosen by name."""
    results = []
    for name in names:
        for recipe in recipes:
            if not asked(recipe, WORKLOADS[name], told):
                continue
            say(f"syscalls: {name}: {recipe.name}")
            try:
                results.append(_trace(recipe, WORKLOADS[name], setting))
            except FAILURES as error:
                results.append(Calls(recipe.name, name, 0, [], reason(error)))
    return results


def _trace(recipe: Recipe, workload: Workload, setting: Setting) -> Calls:
    place = setting.place(recipe, f"syscalls-{workload.name}")
    with server.running(recipe, place, str(setting.server_core), workload.app, workload.asks[0]) as one:
        facts = server.probe(one, workload.asks)
        goal = clients.Goal(one.port, 1, setting.load)
        count = REQUESTS if recipe.near else FAR_REQUESTS
        command, request = _client(workload, goal, facts, count)
        client(command, request, setting, CLIENT_SECONDS)  # header shapes, caches, free lists
        with tracing(one.pids(), ["-c"]) as log:
            said = client(command, request, setting, CLIENT_SECONDS)
        answered = clients.check(_parse(workload, said))
        return Calls(recipe.name, workload.name, answered.requests, parse_strace(log.read_text()))


def _client(
    workload: Workload, goal: clients.Goal, facts: server.Facts, count: int
) -> tuple[list[str], bytes]:
    """A client that asks a fixed number of requests: wrk knows no such thing."""
    if workload.tool == "ab":
        return ["ab", "-q", f"-n{count}", f"-c{CONNECTIONS}", goal.url()], b""
    if workload.tool == "wrk":
        target = workload.asks[0].target
        head = f"GET {target} HTTP/1.1\r\n".encode()
        rest = HEADERS if workload.name == "browser" else b"Host: 127.0.0.1\r\n\r\n"
        connections = CONNECTIONS if facts.shares else 1
        options = ["-n", str(count), "-c", str(connections)]
        return clients.load_command(goal, *options), head + rest
    number = LARGE_REQUESTS if workload.name != "limited" else count
    command = workload.command(goal)
    options = command[1 : command.index("-d")]
    return clients.load_command(goal, *options, "-n", str(number)), workload.request


def _parse(workload: Workload, said: str) -> clients.Answered:
    return clients.parse_ab(said) if workload.tool == "ab" else clients.parse_load(said)


@contextlib.contextmanager
def tracing(pids: Sequence[int], options: Sequence[str]) -> Iterator[Path]:
    """All threads of these processes under strace, while the block runs; its output is in the file."""
    handle, name = tempfile.mkstemp(prefix="fapws-strace-")
    os.close(handle)
    attach = [word for pid in pids for word in ("-p", str(pid))]
    tracer = subprocess.Popen(
        ["strace", "-f", *options, "-o", name, *attach], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_until_attached(tracer, len(pids))
        yield Path(name)
        _end(tracer)
    finally:
        if tracer.poll() is None:
            tracer.kill()
            tracer.wait()
        if tracer.stderr:
            tracer.stderr.close()


def _end(tracer: subprocess.Popen[bytes]) -> None:
    tracer.send_signal(signal.SIGINT)
    tracer.wait(ATTACH_SECONDS)


def _wait_until_attached(tracer: subprocess.Popen[bytes], processes: int) -> None:
    """strace says "Process N attached" for each; a process with threads, "... attached with 3 threads"."""
    assert tracer.stderr
    said, deadline = b"", time.monotonic() + ATTACH_SECONDS
    while said.count(b" attached") < processes:
        ready, _, _ = select.select([tracer.stderr], [], [], 0.2)
        piece = os.read(tracer.stderr.fileno(), 4096) if ready else b""
        said += piece
        if (ready and not piece) or time.monotonic() > deadline:
            why = said.decode(errors="replace").strip().splitlines()
            raise server.ServerError("strace: " + (why[-1] if why else "did not attach"))


def parse_strace(text: str) -> list[Call]:
    """The table of strace -c: `% time, seconds, usecs/call, calls, [errors], syscall`."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+)?\s*([a-z_]\w*)", line)
        if match and match.group(3) != "total":
            found.append(Call(match.group(3), int(match.group(1)), int(match.group(2) or 0)))
    return sorted(found, key=lambda call: -call.calls)
