"""Sentences about workers, for the log and for people. Pure."""

from __future__ import annotations

from math import inf

from fapws.lean import TYPE_CHECKING, signal

from . import worker_states as states
from .children import Child

if TYPE_CHECKING:
    from .turn import Reload, Share, Zygote


def plural(count: int, noun: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def after(words: str, reason: str) -> str:
    """``words: reason``; a reason of several lines (a traceback) begins on a line of its own."""
    reason = reason.rstrip("\n")
    return f"{words}:\n{reason}" if "\n" in reason else f"{words}: {reason}"


_HEADS = ("Traceback (most recent", "Current thread", "Thread 0x", "Stack (most recent")
"""What a traceback and a stack begin with, which tells nothing."""
_FRAME = '  File "'
HEADLINE_MAX = 400
"""Characters."""


def headline(text: str) -> str:
    """One line that says most of several: the first, unless it only begins a traceback or a stack, and what
    stands behind the last frame, the exception or why the stack was asked for."""
    lines = text.rstrip("\n").split("\n")
    last = max((at for at, line in enumerate(lines) if line.startswith(_FRAME)), default=len(lines))
    behind = [line for line in lines[last + 1 :] if line.strip() and not line.startswith((" ", "("))]
    first = "" if lines[0].startswith((" ", *_HEADS)) else lines[0]
    detail = "" if not behind or behind[0] in first else behind[0]
    return (": ".join(filter(None, (first.rstrip(":"), detail))) or lines[0])[:HEADLINE_MAX]


def below_headline(text: str) -> str:
    """What is left to be told of it: nothing of one line, and all of a traceback."""
    first, _, others = text.partition("\n")
    return text if others and first.startswith((" ", *_HEADS)) else others


def signal_name(number: int) -> str:
    """As ``signal.Signals(number).name``; a number without a name is ``signal 40``."""
    for known in sorted(vars(signal)):
        if known.startswith("SIG") and known[3].isalpha() and vars(signal)[known] == number:
            return known
    return f"signal {number}"


UNKNOWN = 256
"""The status of a process that has ended unseen: its parent, a zygote, was dead or stopped."""


def ending(status: int) -> str:
    """How a process ended; ``status`` as ``os.waitstatus_to_exitcode`` gives it, or UNKNOWN."""
    if status == UNKNOWN:
        return "has ended, and nobody has seen how"
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by {signal_name(-status)}"


def boot_failure(child: Child, status: int, age: float) -> str:
    """Why a worker never became ready: its own traceback if it sent one; its stack if it took too long."""
    return _never_ready(f"worker {child.name}", child.reason, child.deadline_missed, status, age)


def _never_ready(name: str, reason: str, late: bool, status: int, age: float) -> str:
    reason = reason.rstrip("\n")
    if late:
        told = f"{name} was not ready after {age:.0f} s (boot_timeout) and was killed"
        return f"{reason}\n{told}" if reason else told
    return reason or f"{name} {ending(status)} before it was ready"


def no_birth(seconds: float) -> str:
    """A zygote that does not fork."""
    return f"it was to fork a worker, and has not within {seconds:.0f} s"


def zygote_failure(zygote: Zygote, status: int, age: float) -> str:
    """As boot_failure(), for a zygote that has become of no use before it could fork."""
    late = zygote.state in ("doomed", "killed") and not zygote.hung
    name = f"the preloading process of pool {zygote.pool.name}"
    return _never_ready(name, zygote.reason, late, status, age)


def zygote_death(zygote: Zygote, pid: int, status: int, age: float) -> str:
    """The line for a zygote that ended without being told to."""
    name = f"preload {zygote.pool.name}"
    if zygote.state in ("booting", "doomed") or (zygote.state == "killed" and not zygote.hung):
        return after(name, zygote_failure(zygote, status, age))
    why = f": {zygote.hung}" if zygote.hung else f" after {age:.1f} s"
    return f"{name} (pid {pid}) {ending(status)}{why}; {_without(zygote)}"


def _without(zygote: Zygote) -> str:
    """What follows from its death."""
    if zygote.returned:
        return "its workers serve on; the next one imports the files as they are now, not those gone back to"
    if zygote.keep_until:
        return "what it kept cannot be gone back to any more"
    return "its workers serve on"


def zygote_hanging(zygote: Zygote, pid: int, age: float, grace: float) -> str:
    """The line before its stack."""
    why = zygote.hung or f"not ready after {age:.1f} s (boot_timeout)"
    return f"preload {zygote.pool.name} (pid {pid}): {why}; it is killed in {grace:.0f} s"


def start_failure(child: Child, reason: str) -> str:
    """Why the first start failed."""
    return f"{reason}\nfapws: pool {child.pool} cannot start, so nothing was started"


def reload_success(reload: Reload, seconds: float, besides: list[str]) -> str:
    """What a reload did. besides: words on canaries that were not compared, and on pools in which not all
    workers serve."""
    text = f"generation {reload.generation}, {plural(reload.replaced, 'worker')} replaced in {seconds:.1f} s"
    back = (f"pool {zygote.pool.name} is as in generation {zygote.generation}" for zygote in reload.back)
    return "; ".join((text, *back, *besides))


def nothing_to_go_back_to(pool: str, keeps: bool) -> str:
    """``keeps``: whether a reload would leave something."""
    whose = f"pool {pool}" if pool else "any pool"
    kept = "no reload has replaced what ran with preload and rollback_window, within that time"
    why = kept if keeps else "that takes preload and rollback_window"
    return f"nothing is kept that {whose} could go back to: {why}"


def lost_before(zygote: Zygote) -> str:
    """Why a rollback goes no further."""
    kept = f"generation {zygote.generation} of pool {zygote.pool.name}"
    return f"the process that kept {kept} is of no more use"


def canary_death(child: Child, status: int, age: float, requests: int) -> str:
    """How the first worker of a new generation ended after it had served."""
    how = f"{ending(status)}: {child.hung}" if child.hung else f"{ending(status)} after {age:.1f} s"
    return f"{how}, {plural(requests, 'request')} served"


def worse(canary: Share, before: Share | None) -> str:
    """What a canary has responded, and what the old workers."""
    text = f"{canary.errors} of {canary.responses} answers were 5xx"
    return f"{text}, before {before.errors} of {before.responses}" if before else text


def not_compared(canary: Share, enough: int) -> str:
    """A canary was followed without a comparison: for too few responses, or the old workers count none."""
    only = " only" if canary.responses < enough else ""
    return f"{plural(canary.responses, 'answer')}{only}, nothing was compared"


def unchanged(names: list[str]) -> str:
    """What a reload cannot change; follows the sentence about its success."""
    return f"; not changed, because that takes a restart: {', '.join(names)}" if names else ""


def doubts(by_pool: dict[str, str]) -> list[str]:
    """A line each on what the workers of pools have found doubtful before they came to serve."""
    return [f"pool {pool}: {line}" for pool, lines in by_pool.items() for line in lines.splitlines()]


OLD_SERVE_ON = "the old workers serve on"
"""What a reload that has failed means for clients."""


def reload_incomplete(child: Child, left: int) -> str:
    """A roll that was given up: some workers of the old generation go on serving."""
    workers = "1 old worker goes" if left == 1 else f"{left} old workers go"
    text = f"incomplete, {workers} on serving: the replacement for {child.name} fails\n{child.reason}"
    return text.rstrip()


def left_by(pid: int, path: str) -> str:
    """A pidfile that a master had no time to remove, perhaps before the machine started anew."""
    how = "killed (kill -9, or by the system for lack of memory), ended by a fault, or the machine went down"
    return f"the last master (pid {pid}, by its pidfile {path}) ended without stopping: it was {how}"


def serving(
    pools: list[tuple[str, list[str]]],
    pid: int,
    serve: int,
    workers: int,
    automatic: list[tuple[str, str]],
) -> str:
    """The one line of a start: which pool on which addresses. serve: how many of the workers do.
    automatic: pools whose number of workers follows from something, and that."""
    places = "; ".join(f"{name} on {', '.join(urls)}" for name, urls in pools)
    why = "".join(f"; workers = auto in pool {name}: {reason}" for name, reason in automatic)
    told = plural(workers, "worker")
    told = told if serve == workers else f"{serve} of {told}"
    return f"serving {places} (pid {pid}, {told}{why})"


def death(child: Child, pid: int, status: int, age: float, requests: int) -> str:
    """The line for a worker that ended without being told to."""
    if not pid:
        return f"worker {child.name} could not be started"
    served = plural(requests, "request")
    if child.hung:
        return f"worker {child.name} (pid {pid}) {ending(status)}: {child.hung}, {served} served"
    if child.state == states.SERVING:
        return f"worker {child.name} (pid {pid}) {ending(status)} after {age:.1f} s, {served} served"
    if child.deadline_missed:
        return f"worker {child.name} (pid {pid}) was killed: not ready in {age:.1f} s (boot_timeout)"
    return f"worker {child.name} (pid {pid}) {ending(status)} before it was ready"


def death_draining(child: Child, pid: int, status: int) -> str:
    """The line for a worker that was to finish what it had in hand, and did not."""
    over = "when its time to drain (drain_timeout, or a fast stop) was over"
    when = over if child.deadline == inf else "while it drained"
    return f"worker {child.name} (pid {pid}) {ending(status)} {when}"


def answered(line: str, status: str, ms: int, goes_on: bool) -> str:
    """A request that a worker has responded to."""
    return f"{line}: {status}, {'not to its end' if goes_on else f'{ms} ms'}"


def last_requests(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Lines that follow the line on a death. Where nothing else does, their blanks keep them apart from lines
    of the master's own."""
    if not lines:
        return ()
    return ("  responses before that, the latest at the end:", *(f"  {line}" for line in lines))


def hung_in_request(seconds: float) -> str:
    """A request takes longer than it may."""
    return f"no sign of life for {seconds:.1f} s in a request (request_timeout)"


def hung_idle(seconds: float) -> str:
    """It does not even answer the master."""
    return f"no sign of life for {seconds:.1f} s, though it was asked (request_timeout)"


def deaf(seconds: float) -> str:
    """It answers the master, but no client."""
    return f"no client taken for {seconds:.1f} s, though one waits (request_timeout)"


def stopped_by(name: str) -> str:
    """The process was stopped by a signal."""
    return f"stopped by {name}"


def hanging(child: Child, pid: int, age: float, request: str, stopped: bool) -> str:
    """The line for a worker that is about to be killed."""
    inside = f", in hand: {request}" if request else ""
    follows = "killed unless it goes on" if stopped else "its stack follows, then it is killed"
    return f"worker {child.name} (pid {pid}, age {age:.1f} s) hangs: {child.hung}{inside}; {follows}"


def slow(child: Child, pid: int, request: str, seconds: float, stack: str) -> str:
    """The line for a request that takes long; ``stack``: why there is none, or empty."""
    follows = f"no stack: {stack}" if stack else "its stack follows"
    what = f"has been busy for {seconds:.1f} s (slow_request), in hand: {request}"
    return f"worker {child.name} (pid {pid}) {what}; {follows}"


def slow_over(name: str, pid: int, request: str, what: str) -> str:
    """The line for its end."""
    return f"worker {name} (pid {pid}) is over it: {request}: {what}"


def spared(child: Child, pid: int) -> str:
    """It goes on after all."""
    return f"worker {child.name} (pid {pid}) goes on, so it is not killed"


def leaving(seconds: float) -> str:
    """The service stops, but not at once."""
    return f"not ready any more, stopping in {seconds:g} s (stop_delay)"


NOT_ALONE = "its pool has got a second worker (wsgi.multiprocess)"
"""Why the only worker of a pool is replaced when it is so no more."""
HUNG_ONCE = "it hung"
"""Why a worker is replaced that hung and then went on."""


def recycling(child: Child, pid: int) -> str:
    """Why a worker is replaced."""
    return f"worker {child.name} (pid {pid}) is replaced after {child.worn_out}"


def scale_failed(child: Child) -> str:
    """Why a pool does not get its number of workers."""
    return f"worker {child.name} cannot start\n{child.reason}".rstrip()


def refill(delay: float) -> str:
    """What follows a death."""
    if delay == inf:
        return "the reload goes back"
    return f"the next one starts in {delay:.1f} s" if delay else "the next one starts at once"


def boot_reason(child: Child) -> str:
    """Why it could not boot: whole the first time, then its last line, to spare the log. Of one that took too
    long the line on its death says all but the stack."""
    reason = child.reason.rstrip("\n")
    if child.deadline_missed:
        reason = reason.rpartition("\n")[0] if child.failures <= 1 else ""
    if not reason:
        return ""
    return "\n" + (reason if child.failures <= 1 else reason.rsplit("\n", 1)[-1])
