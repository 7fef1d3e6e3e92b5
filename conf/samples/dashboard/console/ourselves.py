"""Fapws' own processes: from the control socket where one is configured, else by parentage."""

from __future__ import annotations

import os
from typing import Any

from console.processes import WORKER, Entry, Processes

PATIENCE = 0.5
"""Seconds the master has for a reply."""


def workers(control: str, seen: Processes) -> dict[str, Any]:
    """What is known; ``error``: why the control socket could not be asked."""
    if not control:
        return _by_parent(seen)
    try:
        # Small, and in memory already: the master has it.
        from fapws.cli.control_client import NoReply, ask

        try:
            answer = ask(control, "status", PATIENCE)
        except (OSError, NoReply) as error:
            raise LookupError(str(error)) from None
        if not answer["ok"]:
            raise LookupError(str(answer["error"]))
        return _told(answer, seen)
    except (LookupError, ImportError, TypeError) as error:
        return {**_by_parent(seen), "error": f"the control socket {control}: {error}"}


def _told(answer: dict[str, Any], seen: Processes) -> dict[str, Any]:
    """The request in hand is left out: its target may hold what is not meant for all eyes."""
    return {
        "source": "control socket",
        "state": answer["state"],
        "uptime_s": answer["uptime"],
        "master": _row("master", seen.find(answer["pid"]), answer["pid"]),
        "pools": [
            {key: pool[key] for key in ("name", "listen", "workers", "serving", "asleep")}
            for pool in answer["pools"]
        ],
        "workers": [_worker(worker, seen) for worker in answer["workers"]],
        "totals": answer["totals"],
        "last_reload": answer["last_reload"],
        "last_deaths": answer["last_deaths"],
        "error": None,
    }


def _worker(worker: dict[str, Any], seen: Processes) -> dict[str, Any]:
    pid = worker["pid"]
    row = _row(f"{worker['pool']}/{worker['slot']}", seen.find(pid) if pid else None, pid)
    row.update({key: worker[key] for key in ("state", "requests", "in_flight", "connections")})
    row["age_s"] = worker["age"]
    return row


def _by_parent(seen: Processes) -> dict[str, Any]:
    master = os.getppid()
    children = seen.children_of(master)
    rows = [_row(entry.full_name().removeprefix(WORKER), entry, entry.pid) for entry in children]
    if not rows:
        rows = [_row("this worker", None, os.getpid())]
    found = seen.find(master)
    return {
        "source": "process list",
        "state": None,
        "uptime_s": round(found.age, 1) if found else None,
        "master": _row("master", found, master),
        "pools": [],
        "workers": rows,
        "totals": None,
        "last_reload": None,
        "last_deaths": [],
        "error": None,
    }


def _row(name: str, entry: Entry | None, pid: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "pid": pid,
        "state": None,
        "age_s": round(entry.age, 1) if entry else None,
        "requests": None,
        "in_flight": None,
        "connections": None,
        "rss_bytes": entry.rss if entry else None,
        "cpu_percent": None if entry is None or entry.cpu is None else round(entry.cpu, 1),
    }
