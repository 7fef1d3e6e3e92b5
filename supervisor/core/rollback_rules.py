"""The rules of a rollback: a reload whose workers come from the memory of an earlier generation. Pure.

A reload that is in force keeps the zygote that it has replaced for that one's ``rollback_window``, of each
pool the latest alone. A rollback is a reload to which it belongs from the first canary on, so nothing is
imported. If the rollback fails, the zygote has its own generation back, and is kept as before. If not, the
one that it has replaced is kept in its turn: a second rollback goes forward again.
"""

from __future__ import annotations

from fapws.lean import Callable
from fapws.settings.model import Config

from . import drain_rules, events, rolling, texts, zygote_rules
from .turn import RUNNING, Reload, State, Turn, Zygote


def previous(state: State, pool: str = "") -> tuple[Zygote, ...]:
    """What a pool can go back to; empty: what all can."""
    return tuple(
        zygote
        for zygote in state.zygotes
        if zygote.keep_until and zygote.state == zygote_rules.READY and pool in ("", zygote.pool.name)
    )


def why_not(state: State, pool: str = "") -> str:
    """Why the pool cannot go back now, or none of all; empty: it can."""
    if state.phase != RUNNING or not state.announced or drain_rules.leaves(state):
        return "the server is starting or stopping"
    if state.reload is not None or state.queued:
        return "a reload is under way; ask again when it has ended"
    if previous(state, pool):
        return ""
    concerned = [one for one in state.config.pools if pool in ("", one.name)]
    keeps = any(one.preload and one.rollback_window for one in concerned)
    return texts.nothing_to_go_back_to(pool, keeps)


def on_asked(turn: Turn, event: events.RollbackAsked) -> None:
    """Begins at once or not at all: whoever asks has seen what the generation before is."""
    if not why_not(turn.state, event.pool):
        back = previous(turn.state, event.pool)
        names = frozenset(zygote.pool.name for zygote in back)
        rolling.begin(turn, names, back, _as_before(turn.state.config, back))


def on_prepared(turn: Turn, config: Config) -> str:
    """The zygotes belong to the reload from now on; why not, if one of them is no more."""
    reload = turn.reload()
    for before in reload.back:
        if before.number not in {zygote.number for zygote in previous(turn.state)}:
            return texts.lost_before(before)
    pools = {pool.name: pool for pool in config.pools}
    ours = {zygote.number for zygote in reload.back}

    def tried(zygote: Zygote) -> Zygote:
        if zygote.number not in ours:
            return zygote
        return zygote._replace(generation=reload.generation, pool=pools[zygote.pool.name])

    _replace(turn, tried)
    return ""


def lost(turn: Turn, reload: Reload) -> Zygote | None:
    """One that cannot fork any more, before the rollback is in force. Another would import other files."""
    able = {zygote.number for zygote in turn.state.zygotes if zygote.state == zygote_rules.READY}
    return next((zygote for zygote in reload.back if zygote.number not in able), None)


def give_back(turn: Turn, reload: Reload) -> None:
    """The rollback has failed: each zygote is what it was, if it is still there."""
    was = {zygote.number: zygote for zygote in reload.back}

    def restored(zygote: Zygote) -> Zygote:
        former = was.get(zygote.number, zygote)
        return zygote._replace(generation=former.generation, pool=former.pool)

    _replace(turn, restored)


def keep(turn: Turn, reload: Reload, former: int) -> None:
    """A reload is in force: what it has replaced is kept, instead of what was before that.

    ``former``: the generation that was in force.
    """

    back = bool(reload.back)

    def kept(zygote: Zygote) -> Zygote:
        pool = zygote.pool
        if reload.only and pool.name not in reload.only:
            return zygote
        window = pool.rollback_window if zygote.generation == former and not zygote.carried else 0.0
        able = zygote.state == zygote_rules.READY and turn.pool(pool.name) is not None
        until = turn.now + window if window and able else 0.0
        return zygote._replace(keep_until=until, returned=zygote.generation == reload.generation and back)

    _replace(turn, kept)


def _as_before(config: Config, back: tuple[Zygote, ...]) -> Config:
    """Their pools were as they were, but where clients come in; and nobody looks whether files have changed,
    because they have."""
    former = {zygote.pool.name: zygote.pool for zygote in back}
    pools = (
        former[pool.name]._replace(listen=pool.listen, autoreload=False) if pool.name in former else pool
        for pool in config.pools
    )
    return config._replace(pools=tuple(pools))


def _replace(turn: Turn, change: Callable[[Zygote], Zygote]) -> None:
    turn.state = turn.state._replace(zygotes=tuple(map(change, turn.state.zygotes)))
