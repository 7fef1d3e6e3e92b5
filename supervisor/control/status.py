"""What the master tells about itself: plain data for the control socket, with stable names.

Ages and times are seconds. RSS is left to fapwsctl, which can find it out without the master.
"""

from __future__ import annotations

from fapws.lean import Any, NamedTuple

from ..core import worker_states as states
from ..core.decide import RUNNING, State
from ..process.scoreboard import Score, WorkerView

DEATHS_KEPT = 5


class Death(NamedTuple):
    """A worker that ended without being told to."""

    at: float
    """Monotonic seconds."""
    pool: str
    slot: int
    pid: int
    text: str


class LastReload(NamedTuple):
    """How the last reload ended."""

    at: float
    ok: bool
    text: str


class Facts(NamedTuple):
    """The master's memory of what the decision core has no use for."""

    pid: int
    began: float
    urls: dict[str, list[str]]
    """By pool."""
    workers: dict[int, WorkerView]
    """By number."""
    gone: dict[str, Score]
    """By pool: what workers that are no more have counted."""
    deaths: tuple[Death, ...]
    last_reload: LastReload | None


def describe(state: State, facts: Facts, now: float) -> dict[str, Any]:
    """The whole reply to ``status``."""
    return {
        "pid": facts.pid,
        "state": _overall(state),
        "uptime": round(now - facts.began, 3),
        "generation": state.generation,
        "config": state.config.path,
        "pools": [_pool(pool.name, pool.workers, state, facts) for pool in state.config.pools],
        "workers": _workers(state, facts, now),
        "totals": _totals(facts),
        "last_reload": _last_reload(facts.last_reload, now),
        "last_deaths": [
            {
                "pool": d.pool,
                "slot": d.slot,
                "pid": d.pid,
                "text": d.text,
                "ago": round(now - d.at, 3),
            }
            for d in facts.deaths
        ],
    }


def _overall(state: State) -> str:
    """starting, running, degraded, reloading, stopping."""
    if state.phase != RUNNING:
        return "stopping" if state.announced else "starting"
    if state.reload is not None:
        return "reloading"
    for pool in state.config.pools:
        serving = sum(child.state == states.SERVING for child in state.children.of_pool(pool.name))
        if serving < pool.workers and pool.name not in state.asleep:
            return "degraded"
    return "running"


def _pool(name: str, workers: int, state: State, facts: Facts) -> dict[str, Any]:
    serving = sum(child.state == states.SERVING for child in state.children.of_pool(name))
    return {
        "name": name,
        "listen": facts.urls.get(name, []),
        "workers": workers,
        "serving": serving,
        "asleep": name in state.asleep,
    }


def complaint(reply: dict[str, Any]) -> str:
    """What is not well in a status; empty: it is healthy. A pool that sleeps is."""
    if reply["state"] in ("starting", "stopping"):
        return str(reply["state"])
    for pool in reply["pools"]:
        if pool["serving"] < pool["workers"] and not pool["asleep"] and reply["state"] == "degraded":
            return f"pool {pool['name']}: {pool['serving']} of {pool['workers']} workers serve"
        if not pool["serving"] and not pool["asleep"]:
            return f"pool {pool['name']}: no worker serves"
    return ""


def _workers(state: State, facts: Facts, now: float) -> list[dict[str, Any]]:
    rows = []
    for child in sorted(state.children, key=lambda child: (child.pool, child.slot, child.number)):
        view = facts.workers.get(child.number, WorkerView(0, Score()))
        rows.append(
            {
                "pool": child.pool,
                "slot": child.slot,
                "pid": view.pid or None,
                "state": child.state,
                "age": round(now - child.born, 3),
                "generation": child.generation,
                "requests": view.score.requests,
                "in_flight": view.score.in_flight,
                "connections": view.score.connections,
                "request": view.score.request_line or None,
                "request_age": _request_age(view),
            }
        )
    return rows


def _request_age(view: WorkerView) -> float | None:
    """Seconds since the batch of the request in hand was given out, or its last sign of life."""
    if not view.score.busy_since:
        return None
    return max(0, view.clock - max(view.score.busy_since, view.score.beat)) / 1000


def _totals(facts: Facts) -> dict[str, int]:
    """Sums over living and past workers; connections and in_flight over the living."""
    living = [view.score for view in facts.workers.values()]
    scores = living + list(facts.gone.values())
    names = ("requests", "responses", "refused", "accepted", "bytes_in", "bytes_out")
    totals = {name: sum(getattr(score, name) for score in scores) for name in names}
    totals["connections"] = sum(score.connections for score in living)
    totals["in_flight"] = sum(score.in_flight for score in living)
    return totals


def _last_reload(last: LastReload | None, now: float) -> dict[str, Any] | None:
    if last is None:
        return None
    return {"ok": last.ok, "text": last.text, "ago": round(now - last.at, 3)}
