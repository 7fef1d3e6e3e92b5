"""The command line of fapwsctl."""

from __future__ import annotations

from fapws import __version__
from fapws.cli.find_server import Ended
from fapws.lean import NamedTuple, NoReturn
from fapws.supervisor.errors import DONE, USAGE

DEFAULT_FILE = "/etc/fapws.ini"

USAGE_TEXT = f"""\
usage: fapwsctl [-c FILE] [-j] [-t SECONDS] COMMAND

  start [-F]   start in the background and wait until it serves; -F: stay in the foreground
  stop         finish what is under way, then end
  restart      stop, then start
  reload       read configuration and application again, without losing a request
  rollback [POOL]
               go back to what the last reload has replaced (preload, rollback_window)
  upgrade      run new code of Fapws itself, in the same process, without losing a request
  reopen       open the log files again, after they were renamed
  scale POOL N give a pool N workers, until the next reload
  drain [POOL] be not ready for clients, serve on, and wait until nothing is in flight
  undrain [POOL]
               be ready again
  status       show the workers
  stack [-a] [POOL[/N]]
               show the Python stacks of workers, with the requests in hand;
               -a: with the server's own calls below the application
  top [-d SECONDS] [-b] [-n TIMES]
               show what they do in each interval (2 s), drawn again and again; -b: printed
  profile [-m] POOL/N [SECONDS]
               show where a worker spends its time (10 s); -m: what its memory grows by
  why          show what has failed last, with what is known of it, and what to do next
  health       exit 0 if every pool serves as configured
  configtest   check the configuration, touch nothing
  dump         show every option's value in force and where it comes from
  translate [-x] FILE [APP]
               print the INI file that a configuration of gunicorn, uWSGI or Unit means;
               -x: run a gunicorn.conf.py for what cannot be told from its text

  -c, --config FILE      the configuration (default: {DEFAULT_FILE})
  -j, --json             reply with one JSON object
  -t, --timeout SECONDS  wait no longer (default: what the configuration's own timeouts allow)
  --version              print the version

exit codes: 0 done, 1 failed, 2 usage, 4 not allowed, 6 not configured, 7 not running;
of status: 0 running, 1 dead with a pidfile, 3 stopped, 4 unknown
"""


class Options(NamedTuple):
    """The command line."""

    command: str
    file: str = DEFAULT_FILE
    json: bool = False
    seconds: float | None = None
    foreground: bool = False
    delay: float = 2.0
    """Seconds between two looks of top."""
    batch: bool = False
    """Whether top prints instead of drawing."""
    all: bool = False
    """Whether stack shows the server's own calls too."""
    memory: bool = False
    """Whether profile looks at memory."""
    execute: bool = False
    """Whether translate runs the file."""
    times: int = 0
    """How many times; 0: until it is told to end."""
    arguments: tuple[str, ...] = ()
    """What stands behind the command."""


class Words(NamedTuple):
    """How many words stand behind a command."""

    least: int = 0
    most: int = 0


COMMANDS = {
    "start": Words(),
    "stop": Words(),
    "restart": Words(),
    "reload": Words(),
    "rollback": Words(0, 1),
    "upgrade": Words(),
    "reopen": Words(),
    "scale": Words(2, 2),
    "drain": Words(0, 1),
    "undrain": Words(0, 1),
    "status": Words(),
    "stack": Words(0, 1),
    "top": Words(),
    "profile": Words(1, 2),
    "why": Words(),
    "health": Words(),
    "configtest": Words(),
    "dump": Words(),
    "translate": Words(1, 2),
}


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
            options = options._replace(seconds=_seconds(word, _value(word, rest)))
        elif word in ("-d", "--delay"):
            options = options._replace(delay=_seconds(word, _value(word, rest)))
        elif word in ("-n", "--times"):
            options = options._replace(times=_number(word, _value(word, rest)))
        elif word in ("-a", "--all"):
            options = options._replace(all=True)
        elif word in ("-m", "--memory"):
            options = options._replace(memory=True)
        elif word in ("-x", "--execute"):
            options = options._replace(execute=True)
        elif word in ("-b", "--batch"):
            options = options._replace(batch=True)
        elif word in ("-j", "--json"):
            options = options._replace(json=True)
        elif word in ("-F", "--foreground"):
            options = options._replace(foreground=True)
        elif word in COMMANDS and not options.command:
            options = options._replace(command=word)
        elif word and options.command and len(options.arguments) < COMMANDS[options.command].most:
            options = options._replace(arguments=(*options.arguments, word))
        else:
            usage(f"{word!r} is not understood")
    if not options.command:
        usage("no command")
    least = COMMANDS[options.command].least
    if len(options.arguments) < least:
        usage(f"{options.command} needs {least} {'word' if least == 1 else 'words'} behind it")
    if options.foreground and options.command != "start":
        usage("-F goes with start only")
    if options.command != "top" and (options.batch, options.times, options.delay) != (False, 0, 2.0):
        usage("-b, -d and -n go with top only")
    if options.all and options.command != "stack":
        usage("-a goes with stack only")
    if options.memory and options.command != "profile":
        usage("-m goes with profile only")
    if options.execute and options.command != "translate":
        usage("-x goes with translate only")
    return options


def _value(option: str, rest: list[str]) -> str:
    if not rest:
        usage(f"{option} needs a value")
    return rest.pop(0)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        usage(f"{option} takes a number of seconds, not {text!r}")
    return seconds


def _number(option: str, text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10**9:
        usage(f"{option} takes a number from 1 on, not {text!r}")
    return int(text)


def usage(complaint: str) -> NoReturn:
    """The command line makes no sense. Raises Ended."""
    raise Ended(USAGE, f"fapwsctl: {complaint}\n{USAGE_TEXT}")
