"""fapwsctl: starts, stops, reloads and watches a Fapws that runs from an INI file.

Every command waits until what it asked for is true, and its exit code says so (LSB): 0 done, 1
failed, 2 usage, 4 not allowed, 6 not configured, 7 not running; ``status``: 0 running, 1 dead with
a pidfile, 3 stopped, 4 unknown.
"""

from __future__ import annotations

import os
import sys
import time

from fapws import __version__
from fapws.cli.find_server import (
    MARGIN,
    POLL_PAUSE,
    Ended,
    NobodyThere,
    Place,
    Result,
    ask,
    find,
    look,
    send_signal,
    stop_by_pid,
    stop_by_socket,
)
from fapws.cli.import_path import forget_own_directory
from fapws.cli.standard_streams import have_standard_streams
from fapws.lean import Any, Callable, NamedTuple, NoReturn, signal
from fapws.settings.apart import read_apart
from fapws.settings.log_targets import STDERR
from fapws.settings.model import Config, Pool
from fapws.settings.problems import ConfigError
from fapws.settings.source import Source, absolute
from fapws.supervisor.core import texts
from fapws.supervisor.errors import DONE, FAILED, NOT_ALLOWED, NOT_CONFIGURED, NOT_RUNNING, TAKEN, USAGE
from fapws.visible import visible

DEFAULT_FILE = "/etc/fapws.ini"

USAGE_TEXT = f"""\
usage: fapwsctl [-c FILE] [-j] [-t SECONDS] COMMAND

  start [-F]   start in the background and wait until it serves; -F: stay in the foreground
  stop         finish what is under way, then end
  restart      stop, then start
  reload       read configuration and application again, without losing a request
  upgrade      run new code of Fapws itself, in the same process, without losing a request
  reopen       open the log files again, after they were renamed
  scale POOL N give a pool N workers, until the next reload
  drain [POOL] be not ready for clients, serve on, and wait until nothing is in flight
  undrain [POOL]
               be ready again
  status       show the workers
  health       exit 0 if every pool serves as configured
  configtest   check the configuration, touch nothing
  dump         show every option's value in force and where it comes from

  -c, --config FILE      the configuration (default: {DEFAULT_FILE})
  -j, --json             reply with one JSON object
  -t, --timeout SECONDS  wait no longer (default: what the configuration's own timeouts allow)
  --version              print the version

exit codes: 0 done, 1 failed, 2 usage, 4 not allowed, 6 not configured, 7 not running;
of status: 0 running, 1 dead with a pidfile, 3 stopped, 4 unknown
"""

STATUS_RUNNING, STATUS_DEAD, STATUS_STOPPED, STATUS_UNKNOWN = 0, 1, 3, 4

_LONGEST_CHECK = 60.0
"""Seconds that the trial of new code may take."""
_LONGEST_STOP = 60.0
"""Seconds; for a running server whose configuration file cannot be read any more."""


class Options(NamedTuple):
    """The command line."""

    command: str
    file: str = DEFAULT_FILE
    json: bool = False
    seconds: float | None = None
    foreground: bool = False
    arguments: tuple[str, ...] = ()
    """What stands behind the command."""


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


# ---- The command line ----------------------------------------------------------------------------


def parse_arguments(arguments: list[str]) -> Options:
    """The options, in any order. Raises Ended with the usage."""
    options = Options("")
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            raise Ended(DONE, USAGE_TEXT)
        if word == "--version":
            raise Ended(DONE, f"fapwsctl {__version__}")
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
        elif word and options.command and len(options.arguments) < _most_arguments(options.command):
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


def _most_arguments(command: str) -> int:
    return _ARGUMENTS.get(command, _MAY_NAME_A_POOL.get(command, 0))


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
        expected = result.status == DONE or "state" in result.values
        print(visible(result.text.rstrip("\n")), file=sys.stdout if expected else sys.stderr)


# ---- Commands ------------------------------------------------------------------------------------


def configtest(options: Options) -> Result:
    """Whether the configuration is good."""
    from fapws.settings.advice import dangers, missing_directories

    config = _read(options.file)
    notes = [f"fapws: {note}\n" for note in (*missing_directories(config), *dangers(config))]
    return Result(DONE, "".join(notes) + f"fapws: {options.file} is good")


def start(options: Options) -> Result:
    """Starts and waits until it serves."""
    config = _read_apart(options.file)
    place = Place(config.pidfile, config.control)
    seconds = options.seconds or _longest_start(config)
    if place.findable and look(place).running:
        return _wait_for_other_start(place, seconds)
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
        return _wait_for_other_start(place, seconds)
    if outcome.late:
        return Result(FAILED, f"fapws: not serving after {seconds:g} s; it may still finish")
    text = outcome.text
    if outcome.status == DONE and config.error_log == STDERR:
        text += "\nfapws: nothing will be logged: error_log is stderr, and a daemon has none"
    return Result(outcome.status, text)


def _inherited(config: Config) -> list[int]:
    """Descriptors of the caller that are to be listened on (``listen = fd:3``)."""
    return [address.port for pool in config.pools for address in pool.listen if address.kind == "fd"]


def _wait_for_other_start(place: Place, seconds: float) -> Result:
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
            return Result(FAILED, text)
        time.sleep(POLL_PAUSE)


def _serves(place: Place, seconds: float) -> bool:
    """Whether the first start is over. Raises Ended, also where the user may not ask."""
    try:
        return bool(ask(place.control, "status", seconds)["state"] != "starting")
    except NobodyThere:
        return False  # it has the pidfile, and not its socket yet


def stop(options: Options) -> Result:
    """Stops and waits until it has."""
    place = find(options.file)
    presence = look(place)
    if not presence.running:
        return Result(DONE, "fapws: not running" + (" (stale pidfile)" if presence.stale else ""))
    seconds = options.seconds or _longest_stop(options.file)
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
    _read_apart(options.file)
    stopped = stop(options)
    return start(options) if stopped.status == DONE else stopped


def reload(options: Options) -> Result:
    """Reloads and tells how it went."""
    reply = _order(options, "reload", signal.SIGHUP, options.seconds or _longest_reload(options.file))
    if reply["ok"]:
        return Result(DONE, f"fapws: reload done: {reply['text']}")
    return Result(FAILED, texts.after("fapws: reload failed", reply["error"]))


def scale(options: Options) -> Result:
    """Gives a pool another number of workers and waits until it has it."""
    pool, number = options.arguments
    if not number.isdigit():
        _usage(f"scale takes a pool and a number, not {number!r}")
    control = _running_control(options)
    seconds = options.seconds or _longest_reload(options.file)
    reply = ask(control, "scale", seconds, pool=pool, workers=int(number))
    if reply["ok"]:
        return Result(DONE, f"fapws: {reply['text']}")
    return Result(FAILED, texts.after("fapws: not scaled", reply["error"]))


def drain(options: Options) -> Result:
    """Makes pools unready and waits until they have nothing in hand."""
    return _change_readiness(options, "drain", options.seconds or _longest_drain(options.file))


def undrain(options: Options) -> Result:
    """Makes pools ready again."""
    return _change_readiness(options, "undrain", options.seconds or MARGIN)


def _change_readiness(options: Options, command: str, seconds: float) -> Result:
    reply = ask(_running_control(options), command, seconds, pool="".join(options.arguments))
    if reply["ok"]:
        return Result(DONE, f"fapws: {command} done: {reply['text']}")
    return Result(FAILED, texts.after(f"fapws: {command} failed", reply["error"]))


def upgrade(options: Options) -> Result:
    """Upgrades in place and tells how it went."""
    seconds = options.seconds or _longest_reload(options.file) + _LONGEST_CHECK
    reply = _order(options, "upgrade", signal.SIGUSR2, seconds)
    if reply["ok"]:
        return Result(DONE, f"fapws: upgraded in place (pid {reply['pid']}): {reply['text']}")
    return Result(FAILED, texts.after("fapws: upgrade failed", reply["error"]))


def reopen(options: Options) -> Result:
    """Has the log files opened again."""
    reply = _order(options, "reopen", signal.SIGUSR1, options.seconds or MARGIN)
    if reply["ok"]:
        return Result(DONE, "fapws: log files opened again")
    return Result(FAILED, texts.after("fapws: not all log files were opened", reply["error"]))


def health(options: Options) -> Result:
    """Whether all pools serve with all their workers, or sleep."""
    reply = ask(_running_control(options), "status", options.seconds or MARGIN)
    trouble = reply["trouble"]
    values = {"state": reply["state"], "healthy": not trouble}
    return Result(FAILED if trouble else DONE, f"fapws: {trouble or 'healthy'}", values)


def dump(options: Options) -> Result:
    """The configuration as it is understood."""
    from fapws.settings import dump as effective

    config = _read(options.file)
    origins = effective.describe(config, options.file)
    return Result(DONE, "" if options.json else effective.render(origins), {"configuration": origins})


def _order(options: Options, command: str, number: int, seconds: float) -> dict[str, Any]:
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
            return {**ask(place.control, command, seconds), "pid": presence.pid}
        except NobodyThere as error:
            if presence.by_socket:
                raise
            why = f"nobody answers at the control socket ({error})"
    send_signal(place, presence.pid, number)
    text = f"fapws: signalled (pid {presence.pid}), unconfirmed: {why}"
    raise Ended(FAILED, text, {"pid": presence.pid})


def _running_control(options: Options) -> str:
    """The control socket of a server that runs. Raises Ended."""
    place = find(options.file)
    if not look(place).running:
        raise Ended(NOT_RUNNING, "fapws: not running")
    if not place.control:
        text = f"fapwsctl: {options.command} needs a control socket, and none is configured"
        raise Ended(NOT_CONFIGURED, text)
    return place.control


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
        reply = ask(place.control, "status", options.seconds or MARGIN)
    except Ended as ended:
        text = f"fapws: running (pid {presence.pid}), but: {ended.result.text}"
        return Result(STATUS_UNKNOWN, text, {"state": "unknown", "pid": presence.pid})
    status_text.add_usage(reply)
    return Result(STATUS_RUNNING, "" if options.json else status_text.render(reply), reply)


_COMMANDS: dict[str, Callable[[Options], Result]] = {
    "start": start,
    "upgrade": upgrade,
    "stop": stop,
    "restart": restart,
    "reload": reload,
    "reopen": reopen,
    "scale": scale,
    "drain": drain,
    "undrain": undrain,
    "status": status,
    "configtest": configtest,
    "dump": dump,
    "health": health,
}
_ARGUMENTS = {"scale": 2}
"""How many words stand behind a command."""
_MAY_NAME_A_POOL = {"drain": 1, "undrain": 1}
"""How many may stand there."""


# ---- The configuration ---------------------------------------------------------------------------


def _read(path: str) -> Config:
    from fapws.settings import ini

    try:
        return ini.read(path)
    except ConfigError as error:
        raise Ended(NOT_CONFIGURED, str(error)) from None


def _read_apart(path: str) -> Config:
    """For a process that becomes the master."""
    try:
        return read_apart(Source(path))
    except ConfigError as error:
        raise Ended(NOT_CONFIGURED, str(error)) from None
    except OSError as error:
        raise Ended(FAILED, f"fapws: cannot start: {error.strerror}") from None


def _pools(path: str) -> tuple[Pool, ...]:
    """Raises ConfigError."""
    from fapws.settings import ini

    return ini.read(path, look=False).pools


def _longest_start(config: Config) -> float:
    """Seconds: a canary in each pool, then the rest; each may be tried twice."""
    return 2 * sum(pool.boot_timeout for pool in config.pools) + MARGIN


def _longest_stop(path: str) -> float:
    """Seconds."""
    try:
        pools = _pools(path)
        delay = max(pool.stop_delay for pool in pools)
        return delay + max(pool.drain_timeout for pool in pools) + MARGIN
    except ConfigError:
        return _LONGEST_STOP


def _longest_drain(path: str) -> float:
    """Seconds."""
    try:
        return max(pool.drain_timeout for pool in _pools(path)) + MARGIN
    except ConfigError:
        return _LONGEST_STOP


def _longest_reload(path: str) -> float:
    """Seconds, were every worker to take all the time it may; another reload may be under way."""
    try:
        pools = _pools(path)
    except ConfigError:
        return _LONGEST_STOP
    return 2 * sum((p.workers + 1) * (p.boot_timeout + p.drain_timeout) for p in pools) + MARGIN


if __name__ == "__main__":
    sys.exit(main())
