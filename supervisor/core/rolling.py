"""The rules of a reload: check, canary, roll, or undo. Pure; functions over a Turn.

A canary in every pool comes first. Once all of them have proved themselves (canary_rules.py), the new
configuration is in force and the rest is rolled over: replacement ready, then its predecessor drains, one
at a time. A *frugal* pool has no room for a process more than its workers: there the canary leaves again
once it has proved itself, and then each old worker drains before its successor starts, while the sockets
stay open. The successor of a frugal pool is not ordered here: Turn.fill() starts a worker in each slot that
is empty.
"""

from __future__ import annotations

from math import inf

from fapws.lean import ModuleType
from fapws.settings.model import Config, Pool

from . import actions, canary_rules, outlook, texts
from . import worker_states as states
from .children import Child
from .turn import CANARY, CHECKING, FRUGAL, ROLLING, RUNNING, UNDOING, WATCHING, Reload, Turn, Zygote

ROLL_ATTEMPTS = 3
"""Failures in a row of one replacement, after its canary had been good, that end a reload."""
STORM = 1.5
"""Seconds from the beginning of one reload to the next, if signals ask for them."""


def go_on(turn: Turn) -> None:
    """Does what a reload that is under way allows by now, or begins the queued one."""
    reload = turn.state.reload
    if reload is None:
        if turn.state.queued and turn.state.announced and turn.state.due <= turn.now:
            _begin(turn)
    elif reload.stage in (CANARY, WATCHING):
        _prove(turn, reload)
    elif reload.stage == ROLLING:
        _roll(turn)
    elif reload.stage == UNDOING:
        _retire_canaries(turn, reload.generation)
        if not any(c.generation == reload.generation for c in turn.children):
            end(turn, False, reload.reason)


def _prove(turn: Turn, reload: Reload) -> None:
    """Goes on to the next canary, or to the others once all are good enough; or back."""
    verdict = canary_rules.judge(turn)
    lost = _rollback().lost(turn, reload) if reload.back else None
    if verdict is not None:
        undo(turn, verdict.canary.pool, verdict.reason)
    elif lost is not None:
        undo(turn, lost.pool.name, texts.lost_before(lost))
    elif reload.stage == WATCHING or turn.start_canaries(reload.config, reload.generation, reload.only):
        reload = turn.reload()
        if canary_rules.all_proved(turn.state):
            _commit(turn, reload)
            _roll(turn)
        else:
            turn.state = turn.state._replace(reload=reload._replace(stage=WATCHING))


def is_canary(turn: Turn, child: Child) -> bool:
    """Whether the worker is a canary of the reload under way, which fails if the worker does."""
    reload = turn.state.reload
    alone = reload is not None and reload.stage in (CANARY, WATCHING, UNDOING)
    return alone and reload is not None and child.generation == reload.generation


def undo(turn: Turn, pool: str, reason: str) -> None:
    """The pool's canary failed: all of them are retired, and when they have left, the reload has failed."""
    reload = turn.reload()
    if reload.stage != UNDOING:
        failed = reload._replace(stage=UNDOING, reason=reason, failed=pool)
        turn.state = turn.state._replace(reload=failed)
        _retire_canaries(turn, reload.generation)


def _retire_canaries(turn: Turn, generation: int) -> None:
    """But one that hangs: its stack is on the way, and then it is killed."""
    for child in turn.children:
        if child.generation == generation and child.state != states.HUNG:
            turn.retire(child)


def end(turn: Turn, ok: bool, text: str) -> None:
    """The reload has ended; the queued one begins."""
    reload = turn.reload()
    pools = frozenset((reload.failed,)) if reload.failed else reload.only
    if reload.back and reload.stage != ROLLING:
        _rollback().give_back(turn, reload)
    turn.state = turn.state._replace(reload=None)
    turn.order(actions.ReloadDone(ok, text, turn.state.config, pools, bool(reload.back)))
    if turn.state.queued and turn.state.phase == RUNNING and turn.state.due <= turn.now:
        _begin(turn)


def ask(turn: Turn, only: str, due: float) -> None:
    """Queues a reload of one pool (empty: of all); what is queued already comes with it."""
    state = turn.state
    pools = frozenset((only,)) if only else frozenset()
    if state.queued:
        due = min(due, state.due)
        pools = pools | state.queued_for if pools and state.queued_for else frozenset()
    turn.state = state._replace(queued=True, queued_for=pools, due=due)


def limited(config: Config, fresh: Config, only: frozenset[str]) -> Config:
    """The configuration in force, with what a fresh one says of these pools alone; empty: the fresh one."""
    if not only:
        return fresh
    renewed = {pool.name: pool for pool in fresh.pools if pool.name in only}
    return config._replace(pools=tuple(renewed.get(pool.name, pool) for pool in config.pools))


def _begin(turn: Turn) -> None:
    only = turn.state.queued_for
    turn.state = turn.state._replace(queued=False, queued_for=frozenset())
    begin(turn, only)


def begin(
    turn: Turn, only: frozenset[str], back: tuple[Zygote, ...] = (), config: Config | None = None
) -> None:
    """A reload of these pools; empty: of all. ``back``, ``config``: what a rollback goes back to."""
    generation = turn.state.latest + 1
    turn.state = turn.state._replace(
        latest=generation,
        quiet_from=turn.now + STORM,
        reload=Reload(generation, CHECKING, turn.now, turn.state.config, only=only, back=back),
    )
    turn.order(actions.Prepare(config))


def _rollback() -> ModuleType:
    """The rules about going back, which without ``preload`` nobody imports."""
    from . import rollback_rules

    return rollback_rules


def _commit(turn: Turn, reload: Reload) -> None:
    """Every canary serves: puts the new configuration in force, and retires old workers that do not serve."""
    former = turn.state.generation
    awake = reload.only or turn.state.asleep
    turn.state = turn.state._replace(
        config=reload.config, generation=reload.generation, asleep=turn.state.asleep - awake, look_at=inf
    )
    for child in turn.children:
        if reload.only and child.pool not in reload.only and child.generation == former:
            turn.children.put(child._replace(generation=reload.generation))
    zygotes = (
        z._replace(generation=reload.generation)
        if reload.only and z.pool.name not in reload.only and z.generation == former
        else z
        for z in turn.state.zygotes
    )
    turn.state = turn.state._replace(zygotes=tuple(zygotes))
    if turn.state.zygotes:
        _rollback().keep(turn, reload, former)
    for child in turn.children:
        pool = turn.pool(child.pool)
        has_proved_itself = not turn.leaving(child) and child.state == states.SERVING
        if has_proved_itself and pool is not None and pool.reload == FRUGAL and _older(turn, pool):
            turn.retire(child)
    turn.state = turn.state._replace(reload=reload._replace(stage=ROLLING))
    for child in turn.children:
        if turn.leaving(child) and child.state != states.SERVING:
            turn.retire(child)
    turn.fill()


def _older(turn: Turn, pool: Pool) -> bool:
    """Whether an old worker serves in the pool; without one its canary may stay."""
    return any(turn.leaving(c) and c.state == states.SERVING for c in turn.children.of_pool(pool.name))


def _roll(turn: Turn) -> None:
    """Retires every old worker whose successor serves; then starts the next one, if none is starting."""
    for child in turn.children:
        if turn.leaving(child) and child.active and _superseded(turn, child):
            turn.retire(child)
    pending = _pending_replacement(turn)
    if pending is not None:
        if pending.state == states.BACKING_OFF and pending.failures >= ROLL_ATTEMPTS:
            _give_up(turn, pending)
        return
    if any(turn.leaving(child) and not child.active for child in turn.children):
        return
    _roll_next(turn)


def _roll_next(turn: Turn) -> None:
    old = next((child for child in turn.children if turn.leaving(child)), None)
    if old is not None:
        pool = turn.pool(old.pool)
        if pool is not None and pool.reload == FRUGAL:
            if all(child.state != states.DRAINING for child in turn.children.of_pool(pool.name)):
                turn.retire(old)
        elif pool is not None and turn.room(old.pool):
            turn.start(pool, old.slot, turn.state.generation)
    elif not turn.children.any_state(*states.COMING):
        reload = turn.reload()
        seconds = turn.now - reload.began
        besides = [*canary_rules.untried(reload), *_lacking(turn)]
        end(turn, True, texts.reload_success(reload, seconds, besides))


def _lacking(turn: Turn) -> list[str]:
    """Words on each pool in which not all workers serve: one that has replaced nobody is not waited for."""
    told = []
    for pool in turn.state.config.pools:
        mine = turn.children.of_pool(pool.name)
        serve = sum(child.state == states.SERVING and not turn.leaving(child) for child in mine)
        if serve < turn.target(pool):
            told.append(outlook.pool_words(pool.name, serve, pool.workers))
    return told


def _pending_replacement(turn: Turn) -> Child | None:
    """A new worker that does not serve yet where the old one still does, or its pool's others do."""
    places = {(c.pool, c.slot) for c in turn.children if turn.leaving(c) and c.active}
    pools = {pool for pool, _ in places}
    for child in turn.children:
        if turn.leaving(child) or not child.active or child.state == states.SERVING:
            continue
        pool = turn.pool(child.pool)
        frugal = pool is not None and pool.reload == FRUGAL
        if (child.pool, child.slot) in places or (frugal and child.pool in pools):
            return child
    return None


def _give_up(turn: Turn, replacement: Child) -> None:
    if any(turn.leaving(c) and c.active for c in turn.children.in_slot(replacement.pool, replacement.slot)):
        turn.enter(replacement, states.GONE, inf)
    left = sum(turn.leaving(child) and child.active for child in turn.children)
    end(turn, False, texts.reload_incomplete(replacement, left))


def _superseded(turn: Turn, child: Child) -> bool:
    """Whether the new generation serves in an old worker's place, or its place is no more."""
    pool = turn.pool(child.pool)
    if pool is None:
        return True
    if child.slot < turn.target(pool):
        place = turn.children.in_slot(child.pool, child.slot)
    else:
        place = turn.children.of_pool(child.pool)
    return any(not turn.leaving(other) and other.state == states.SERVING for other in place)
