"""fapwsctl: starts, stops, reloads and watches a Fapws that runs from an INI file.

Every command waits until what it asked for is true, and its exit code says so (LSB): 0 done, 1
failed, 2 usage, 4 not allowed, 6 not configured, 7 not running; ``status``: 0 running, 1 dead with
a pidfile, 3 stopped, 4 unknown.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from fapws.config import ini
from fapws.config.model import Config
from fapws.config.options import MASTER_OPTIONS, parse
from fapws.config.scan import scan
from fapws.supervisor import pidfile, texts
from fapws.supervisor.errors import (
    DONE,
    FAILED,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    NOT_RUNNING,
    USAGE,
)

DEFAULT_FILE = "/etc/fapws.ini"

USAGE_TEXT = f"""\
usage: fapwsctl [-c FILE] [-j] [-t SECONDS] COMMAND

  start [-F]   start in the background and wait until it serves; -F: stay in the foreground
  stop         finish what is under way, then end
  restart      stop, then start
  reload       read configuration and application again, without losing a request
  scale POOL N give a pool N workers, until the next reload
  status       show the workers
  configtest   check the configuration, touch nothing

  -c, --config FILE      the configuration (default: {DEFAULT_FILE})
  -j, --json             answer with one JSON object
  -t, --timeout SECONDS  wait no longer (default: what the configuration's own timeouts allow)

exit codes: 0 done, 1 failed, 2 usage, 4 not allowed, 6 not configured, 7 not running;
of status: 0 running, 1 dead with a pidfile, 3 stopped, 4 unknown
"""

STATUS_RUNNING, STATUS_DEAD, STATUS_STOPPED, STATUS_UNKNOWN = 0, 1, 3, 4

_MARGIN = 10.0
"""Seconds on top of what the configuration's timeouts allow."""
_LONGEST_STOP = 60.0
"""Seconds; for a running server whose configuration file cannot be read any more."""
_PROBE_PAUSE = 0.05


class Options(NamedTuple):
    """The command line."""

    command: str
    file: str = DEFAULT_FILE
    json: bool = False
    seconds: float | None = None
    foreground: bool = False
    arguments: tuple[str, ...] = ()
    """What stands behind the command."""


class Result(NamedTuple):
    """What a command came to."""

    status: int
    text: str
    values: Mapping[str, Any] = MappingProxyType({})
    """More for --json."""


class Ended(Exception):
    """A command cannot go on; carries its Result."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.result = Result(status, text)


class Place(NamedTuple):
    """Where a server is found."""

    pidfile: str
    control: str


class Presence(NamedTuple):
    """Whether it runs."""

    running: bool
    pid: int = 0
    stale: bool = False
    """Not running, but its pidfile is there."""


def main(argv: list[str] | None = None) -> int:
    """The command; the exit code."""
    try:
        options = parse_arguments(sys.argv[1:] if argv is None else argv)
        result = _COMMANDS[options.command](options)
    except Ended as ended:
        result = ended.result
        return _print(result, as_json=False)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return _print(result, options.json)


# ---- The command line ----------------------------------------------------------------------------


def parse_arguments(arguments: list[str]) -> Options:
    """The options, in any order. Raises Ended with the usage."""
    options = Options("")
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            raise Ended(DONE, USAGE_TEXT)
        if word in ("-c", "--config"):
            options = options._replace(file=_value(word, rest))
        elif word in ("-t", "--timeout"):
            options = options._replace(seconds=_seconds(_value(word, rest)))
        elif word in ("-j", "--json"):
            options = options._replace(json=True)
        elif word in ("-F", "--foreground"):
            options = options._replace(foreground=True)
        elif word in _COMMANDS and not options.command:
            options = options._replace(command=word)
        elif options.command and len(options.arguments) < _ARGUMENTS.get(options.command, 0):
            options = options._replace(arguments=(*options.arguments, word))
        else:
            _usage(f"{word!r} is not understood")
    if not options.command:
        _usage("no command")
    if len(options.arguments) < _ARGUMENTS.get(options.command, 0):
        _usage(f"{options.command} needs {_ARGUMENTS[options.command]} words behind it")
    if options.foreground and options.command != "start":
        _usage("-F goes with start only")
    return options


def _value(option: str, rest: list[str]) -> str:
    if not rest:
        _usage(f"{option} needs a value")
    return rest.pop(0)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        _usage(f"-t takes a number of seconds, not {text!r}")
    return seconds


def _usage(complaint: str) -> NoReturn:
    raise Ended(USAGE, f"fapwsctl: {complaint}\n{USAGE_TEXT}")


def _print(result: Result, as_json: bool) -> int:
    if as_json:
        import json

        words = {"ok": result.status == DONE, "exit_status": result.status}
        text = {"text": result.text} if result.text else {}
        print(json.dumps({**words, **text, **result.values}))
    elif result.text:
        # What was asked for goes to standard output, also if the answer is "stopped".
        expected = result.status == DONE or "state" in result.values
        print(result.text.rstrip("\n"), file=sys.stdout if expected else sys.stderr)
    return result.status


# ---- Commands ------------------------------------------------------------------------------------


def configtest(options: Options) -> Result:
    """Whether the configuration is good."""
    _read(options.file)
    return Result(DONE, f"fapws: {options.file} is good")


def start(options: Options) -> Result:
    """Starts and waits until it serves."""
    config = _read(options.file)
    if config.pidfile or config.control:
        presence = look(Place(config.pidfile, config.control))
        if presence.running:
            return Result(DONE, f"fapws: already running (pid {presence.pid})", {"pid": presence.pid})
    from fapws.supervisor import daemon, master

    path = os.path.abspath(options.file)

    def reread() -> Config:
        return ini.read(path)

    if options.foreground:
        return Result(master.run(config, reread), "")  # the master has said everything itself
    seconds = options.seconds or _longest_start(config)
    outcome = daemon.start(lambda tell: master.run(config, reread, tell), seconds)
    if outcome.late:
        return Result(FAILED, f"fapws: not serving after {seconds:g} s; it may still finish")
    return Result(outcome.status, outcome.text)


def stop(options: Options) -> Result:
    """Stops and waits until it has."""
    place = _place(options.file)
    presence = look(place)
    if not presence.running:
        return Result(DONE, "fapws: not running" + (" (stale pidfile)" if presence.stale else ""))
    seconds = options.seconds or _longest_stop(options.file)
    ended = (_stop_by_pid if place.pidfile else _stop_by_socket)(place, presence, seconds)
    if not ended:
        return Result(FAILED, f"fapws: not stopped after {seconds:g} s; it may still finish")
    return Result(DONE, f"fapws: stopped (pid {presence.pid})", {"pid": presence.pid})


def restart(options: Options) -> Result:
    """Stops, then starts; a configuration with mistakes stops nothing."""
    _read(options.file)
    stopped = stop(options)
    return start(options) if stopped.status == DONE else stopped


def reload(options: Options) -> Result:
    """Reloads and tells how it went."""
    place = _place(options.file)
    presence = look(place)
    if not presence.running:
        raise Ended(NOT_RUNNING, "fapws: not running")
    if not place.control:
        _signal(presence.pid, signal.SIGHUP)
        text = f"fapws: signalled (pid {presence.pid}), unconfirmed: there is no control socket"
        return Result(FAILED, text, {"pid": presence.pid})
    answer = _ask(place.control, "reload", options.seconds or _longest_reload(options.file))
    if answer["ok"]:
        return Result(DONE, f"fapws: reload done: {answer['text']}")
    return Result(FAILED, texts.after("fapws: reload failed", answer["error"]))


def scale(options: Options) -> Result:
    """Gives a pool another number of workers and waits until it has it."""
    pool, number = options.arguments
    if not number.isdigit():
        _usage(f"scale takes a pool and a number, not {number!r}")
    control = _running_control(options)
    seconds = options.seconds or _longest_reload(options.file)
    answer = _ask(control, "scale", seconds, pool=pool, workers=int(number))
    if answer["ok"]:
        return Result(DONE, f"fapws: {answer['text']}")
    return Result(FAILED, texts.after("fapws: not scaled", answer["error"]))


def _running_control(options: Options) -> str:
    """The control socket of a server that runs. Raises Ended."""
    place = _place(options.file)
    if not look(place).running:
        raise Ended(NOT_RUNNING, "fapws: not running")
    if not place.control:
        text = f"fapwsctl: {options.command} needs a control socket, and none is configured"
        raise Ended(NOT_CONFIGURED, text)
    return place.control


def status(options: Options) -> Result:
    """Shows what runs."""
    try:
        place = _place(options.file)
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
    from fapws.supervisor import report

    try:
        answer = _ask(place.control, "status", options.seconds or _MARGIN)
    except Ended as ended:
        text = f"fapws: running (pid {presence.pid}), but: {ended.result.text}"
        return Result(STATUS_UNKNOWN, text, {"state": "unknown", "pid": presence.pid})
    report.add_rss(answer)
    return Result(STATUS_RUNNING, "" if options.json else report.render(answer), answer)


_COMMANDS: dict[str, Callable[[Options], Result]] = {
    "start": start,
    "stop": stop,
    "restart": restart,
    "reload": reload,
    "scale": scale,
    "status": status,
    "configtest": configtest,
}
_ARGUMENTS = {"scale": 2}
"""How many words stand behind a command."""


# ---- The server as seen from outside -------------------------------------------------------------


def look(place: Place) -> Presence:
    """Whether a server runs there. Raises Ended if that cannot be known."""
    if place.pidfile:
        try:
            probe = pidfile.probe(place.pidfile)
        except PermissionError:
            raise Ended(NOT_ALLOWED, f"fapwsctl: {place.pidfile}: permission denied") from None
        return Presence(probe.running, probe.pid, stale=probe.exists and not probe.running)
    if not place.control:
        text = "fapwsctl: neither pidfile nor control is configured, so no server can be found"
        raise Ended(NOT_CONFIGURED, text)
    try:
        return Presence(True, int(_ask(place.control, "ping", _MARGIN)["pid"]))
    except _NobodyThere:
        return Presence(False)


class _NobodyThere(Ended):
    """Nobody listens on the control socket."""


def _ask(control: str, command: str, seconds: float, **arguments: Any) -> dict[str, Any]:
    from fapws.supervisor import client

    try:
        return client.ask(control, command, seconds, **arguments)
    except PermissionError:
        raise Ended(NOT_ALLOWED, f"fapwsctl: {control}: permission denied") from None
    except OSError as error:
        raise _NobodyThere(FAILED, f"fapwsctl: {control}: {error.strerror or error}") from None
    except client.NoAnswer as error:
        raise Ended(FAILED, f"fapwsctl: {error}") from None


def _signal(pid: int, number: int) -> None:
    """Only ever called with the PID of a pidfile whose lock is held."""
    try:
        os.kill(pid, number)
    except PermissionError:
        raise Ended(NOT_ALLOWED, f"fapwsctl: not allowed to signal pid {pid}") from None
    except ProcessLookupError:
        raise Ended(FAILED, f"fapwsctl: pid {pid} has gone") from None


def _stop_by_pid(place: Place, presence: Presence, seconds: float) -> bool:
    if presence.pid:
        _signal(presence.pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = pidfile.probe(place.pidfile)
        if not now.running:
            return True
        if now.pid != presence.pid and not presence.pid:
            # It was just starting and has written its PID meanwhile.
            presence = presence._replace(pid=now.pid)
            _signal(now.pid, signal.SIGTERM)
        time.sleep(_PROBE_PAUSE)
    return False


def _stop_by_socket(place: Place, _presence: Presence, seconds: float) -> bool:
    from fapws.supervisor import client

    conversation = client.Conversation(place.control, seconds)
    try:
        conversation.ask("stop")
        return conversation.wait_for_end()
    except client.NoAnswer:
        return False
    finally:
        conversation.close()


# ---- The configuration ---------------------------------------------------------------------------


def _read(path: str) -> Config:
    try:
        return ini.read(path)
    except ini.ConfigError as error:
        raise Ended(NOT_CONFIGURED, str(error)) from None


def _place(path: str) -> Place:
    """Where the server is, also when the file has mistakes elsewhere: it must still be stopped."""
    try:
        with open(path, "rb") as file:
            found = scan(file.read(ini.SIZE_MAX), path)
    except OSError as error:
        raise Ended(NOT_CONFIGURED, f"fapwsctl: {path}: {error.strerror}") from None
    base = os.path.dirname(os.path.abspath(path))
    values = {"pidfile": "", "control": ""}
    for section in found.sections:
        for entry in section.entries if section.name == "fapws" else ():
            if entry.key in values:
                try:
                    values[entry.key] = parse(MASTER_OPTIONS[entry.key], entry.value, base)
                except ValueError as error:
                    raise Ended(NOT_CONFIGURED, f"fapwsctl: {path}: {entry.key}: {error}") from None
    return Place(**values)


def _longest_start(config: Config) -> float:
    """Seconds: a canary in each pool, then the rest; each may be tried twice."""
    return 2 * sum(pool.boot_timeout for pool in config.pools) + _MARGIN


def _longest_stop(path: str) -> float:
    """Seconds."""
    try:
        return max(pool.drain_timeout for pool in ini.read(path).pools) + _MARGIN
    except ini.ConfigError:
        return _LONGEST_STOP


def _longest_reload(path: str) -> float:
    """Seconds, were every worker to take all the time it may; another reload may be under way."""
    try:
        pools = ini.read(path).pools
    except ini.ConfigError:
        return _LONGEST_STOP
    return 2 * sum((p.workers + 1) * (p.boot_timeout + p.drain_timeout) for p in pools) + _MARGIN


if __name__ == "__main__":
    sys.exit(main())
