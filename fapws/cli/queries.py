"""The commands of fapwsctl that only look: configtest, dump, health, stack, status and why."""

from __future__ import annotations

from fapws.cli.arguments import Options
from fapws.cli.configured import read
from fapws.cli.find_server import MARGIN, Ended, Result, find, learn, look, running_control
from fapws.lean import Callable
from fapws.supervisor.errors import DONE, FAILED

STATUS_RUNNING, STATUS_DEAD, STATUS_STOPPED, STATUS_UNKNOWN = 0, 1, 3, 4


def configtest(options: Options) -> Result:
    """Whether the configuration is good."""
    from fapws.settings.advice import dangers, missing_directories
    from fapws.settings.readable import unreadable

    config = read(options.file)
    told = [*missing_directories(config), *unreadable(config), *dangers(config)]
    notes = [f"fapws: {note}\n" for note in told]
    return Result(DONE, "".join(notes) + f"fapws: {options.file} is good")


def health(options: Options) -> Result:
    """Whether all pools serve with all their workers, or sleep."""
    reply = learn(running_control(options.file, options.command), "status", options.seconds or MARGIN)
    trouble = reply["trouble"]
    values = {"state": reply["state"], "healthy": not trouble}
    return Result(FAILED if trouble else DONE, f"fapws: {trouble or 'healthy'}", values)


def dump(options: Options) -> Result:
    """The configuration as it is understood."""
    from fapws.settings import dump as effective

    config = read(options.file)
    origins = effective.describe(config, options.file)
    return Result(DONE, "" if options.json else effective.render(origins), {"configuration": origins})


def status(options: Options) -> Result:
    """Shows what runs."""
    try:
        place = find(options.file)
        presence = look(place)
    except Ended as ended:
        return Result(STATUS_UNKNOWN, ended.result.text, {"state": "unknown"})
    if not presence.running:
        if presence.stale:
            text = f"fapws: dead, but its pidfile {place.pidfile} is there"
            return Result(STATUS_DEAD, text, {"state": "dead"})
        return Result(STATUS_STOPPED, "fapws: stopped", {"state": "stopped"})
    if not place.control:
        text = f"fapws: running (pid {presence.pid}); without a control socket it tells no more"
        return Result(STATUS_RUNNING, text, {"state": "running", "pid": presence.pid})
    from fapws.cli import status_text

    try:
        reply = learn(place.control, "status", options.seconds or MARGIN)
    except Ended as ended:
        text = f"fapws: running (pid {presence.pid}), but: {ended.result.text}"
        return Result(STATUS_UNKNOWN, text, {"state": "unknown", "pid": presence.pid})
    status_text.add_usage(reply)
    return Result(STATUS_RUNNING, "" if options.json else status_text.render(reply), reply)


def stack(options: Options) -> Result:
    """What workers are doing."""
    from fapws.cli import stack

    return stack.stack(options)


def top(options: Options) -> Result:
    """The same, again and again."""
    from fapws.cli import top

    return top.top(options)


def profile(options: Options) -> Result:
    """What one of them does, in more detail."""
    from fapws.cli import profile

    return profile.profile(options)


def why(options: Options) -> Result:
    """What has failed last."""
    from fapws.cli import why

    return why.why(options)


COMMANDS: dict[str, Callable[[Options], Result]] = {
    "status": status,
    "stack": stack,
    "top": top,
    "profile": profile,
    "why": why,
    "configtest": configtest,
    "dump": dump,
    "health": health,
}
