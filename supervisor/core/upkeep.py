"""Rules about living workers: hanging, recycling, sleeping, scaling. Pure; functions over a Turn.

Most follow from what the scoreboard shows (``Seen``), which is read only as often as the configuration
needs: with nothing to watch, the master sleeps. That a worker was stopped by SIGSTOP or continued comes
from waitpid(), that a client waits at a sleeping pool from its listener, and a number of workers from
fapwsctl or a signal.
"""

from __future__ import annotations

from math import inf

from fapws.settings.model import Config, Pool

from . import actions, canary_rules, drain_rules, events, texts
from . import worker_states as states
from .children import Child
from .turn import Turn

LOOK_MIN = 0.1
LOOK_MAX = 5.0
"""Seconds between two looks at the scoreboard: a tenth of the shortest time limit, in these bounds."""
LOOK_COUNTS = 1.0
"""Seconds between two looks when requests or memory are limited."""
LOOK_HUNG = 0.5
"""Seconds between two looks while a worker hangs and is about to be killed."""
RSS_AFTER = 10.0
"""Seconds a worker serves before max_rss counts: an application that is larger from the start must
not be replaced without a pause."""
PING_PATIENCE = 1.0
"""Seconds at least that a worker has to answer a ping, however short the limit is."""
PAUSED = -1
"""Stands in place of a beat: a worker that a signal has stopped is revived by SIGCONT alone."""
DEAF = -2
"""Likewise: one that gives signs of life, but takes no client, is revived when it takes one."""
_KNUTH = 2654435761


# ---- Looking -------------------------------------------------------------------------------------


def look_interval(config: Config) -> float:
    """Seconds between two looks; ``inf``: nothing needs one."""
    interval = inf
    for pool in config.pools:
        if pool.max_requests or pool.max_rss:
            interval = min(interval, LOOK_COUNTS)
        idle_timeout = 0.0 if pool.min_workers else pool.idle_timeout
        for limit in (pool.request_timeout, pool.slow_request, pool.max_lifetime, idle_timeout):
            if limit:
                interval = min(interval, max(LOOK_MIN, min(LOOK_MAX, limit / 10)))
    return interval


def look_when_due(turn: Turn) -> None:
    """Orders a look when it is time."""
    others = drain_rules.look_interval(turn.state), canary_rules.look_interval(turn.state)
    interval = min(look_interval(turn.state.config), *others)
    if turn.children.any_state(states.HUNG):
        interval = min(interval, LOOK_HUNG)
    if turn.state.look_at <= turn.now:
        turn.order(actions.Look())
        turn.state = turn.state._replace(look_at=turn.now + interval)
    else:
        turn.state = turn.state._replace(look_at=min(turn.state.look_at, turn.now + interval))


def seen(turn: Turn, event: events.Seen) -> None:
    """From the scoreboard: does a worker hang, is it worn out, is its pool without clients?"""
    for vital in event.vitals:
        _notice_slow(turn, vital)
        child = turn.children.get(vital.worker)
        if child is None or child.state not in (states.SERVING, states.HUNG):
            continue
        pool = turn.pool_of(child)
        if vital.connections or vital.requests != child.requests:
            child = child._replace(active_at=turn.now, requests=vital.requests)
            turn.children.put(child)
        if child.state == states.HUNG:
            if _lives(child, vital):
                revive(turn, child)
        elif pool is not None:
            _watch(turn, child, vital, pool)
            _listen(turn, vital, pool)
            _weigh(turn, child.number, vital, pool)
    for pool in turn.state.config.pools:
        _maybe_sleep(turn, pool)
    drain_rules.seen(turn, event)
    canary_rules.seen(turn, event)


# ---- Slow requests -------------------------------------------------------------------------------


def _notice_slow(turn: Turn, vital: events.Vital) -> None:
    """A worker stamps its row when it gets work and with each response and piece of one: an old stamp with a
    request in hand means that the application has been busy with it ever since."""
    child = turn.children.get(vital.worker)
    pool = turn.pool(child.pool) if child is not None else None
    if child is None or pool is None:
        return
    if child.slow and vital.beat != child.slow:
        turn.order(actions.SlowOver(child, max(0, vital.beat - child.slow) / 1000))
        child = child._replace(slow=0)
        turn.children.put(child)
    if pool.slow_request and vital.busy and vital.silent >= pool.slow_request and not child.slow:
        child = child._replace(slow=vital.beat)
        turn.children.put(child)
        turn.order(actions.Slow(child, vital.silent))


# ---- Hanging -------------------------------------------------------------------------------------


def _watch(turn: Turn, child: Child, vital: events.Vital, pool: Pool) -> None:
    """Silence with requests in hand is a hang; without, it takes a ping to know."""
    limit = pool.request_timeout
    if not limit:
        return
    if vital.busy:
        if vital.silent >= limit:
            _found(turn, child._replace(pinged=0.0), texts.hung_in_request(vital.silent), vital.beat)
    elif vital.silent >= limit / 2:
        if not child.pinged or vital.beat != child.beat:
            turn.order(actions.SendPing(child.number))
            turn.children.put(child._replace(pinged=turn.now, beat=vital.beat))
        elif turn.now - child.pinged >= max(limit / 2, PING_PATIENCE):
            _found(turn, child, texts.hung_idle(vital.silent), vital.beat)


def _lives(child: Child, vital: events.Vital) -> bool:
    """Whether one that hung has given the sign that it did not give."""
    if child.beat == DEAF:
        return vital.taken != child.taken or not vital.waits
    return child.beat not in (PAUSED, vital.beat)


def _listen(turn: Turn, vital: events.Vital, pool: Pool) -> None:
    """A worker without a request in hand that lets clients wait has lost its listeners, or turns in vain."""
    child = turn.children.get(vital.worker)
    if child is None or child.state != states.SERVING or not pool.request_timeout:
        return
    if not vital.waits or vital.busy or vital.taken != child.taken:
        turn.children.put(child._replace(taken=vital.taken, deaf_since=0.0))
    elif not child.deaf_since:
        turn.children.put(child._replace(deaf_since=turn.now))
    elif turn.now - child.deaf_since >= pool.request_timeout:
        _found(turn, child._replace(pinged=0.0), texts.deaf(turn.now - child.deaf_since), DEAF)


def _found(turn: Turn, child: Child, reason: str, beat: int) -> None:
    cell = states.TABLE[child.state][states.STUCK]
    if cell.state == child.state:
        return
    failures = 0 if turn.now - child.since >= states.HEALTHY_AFTER else child.failures
    child = child._replace(hung=reason, beat=beat, failures=failures)
    turn.order(actions.Hung(child, stopped=beat == PAUSED))
    turn.enter(child, cell.state, turn.now + states.HUNG_GRACE)
    turn.state = turn.state._replace(look_at=min(turn.state.look_at, turn.now + LOOK_HUNG))


def revive(turn: Turn, child: Child) -> None:
    """The worker has given a sign of life. Unless it was stopped, it is replaced nevertheless.

    What it hung in, or a wait in which it heard nobody, may have been cut short by the very signal that asked
    for its stack.
    """
    cell = states.TABLE[child.state][states.ALIVE]
    if cell.state != child.state:
        turn.order(actions.Spared(child))
        worn_out = child.worn_out if child.beat == PAUSED else texts.HUNG_ONCE
        turn.enter(child._replace(hung="", pinged=0.0, deaf_since=0.0, worn_out=worn_out), cell.state, inf)


def paused(turn: Turn, event: events.WorkerPaused) -> None:
    """A stopped worker serves no client, so it counts as hung; the grace is for a shell with job control."""
    child = turn.children.get(event.worker)
    if child is not None:
        _found(turn, child, texts.stopped_by(event.signal), PAUSED)


def continued(turn: Turn, event: events.WorkerContinued) -> None:
    """The worker goes on: it serves again, if stopping was all that was wrong."""
    child = turn.children.get(event.worker)
    if child is not None and child.state == states.HUNG and child.beat == PAUSED:
        revive(turn, child)


# ---- Recycling -----------------------------------------------------------------------------------


def _weigh(turn: Turn, number: int, vital: events.Vital, pool: Pool) -> None:
    child = turn.children.get(number)
    if child is None or child.state != states.SERVING or child.worn_out:
        return
    most = pool.max_requests + _jitter(number, pool.max_requests_jitter)
    if pool.max_requests and vital.requests >= most:
        reason = f"{texts.plural(vital.requests, 'request')} (max_requests)"
    elif pool.max_rss and vital.rss > pool.max_rss and turn.now - child.since >= RSS_AFTER:
        reason = f"{vital.rss / 2**20:.1f} MB (max_rss)"
    elif pool.max_lifetime and turn.now - child.born >= pool.max_lifetime:
        reason = f"{turn.now - child.born:.0f} s (max_lifetime)"
    else:
        return
    turn.children.put(child._replace(worn_out=reason))


def _jitter(number: int, most: int) -> int:
    """From 0 to ``most``, spread evenly over the workers' numbers."""
    return number * _KNUTH % 2**32 * (most + 1) // 2**32


def recycle(turn: Turn) -> None:
    """Retires each worker whose replacement serves; then starts the replacement of the next worn-out one."""
    under_way = False
    for child in turn.children:
        replaced = turn.children.get(child.replaces)
        if not child.replaces or not child.active or replaced is None:
            continue
        under_way = True
        if child.state == states.SERVING and replaced.active:
            turn.retire(replaced)
    if under_way or turn.state.reload is not None:
        return
    for child in turn.children:
        pool = turn.pool(child.pool)
        if not child.worn_out or child.state != states.SERVING or pool is None or not turn.room(pool.name):
            continue
        if all(other.state not in states.COMING for other in turn.children.of_pool(pool.name)):
            turn.order(actions.Recycling(child))
            turn.start(pool, child.slot, child.generation, replaces=child.number)
            return


# ---- Sleeping ------------------------------------------------------------------------------------


def _maybe_sleep(turn: Turn, pool: Pool) -> None:
    """A pool without a client for idle_timeout lets its workers go."""
    if pool.min_workers or turn.state.reload is not None or pool.name in turn.state.asleep:
        return
    mine = [child for child in turn.children.of_pool(pool.name) if child.active]
    if not mine or any(c.state != states.SERVING or turn.now - c.active_at < pool.idle_timeout for c in mine):
        return
    turn.state = turn.state._replace(asleep=turn.state.asleep | {pool.name})
    for child in mine:
        turn.retire(child)


def knocked(turn: Turn, event: events.Knocked) -> None:
    """A client waits at a sleeping pool: its workers are started again."""
    turn.state = turn.state._replace(asleep=turn.state.asleep - {event.pool})


def watch_sleepers(turn: Turn, before: frozenset[str]) -> None:
    """Tells whose listeners the master has to watch, if that has changed in this turn."""
    for name in sorted(before - turn.state.asleep):
        turn.order(actions.UnwatchPool(name))
    for name in sorted(turn.state.asleep - before):
        pool = turn.pool(name)
        assert pool is not None
        turn.order(actions.WatchPool(pool))


# ---- Scaling -------------------------------------------------------------------------------------


def scale(turn: Turn, event: events.ScaleAsked) -> None:
    """The number holds in the configuration in force, and in one that a reload is about to bring.

    An application that was told to be the only one of its kind (wsgi.multiprocess) may rely on that, so
    its worker is replaced once it gets company.
    """
    state = turn.state
    reload = state.reload
    if reload is not None:
        reload = reload._replace(config=_scaled(reload.config, event))
    turn.state = state._replace(
        config=_scaled(state.config, event),
        reload=reload,
        asleep=state.asleep - {event.pool},
        scaling=state.scaling | {event.pool},
    )
    for child in turn.children.of_pool(event.pool):
        if child.alone and child.active and event.workers > 1:
            turn.children.put(child._replace(worn_out=texts.NOT_ALONE))


def _scaled(config: Config, event: events.ScaleAsked) -> Config:
    pools = (p._replace(workers=event.workers) if p.name == event.pool else p for p in config.pools)
    return config._replace(pools=tuple(pools))


def shrink(turn: Turn) -> None:
    """Workers in slots that a smaller number has removed leave."""
    for child in turn.children:
        ours = child.generation == turn.state.generation
        if ours and child.active and not turn.wanted(child):
            turn.retire(child)


def report_scaling(turn: Turn) -> None:
    """Tells of each pool that has got its number, or cannot."""
    for name in sorted(turn.state.scaling):
        pool = turn.pool(name)
        mine = turn.children.of_pool(name)
        workers = 0 if pool is None else turn.target(pool)
        failing = next((child for child in mine if child.state == states.BACKING_OFF), None)
        if pool is None:
            done, ok, text = True, False, f"pool {name} was removed"
        elif failing is not None:
            done, ok, text = True, False, texts.scale_failed(failing)
        else:
            done = len(mine) == workers and all(child.state == states.SERVING for child in mine)
            ok, text = True, f"pool {name} has {texts.plural(workers, 'worker')}"
        if done:
            turn.state = turn.state._replace(scaling=turn.state.scaling - {name})
            turn.order(actions.Scaled(name, ok, text))
