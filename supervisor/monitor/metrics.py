"""Metrics in the text format 0.0.4 of Prometheus. Pure, but for a worker's memory and the queues.

Counters add up over the workers that are and those that were, so none runs back when one dies, is replaced or
moves on to new code. No label names a process.
"""

from __future__ import annotations

import sys

from fapws._core import ffi, lib

from fapws import __version__
from fapws.lean import Callable, Iterable, NamedTuple
from fapws.settings.model import Pool

from ..control.status import Facts
from ..core import outlook
from ..core import worker_states as states
from ..core.turn import State
from ..process import tallies
from ..process.scoreboard import Score, WorkerView
from ..process.tallies import Words
from ..process.worker_process import memory_of

KIND = "text/plain; version=0.0.4; charset=utf-8"
_STATES = tuple(state for state in states.STATES if state != states.GONE)
_MS = 1000

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


class PoolFigures(NamedTuple):
    """What is known of one pool."""

    pool: Pool
    workers: list[tuple[int, str, WorkerView]]
    """Slot, state, and what the scoreboard says."""
    scores: list[Score]
    """Of the workers that are, and one of those that were."""
    counted: Words
    """Of all of them."""


class Figures(NamedTuple):
    """What the metrics are made of besides state and facts."""

    backlogs: dict[str, int]
    """By pool, where the system tells."""
    exits: dict[tuple[str, str], int]
    reloads: dict[str, int]
    read_at: float
    log_lines_lost: int
    gone_tallies: dict[str, Words]
    gone_busy: dict[str, int]


class Source(NamedTuple):
    """All together."""

    state: State
    facts: Facts
    figures: Figures


class Page:
    """Lines under construction."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> None:
        """One metric of one kind: counter or gauge."""
        self.head(name, kind, help_text)
        for labels, value in samples:
            self.sample(name, labels, value)

    def head(self, name: str, kind: str, help_text: str) -> None:
        """What stands before the samples."""
        self.lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]

    def sample(self, name: str, labels: Labels, value: float) -> None:
        """One line."""
        told = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
        self.lines.append(f"{name}{{{told}}} {value!r}" if told else f"{name} {value!r}")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def render(state: State, facts: Facts, figures: Figures) -> str:
    """The page."""
    page, source = Page(), Source(state, facts, figures)
    pools = [_figures(source, pool) for pool in source.state.config.pools]
    _of_the_whole(page, source)
    _of_workers(page, source, pools)
    _of_requests(page, pools)
    _of_connections(page, source, pools)
    return "\n".join(page.lines) + "\n"


def _figures(source: Source, pool: Pool) -> PoolFigures:
    facts = source.facts
    workers = [
        (child.slot, child.state, facts.workers.get(child.number, WorkerView(0, Score())))
        for child in source.state.children.of_pool(pool.name)
    ]
    scores = [view.score for _, _, view in workers] + [facts.gone.get(pool.name, Score())]
    counted = source.figures.gone_tallies.get(pool.name, tallies.NOTHING)
    for _, _, view in workers:
        if view.tally is not None:
            counted = tallies.add(counted, view.tally)
    return PoolFigures(pool, workers, scores, counted)


def _of_the_whole(page: Page, source: Source) -> None:
    known = (
        ("version", __version__),
        ("python", ".".join(map(str, sys.version_info[:3]))),
        ("implementation", sys.implementation.name),
        ("libuv", ffi.string(lib.fw_libuv_version()).decode("ascii")),
    )
    page.add("fapws_build_info", "gauge", "What runs; always 1.", [(known, 1)])
    page.add(
        "fapws_reloads_total",
        "counter",
        "Reloads that have ended, by result.",
        [((("result", result),), count) for result, count in sorted(source.figures.reloads.items())],
    )
    page.add(
        "fapws_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration in force was read, by the start or by a reload.",
        [((), round(source.figures.read_at, 3))],
    )
    lost = source.figures.log_lines_lost + sum(
        words[tallies.LOG_LOST]
        for words in (
            *source.figures.gone_tallies.values(),
            *(view.tally for view in source.facts.workers.values() if view.tally is not None),
        )
    )
    page.add(
        "fapws_log_lines_lost_total",
        "counter",
        "Lines of the error log and the access logs that could not be written.",
        [((), lost)],
    )


def _of_workers(page: Page, source: Source, pools: list[PoolFigures]) -> None:
    page.add(
        "fapws_workers",
        "gauge",
        "Workers by state; backing-off ones have no process.",
        [
            (_pool(f, ("state", state)), sum(one == state for _, one, _ in f.workers))
            for f in pools
            for state in _STATES
        ],
    )
    page.add(
        "fapws_workers_configured",
        "gauge",
        "Workers that the pool is to have.",
        [(_pool(f), f.pool.workers) for f in pools],
    )
    page.add(
        "fapws_ready",
        "gauge",
        "1 if clients are to be sent to the pool, as /readyz says, else 0.",
        [(_pool(f), int(not outlook.complaint(source.state, f.pool.name))) for f in pools],
    )
    page.add(
        "fapws_worker_busy_seconds_total",
        "counter",
        "Time in which the workers of a slot had requests in hand.",
        [((("pool", p), ("slot", slot)), ms / _MS) for p, slot, ms in _busy(source, pools)],
    )
    page.add(
        "fapws_worker_resident_memory_bytes",
        "gauge",
        "Resident memory of the worker that has the slot.",
        [(_pool(f, ("slot", str(slot))), size) for f in pools for slot, size in sorted(_memory(f).items())],
    )
    page.add(
        "fapws_worker_exits_total",
        "counter",
        "Workers that have ended, by reason: drained, killed_draining, boot, hang, signal, exit.",
        [
            ((("pool", pool), ("reason", reason)), count)
            for (pool, reason), count in sorted(source.figures.exits.items())
        ],
    )


def _busy(source: Source, pools: list[PoolFigures]) -> list[tuple[str, str, int]]:
    sums = dict(source.figures.gone_busy)
    for figures in pools:
        for slot, _, view in figures.workers:
            if view.tally is not None:
                key = f"{figures.pool.name}/{slot}"
                sums[key] = sums.get(key, 0) + view.tally[tallies.BUSY]
    return [(*key.rsplit("/", 1), ms) for key, ms in sorted(sums.items())]  # type: ignore[misc]


def _memory(figures: PoolFigures) -> dict[int, int]:
    """By slot; while a worker is replaced, that of the one that stays."""
    found: dict[int, int] = {}
    for slot, state, view in figures.workers:
        size = memory_of(view.pid) or view.score.rss if view.pid else 0
        if size and (state != states.DRAINING or slot not in found):
            found[slot] = size
    return found


def _of_requests(page: Page, pools: list[PoolFigures]) -> None:
    page.add(
        "fapws_responses_total",
        "counter",
        "Complete responses of the application by class of status; those of the core: fapws_refused_total.",
        [
            (_pool(f, ("code", f"{digit}xx")), f.counted[tallies.CLASSES + digit])
            for f in pools
            for digit in range(2, 6)
        ],
    )
    page.add(
        "fapws_refused_total",
        "counter",
        "Requests that the core has refused, by the tokens of docs/refusals.md.",
        [sample for f in pools for sample in _refusals(f)],
    )
    name = "fapws_request_duration_seconds"
    page.head(name, "histogram", "From the whole request to the end of the application's response.")
    for figures in pools:
        count = 0
        durations = figures.counted[tallies.DURATIONS : tallies.BUSY]
        for bound, number in zip((*tallies.BOUNDS, None), durations):
            count += number
            label = "+Inf" if bound is None else repr(bound)
            page.sample(f"{name}_bucket", _pool(figures, ("le", label)), count)
        page.sample(f"{name}_sum", _pool(figures), figures.counted[tallies.DURATION] / _MS)
        page.sample(f"{name}_count", _pool(figures), count)
    page.add(
        "fapws_requests_in_flight",
        "gauge",
        "Requests that the application has in hand.",
        [(_pool(f), sum(view.score.in_flight for _, _, view in f.workers)) for f in pools],
    )


def _refusals(figures: PoolFigures) -> list[Sample]:
    """Every reason that there is: a rate needs the zero before the first."""
    samples = []
    for place in range(tallies.REFUSED, tallies.END):
        code = tallies.REFUSED - place
        if lib.fw_error_status(code):
            token = ffi.string(lib.fw_error_name(code)).decode("ascii")
            samples.append((_pool(figures, ("reason", token)), float(figures.counted[place])))
    return [(labels, int(value)) for labels, value in samples]


def _of_connections(page: Page, source: Source, pools: list[PoolFigures]) -> None:
    page.add(
        "fapws_connections",
        "gauge",
        "Open connections by state.",
        [(_pool(f, ("state", state)), count) for f in pools for state, count in _by_state(f).items()],
    )
    totals: tuple[tuple[str, str, Callable[[Score], int]], ...] = (
        ("fapws_connections_accepted_total", "Connections that were accepted.", lambda score: score.accepted),
        ("fapws_received_bytes_total", "Bytes received from clients.", lambda score: score.bytes_in),
        ("fapws_sent_bytes_total", "Bytes sent to clients.", lambda score: score.bytes_out),
    )
    for name, help_text, of in totals:
        page.add(name, "counter", help_text, [(_pool(f), sum(map(of, f.scores))) for f in pools])
    told = source.figures.backlogs
    page.add(
        "fapws_backlog_connections",
        "gauge",
        "Connections that wait in the kernel for a worker (TCP on Linux).",
        [(_pool(f), told[f.pool.name]) for f in pools if f.pool.name in told],
    )


def _by_state(figures: PoolFigures) -> dict[str, int]:
    """A worker writes on while its row and its tally are read: what does not go together is no idle one."""
    found = dict.fromkeys(("idle", "reading", "active", "sending", "closing"), 0)
    for _, _, view in figures.workers:
        if view.tally is None:
            continue
        counted = view.tally[tallies.CONNECTIONS : tallies.REFUSED]
        found["active"] += view.score.in_flight
        for state, count in zip(tallies.CONNECTION_STATES, counted):
            found[state] += count
        found["idle"] += max(0, view.score.connections - view.score.in_flight - sum(counted))
    return found


def _pool(figures: PoolFigures, *more: tuple[str, str]) -> Labels:
    return (("pool", figures.pool.name), *more)
