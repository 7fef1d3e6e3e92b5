"""fapwsctl profile: where a worker spends its time, or what its memory grows by."""

from __future__ import annotations

from fapws.cli.arguments import Options, usage
from fapws.cli.find_server import MARGIN, Result, ask, learn, running_control
from fapws.cli.stack import chosen
from fapws.lean import Any, NamedTuple
from fapws.messages import PROFILE_SECONDS_MAX
from fapws.supervisor.errors import DONE, FAILED

SECONDS = 10.0
_HOTTEST = 10
_COUNT_DIGITS = 12
"""A number with more of them is none of ours."""
_WAITING = "(waiting for requests)"


class Found(NamedTuple):
    """What a worker has answered."""

    figures: list[float]
    """Of its first line."""
    lines: list[tuple[str, int, int]]
    """Text and one or two numbers."""


def profile(options: Options) -> Result:
    """Asks one worker, and waits."""
    which, *more = options.arguments
    seconds = _seconds(more[0]) if more else SECONDS
    control = running_control(options.file, options.command)
    workers = chosen(learn(control, "status", MARGIN)["workers"], which)
    if len(workers) > 1:
        names = ", ".join(f"{worker['pool']}/{worker['slot']}" for worker in workers)
        return Result(FAILED, f"fapws: one worker at a time, please: {names}")
    wait = options.seconds or seconds + 2 * MARGIN
    pid = workers[0]["pid"]
    reply = ask(control, "profile", wait, pid=pid, length=seconds, memory=options.memory)
    text = reply.get("text", "")
    if not reply["ok"] or text.startswith("!"):
        why = text[1:].split("\n")[0].strip() if reply["ok"] else reply["error"]
        return Result(FAILED, f"fapws: {which} was not profiled: {why}")
    found = read(text, 2 if options.memory else 1)
    return _memory(found) if options.memory else _time(found)


def read(text: str, numbers: int) -> Found:
    """What is understood of an answer: a worker may send anything. ``numbers``: how many end a line."""
    first, *others = text.rstrip("\n").split("\n")
    words = first[1:].split()
    figures = [float(word) for word in words if word.replace(".", "", 1).isdigit()] + [0.0] * 3
    lines = []
    for line in others:
        label, *counts = line.rsplit(" ", numbers)
        good = all(count.lstrip("-").isdigit() and len(count) <= _COUNT_DIGITS for count in counts)
        if label and len(counts) == numbers and good:
            lines.append((label, int(counts[0]), int(counts[-1])))
    return Found(figures[:3], lines)


def hottest(lines: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The frames in which, and below which, the most looks were: frame, itself, with what it called."""
    own: dict[str, int] = {}
    whole: dict[str, int] = {}
    for stack, count, _ in lines:
        frames = stack.split(";")[1:]
        if not frames or frames == [_WAITING]:
            continue
        own[frames[-1]] = own.get(frames[-1], 0) + count
        for frame in set(frames):
            whole[frame] = whole.get(frame, 0) + count
    order = sorted(whole, key=lambda frame: (-own.get(frame, 0), -whole[frame]))
    return [(frame, own.get(frame, 0), whole[frame]) for frame in order[:_HOTTEST]]


def _time(found: Found) -> Result:
    looks, idle, seconds = found.figures
    looks = max(looks, 1)
    rows = hottest(found.lines)
    table = [
        f"{looks:.0f} looks in {seconds:g} s, {100 * idle / looks:.0f} % of them while no request was there"
    ]
    table.append("  self   total  frame")
    table += [f"{100 * own / looks:5.1f}%  {100 * all_ / looks:5.1f}%  {frame}" for frame, own, all_ in rows]
    stacks = [{"stack": stack, "count": count} for stack, count, _ in found.lines]
    frames = [{"frame": frame, "self": own, "total": all_} for frame, own, all_ in rows]
    values: dict[str, Any] = {"looks": looks, "idle": idle, "seconds": seconds}
    text = "\n".join(f"{stack} {count}" for stack, count, _ in found.lines)
    return Result(DONE, text, {**values, "collapsed": stacks, "hottest": frames}, "\n".join(table))


def _memory(found: Found) -> Result:
    grown, places, seconds = found.figures
    rows = [f"{size / 1024:11.1f} {count:9}  {place}" for place, size, count in found.lines]
    head = f"{grown / 1024:.1f} KB more after {seconds:g} s, in {places:.0f} lines of source"
    text = "\n".join((head, "         KB    blocks  line", *rows))
    lines = [{"line": place, "bytes": size, "blocks": count} for place, size, count in found.lines]
    return Result(DONE, text, {"bytes": grown, "seconds": seconds, "grown": lines})


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= PROFILE_SECONDS_MAX:
        usage(f"profile takes a worker and up to {PROFILE_SECONDS_MAX:g} seconds, not {text!r}")
    return seconds
