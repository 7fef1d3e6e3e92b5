"""What the master tells about itself: plain data for the control socket, with stable names.

Ages and times are seconds. RSS is left to fapwsctl, which can find it out without the master.
"""

from __future__ import annotations

from fapws.lean import Any, Mapping, MappingProxyType, NamedTuple
from fapws.settings.model import Pool

from ..core import outlook
from ..core.decide import State
from ..core.turn import Zygote
from ..process.scoreboard import Score, WorkerView

DEATHS_KEPT = 5
LAST_RELOAD = "last reload"


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
    pools: tuple[str, ...] = ()
    """Those that it concerned; empty: all."""


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
    monitors: Mapping[str, str] = MappingProxyType({})
    """By option: where the master answers about itself."""


def describe(state: State, facts: Facts, now: float) -> dict[str, Any]:
    """The whole reply to ``status``."""
    return {
        "pid": facts.pid,
        "state": outlook.overall(state),
        "summary": summary(state, facts.last_reload),
        "trouble": outlook.complaint(state),
        "uptime": round(now - facts.began, 3),
        "generation": state.generation,
        "config": state.config.path,
        "monitors": dict(facts.monitors),
        "draining": {drain.pool: drain.stage for drain in state.drains},
        "pools": [_pool(pool, state, facts) for pool in state.config.pools],
        "workers": _workers(state, facts, now),
        "zygotes": [_zygote(zygote, facts, now) for zygote in state.zygotes],
        "totals": _totals(facts),
        "last_reload": reload_ended(facts.last_reload, now),
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


def _pool(pool: Pool, state: State, facts: Facts) -> dict[str, Any]:
    return {
        "name": pool.name,
        "listen": facts.urls.get(pool.name, []),
        "workers": pool.workers,
        "serving": outlook.serving(state, pool),
        "asleep": pool.name in state.asleep,
    }


def _zygote(zygote: Zygote, facts: Facts, now: float) -> dict[str, Any]:
    view = facts.workers.get(zygote.number)
    return {
        "pool": zygote.pool.name,
        "pid": view.pid if view else None,
        "state": zygote.state,
        "age": round(now - zygote.born, 3),
        "generation": zygote.generation,
        "kept_for": round(zygote.keep_until - now, 3) if zygote.keep_until > now else None,
    }


def summary(state: State, last: LastReload | None) -> str:
    """One line: what systemd is told, and what ``fapwsctl status`` shows in several lines."""
    failed = (f"{LAST_RELOAD}: failed",) if last is not None and not last.ok else ()
    return "; ".join((*outlook.words(state), *failed))


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
                "request_age": request_age(view),
                "preloaded": child.zygote > 0,
            }
        )
    return rows


def request_age(view: WorkerView) -> float | None:
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


def reload_ended(last: LastReload | None, now: float) -> dict[str, Any] | None:
    """How the last one did, for ``status`` and ``why``; None: there was none."""
    if last is None:
        return None
    return {"ok": last.ok, "text": last.text, "ago": round(now - last.at, 3), "pools": list(last.pools)}
