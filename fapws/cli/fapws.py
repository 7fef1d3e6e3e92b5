"""The ``fapws`` command: serves in the foreground, with the same master and workers as the daemon.

This process becomes the master: what is imported here stays in its memory.
"""

from __future__ import annotations

import sys

from fapws import __version__
from fapws.cli.import_path import forget_own_directory
from fapws.cli.standard_streams import have_standard_streams
from fapws.settings.apart import read_apart
from fapws.settings.problems import ConfigError, UsageError
from fapws.settings.source import Source, working_directory
from fapws.visible import visible

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_CONFIGURED = 6
EXIT_INTERRUPTED = 130
"""What a shell makes of SIGINT."""

USAGE = (
    "usage: fapws [-c INI] [-b ADDRESS]... [-w N] [--max-body-size SIZE] [--reload] [--strict-paths]\n"
    "             [--static PATH=FOLDER]... [--selftest[=SECONDS]] [--version] [-h] [APP] [-- ARG...]"
)
EXAMPLES = """
  fapws hello.py                           serve a file with PATHS, application or app
  fapws mysite.wsgi:application            a module's callable; mysite is looked for here
  fapws 'shop:create_app()'                what a factory makes
  fapws --reload hello.py                  restart when a source file changes
  fapws -w 4 -b :80 -b unix:/tmp/s hello.py   four workers, two addresses
  fapws prog.py -- --verbose one           prog.py finds --verbose and one in sys.argv
  fapws --static /=/srv/www                files of a folder, without an application
  fapws -c /etc/fapws.ini                  what an INI file says, in the foreground
  fapws init                               write an INI file, a unit and more, and say what to do next
"""
HELP = """
APP            package.module:callable, module:factory(), file.py, file.py:callable
-c, --config   INI file; APP then takes the place of its one pool's application
-b, --bind     host:port, [IPv6]:port, :port, unix:PATH, fd:N; default 127.0.0.1:8888
-w, --workers  worker processes; default 1
--max-body-size SIZE   largest request content, as 512k, 50m, 2g; default 10m
--reload       restart the workers when a source file of the application changes, and show what fails
               in the browser
--static PATH=FOLDER   files of a folder, which the core serves; with or without an APP
--strict-paths route PATHS and fapws3's routes by WSGI's rule instead of fapws3's
--selftest     100 seconds (or =SECONDS) of the essential on this machine, as a report to mail
--version      print the version
-h, --help     print this
-- ARG...      the program's own arguments, its sys.argv[1:]

A start as a daemon, reloads and status: fapwsctl -h
"""


_TELLING = frozenset(("-h", "--help", "--version"))


def main(argv: list[str] | None = None) -> int:
    """Runs the command; argv without the program's name. Returns the exit code."""
    forget_own_directory()
    have_standard_streams()
    words = sys.argv[1:] if argv is None else argv
    try:
        if not words:
            print(f"{USAGE}\n{EXAMPLES}", end="", file=sys.stderr)
            return EXIT_USAGE
        if words[0] == "init":
            from fapws.cli.init import command

            return command.main(words[1:])
        try:
            directory = working_directory(*words)
        except OSError as error:
            raise UsageError(f"the current directory cannot be used: {error.strerror}") from None
        told = _told(words)
        return _run(words, directory) if told is None else told
    except UsageError as error:
        print(f"fapws: {visible(str(error))}\n{USAGE}", file=sys.stderr)
        return EXIT_USAGE
    except ConfigError as error:
        print(visible(str(error)), file=sys.stderr)
        return EXIT_NOT_CONFIGURED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _told(words: list[str]) -> int | None:
    """The exit status, if it was asked for its version, for help or for a test of itself; else None."""
    if not any(word in _TELLING or word.startswith("--selftest") for word in words):
        return None
    from fapws.settings.command_line import parse_arguments  # else another process takes the words apart

    arguments = parse_arguments(words, "/")
    if arguments.action == "version":
        print(f"fapws {__version__}")
    elif arguments.action == "help":
        print(f"{USAGE}\n{EXAMPLES}{HELP}", end="")
    elif arguments.action == "selftest":
        from fapws.cli import selftest

        return selftest.run(arguments.seconds)
    return 0 if arguments.action else None


def _import_master() -> None:
    """While the configuration is read."""
    import fapws.supervisor.master  # noqa: F401


def _run(words: list[str], directory: str) -> int:
    source = Source(words=tuple(words), directory=directory)
    try:
        config = read_apart(source, _import_master)
    except OSError as error:
        print(f"fapws: cannot start: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED
    from fapws.supervisor.master import run

    return run(config, source)
