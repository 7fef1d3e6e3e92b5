"""fapwsctl: starts, stops, reloads and watches a Fapws that runs from an INI file.

Every command waits until what it asked for is true, and its exit code says so (LSB): 0 done, 1
failed, 2 usage, 4 not allowed, 6 not configured, 7 not running; ``status``: 0 running, 1 dead with
a pidfile, 3 stopped, 4 unknown.
"""

from __future__ import annotations

import os
import sys
import time

from fapws.cli.arguments import Options, parse_arguments, usage
from fapws.cli.configured import longest_drain, longest_reload, longest_start, longest_stop, read_apart
from fapws.cli.find_server import (
    MARGIN,
    POLL_PAUSE,
    Ended,
    NobodyThere,
    Place,
    Result,
    ask,
    find,
    learn,
    look,
    running_control,
    send_signal,
    stop_by_pid,
    stop_by_socket,
)
from fapws.cli.import_path import forget_own_directory
from fapws.cli.standard_streams import have_standard_streams
from fapws.lean import Any, Callable, signal
from fapws.settings.log_targets import STDERR
from fapws.settings.model import Config
from fapws.settings.source import Source, absolute
from fapws.supervisor.core import texts
from fapws.supervisor.errors import DONE, FAILED, NOT_ALLOWED, NOT_RUNNING, TAKEN
from fapws.visible import visible

_LONGEST_CHECK = 60.0
"""Seconds that the trial of new code may take."""


def main(argv: list[str] | None = None) -> int:
    """The command; the exit code."""
    forget_own_directory()
    have_standard_streams()
    as_json = False
    try:
        options = parse_arguments(sys.argv[1:] if argv is None else argv)
        as_json = options.json
        result = _COMMANDS[options.command](options)
    except Ended as ended:
        result = ended.result
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return _print(result, as_json)


def _print(result: Result, as_json: bool) -> int:
    """Prints the result; returns the command's exit code, also where the output cannot be written."""
    try:
        _write(result, as_json)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        # What Python still holds must go nowhere.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # else the reader has enough (head, grep -q)
            _complain(f"fapwsctl: the answer could not be written: {error.strerror}\n")
    return result.status


def _complain(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        return  # standard error is closed or has no reader


def _write(result: Result, as_json: bool) -> None:
    if as_json:
        import json

        words = {"ok": result.status == DONE, "exit_status": result.status}
        text = {"text": result.text} if result.text else {}
        print(json.dumps({**words, **text, **result.values}))
    elif result.text:
        # What was asked for goes to standard output, also if the reply is "stopped".
        expected = result.status == DONE or bool({"state", "stacks", "ini"} & set(result.values))
        print(visible(result.text.rstrip("\n")), file=sys.stdout if expected else sys.stderr)
        if result.note:
            sys.stdout.flush()
            print(visible(result.note), file=sys.stderr)


# ---- Commands ------------------------------------------------------------------------------------


def start(options: Options) -> Result:
    """Starts and waits until it serves."""
    config = read_apart(options.file, _import_master)
    place = Place(config.pidfile, config.control)
    seconds = options.seconds or longest_start(config)
    if place.findable and look(place).running:
        return _wait_for_other_start(place, options.file, seconds)
    from fapws.supervisor import master
    from fapws.supervisor.process import daemon

    reread = Source(absolute(options.file))
    if options.foreground:
        return Result(master.run(config, reread), "")  # the master has said everything itself
    try:
        outcome = daemon.start(lambda tell: master.run(config, reread, tell), seconds, _inherited(config))
    except OSError as error:
        return Result(FAILED, f"fapws: cannot start: {error.strerror}")
    if outcome.status == TAKEN:
        return _wait_for_other_start(place, options.file, seconds)
    if outcome.late:
        text = f"fapws: not serving after {seconds:g} s; it may still finish"
        return Result(FAILED, text + _so_far(place, options.file))
    text = outcome.text
    if outcome.status == DONE and config.error_log == STDERR:
        text += "\nfapws: nothing will be logged: error_log is stderr, and a daemon has none"
    return Result(outcome.status, text)


def _import_master() -> None:
    """While the configuration is read, which takes as long: another processor may have time."""
    import fapws.supervisor.master
    import fapws.supervisor.process.daemon  # noqa: F401


def _inherited(config: Config) -> list[int]:
    """Descriptors of the caller that are to be listened on (``listen = fd:3``)."""
    return [address.port for pool in config.pools for address in pool.listen if address.kind == "fd"]


def _wait_for_other_start(place: Place, file: str, seconds: float) -> Result:
    """A server is there, or another command is starting it: this one ends when that one has."""
    until = time.monotonic() + seconds
    while True:
        presence = look(place)
        if not presence.running:
            return Result(FAILED, "fapws: another start was under way, and has failed")
        if not place.control or _serves(place, max(until - time.monotonic(), POLL_PAUSE)):
            return Result(DONE, f"fapws: already running (pid {presence.pid})", {"pid": presence.pid})
        if time.monotonic() >= until:
            text = f"fapws: another start is still under way after {seconds:g} s; it may still finish"
            return Result(FAILED, text + _so_far(place, file))
        time.sleep(POLL_PAUSE)


def _so_far(place: Place, file: str) -> str:
    """What a start has come to that takes long."""
    from fapws.cli.why import so_far  # as in _query()

    return so_far(place.control, file)


def _serves(place: Place, seconds: float) -> bool:
    """Whether the first start is over. Raises Ended, also where the user may not ask."""
    try:
        return bool(learn(place.control, "status", seconds)["state"] != "starting")
    except NobodyThere:
        return False  # it has the pidfile, and not its socket yet


def stop(options: Options) -> Result:
    """Stops and waits until it has."""
    place = find(options.file)
    presence = look(place)
    if not presence.running:
        return Result(DONE, "fapws: not running" + (" (stale pidfile)" if presence.stale else ""))
    seconds = options.seconds or longest_stop(options.file)
    try:
        ended = (stop_by_socket if presence.by_socket else stop_by_pid)(place, presence, seconds)
    except Ended as error:
        # A member of control_group may not signal the master, but may tell it.
        if error.result.status != NOT_ALLOWED or not place.control:
            raise
        ended = stop_by_socket(place, presence, seconds)
    if not ended:
        return Result(FAILED, f"fapws: not stopped after {seconds:g} s; it may still finish")
    return Result(DONE, f"fapws: stopped (pid {presence.pid})", {"pid": presence.pid})


def restart(options: Options) -> Result:
    """Stops, then starts; a configuration with mistakes stops nothing."""
    read_apart(options.file)
    stopped = stop(options)
    return start(options) if stopped.status == DONE else stopped


def reload(options: Options) -> Result:
    """Reloads and tells how it went."""
    seconds = options.seconds or longest_reload(options.file)
    reply = _order(options, "reload", signal.SIGHUP, seconds, **_steps(options))
    return _how_it_went("reload", reply)


def rollback(options: Options) -> Result:
    """Goes back to the generation before, and tells how it went."""
    control = running_control(options.file, options.command)
    seconds = options.seconds or longest_reload(options.file)
    reply = ask(control, "rollback", seconds, pool="".join(options.arguments), **_steps(options))
    return _how_it_went("rollback", reply)


def _how_it_went(what: str, reply: dict[str, Any]) -> Result:
    after = "".join(f"\nfapws: {line}" for line in reply.get("after", ()))
    if reply["ok"]:
        return Result(DONE, f"fapws: {what} done: {reply['text']}{after}")
    return Result(FAILED, texts.after(f"fapws: {what} failed", reply["error"]) + after)


def _steps(options: Options) -> dict[str, Any]:
    """A terminal is told each step."""
    if sys.stdout.isatty() and not options.json:
        return {"steps": True, "on_step": _tell_step}
    return {}


def _tell_step(text: str) -> None:
    """A line on the terminal; one that has gone does not end the wait."""
    try:
        print(visible(f"  {text}"), flush=True)
    except OSError:
        return


def scale(options: Options) -> Result:
    """Gives a pool another number of workers and waits until it has it."""
    pool, number = options.arguments
    if not number.isdigit():
        usage(f"scale takes a pool and a number, not {number!r}")
    control = running_control(options.file, options.command)
    seconds = options.seconds or longest_reload(options.file)
    reply = ask(control, "scale", seconds, pool=pool, workers=int(number))
    if reply["ok"]:
        return Result(DONE, f"fapws: {reply['text']}")
    return Result(FAILED, texts.after("fapws: not scaled", reply["error"]))


def drain(options: Options) -> Result:
    """Makes pools unready and waits until they have nothing in hand."""
    return _change_readiness(options, "drain", options.seconds or longest_drain(options.file))


def undrain(options: Options) -> Result:
    """Makes pools ready again."""
    return _change_readiness(options, "undrain", options.seconds or MARGIN)


def _change_readiness(options: Options, command: str, seconds: float) -> Result:
    control = running_control(options.file, options.command)
    reply = ask(control, command, seconds, pool="".join(options.arguments))
    return _how_it_went(command, reply)


def upgrade(options: Options) -> Result:
    """Upgrades in place and tells how it went."""
    seconds = options.seconds or longest_reload(options.file) + _LONGEST_CHECK
    reply = _order(options, "upgrade", signal.SIGUSR2, seconds)
    if reply["ok"]:
        return Result(DONE, f"fapws: upgraded in place (pid {reply['pid']}): {reply['text']}")
    return Result(FAILED, texts.after("fapws: upgrade failed", reply["error"]))


def reopen(options: Options) -> Result:
    """Has the log files opened again; where nothing runs none is open, which is all that rotation wants."""
    try:
        reply = _order(options, "reopen", signal.SIGUSR1, options.seconds or MARGIN)
    except Ended as ended:
        if ended.result.status != NOT_RUNNING:
            raise
        return Result(DONE, "fapws: not running, so no log is open")
    if reply["ok"]:
        return Result(DONE, "fapws: log files opened again")
    return Result(FAILED, texts.after("fapws: not all log files were opened", reply["error"]))


def _order(
    options: Options, command: str, number: int, seconds: float, **arguments: Any
) -> dict[str, Any]:
    """The reply over the control socket, with the ``pid``; where no master listens, the signal is sent.

    Raises Ended, also after the signal: what comes of that cannot be known.
    """
    place = find(options.file)
    presence = look(place)
    if not presence.running:
        raise Ended(NOT_RUNNING, "fapws: not running")
    why = "there is no control socket"
    if place.control:
        try:
            return {**ask(place.control, command, seconds, **arguments), "pid": presence.pid}
        except NobodyThere as error:
            if presence.by_socket:
                raise
            why = f"nobody answers at the control socket ({error})"
    send_signal(place, presence.pid, number)
    text = f"fapws: signalled (pid {presence.pid}), unconfirmed: {why}"
    raise Ended(FAILED, text, {"pid": presence.pid})


def _query(options: Options) -> Result:
    """What only looks. A start, which becomes the master, does without it."""
    from fapws.cli import queries

    return queries.COMMANDS[options.command](options)


def translate(options: Options) -> Result:
    """The configuration of another server as an INI file."""
    from fapws.cli.translate import command

    return command.translate(options)


_COMMANDS: dict[str, Callable[[Options], Result]] = {
    "start": start,
    "stop": stop,
    "restart": restart,
    "reload": reload,
    "rollback": rollback,
    "upgrade": upgrade,
    "reopen": reopen,
    "scale": scale,
    "drain": drain,
    "undrain": undrain,
    "status": _query,
    "stack": _query,
    "top": _query,
    "profile": _query,
    "why": _query,
    "health": _query,
    "configtest": _query,
    "dump": _query,
    "translate": translate,
}


if __name__ == "__main__":
    sys.exit(main())
