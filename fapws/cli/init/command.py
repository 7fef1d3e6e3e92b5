"""The command line of ``fapws init``, the questions on a terminal, and the writing."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from fapws.cli.init import files, found
from fapws.cli.init.answers import Answers
from fapws.settings.build import build
from fapws.settings.problems import ConfigError
from fapws.settings.scan import scan
from fapws.visible import visible

USAGE = """\
usage: fapws init [--app APP] [--listen ADDRESS] [--workers N] [--user USER] [--name NAME]
                  [--static PATH=FOLDER] [--system systemd|openbsd|freebsd|none] [--yes] [-h] [DIR]

Writes into DIR (default: here) fapws.ini, a unit or rc.d script, files for logrotate or newsyslog and
nginx, and prints the commands to type next. What is not said is asked for on a terminal; with --yes,
and without a terminal, what is found in DIR is taken. Nothing is overwritten. Without --system the files
are for what runs this machine; none: for one without a service manager that is known here.
"""
DONE, FAILED, BAD_USAGE, BAD_CONFIGURATION = 0, 1, 2, 6
_OPTIONS = {
    "--app": "app",
    "--listen": "listen",
    "-b": "listen",
    "--workers": "workers",
    "-w": "workers",
    "--user": "user",
    "--name": "name",
    "--static": "static",
    "--system": "system",
}


class BadUsage(Exception):
    """Words that make no sense; str() is the reason."""


class CannotWrite(Exception):
    """Nothing was written; str() is the reason."""


class Words(NamedTuple):
    """The command line."""

    directory: str = ""
    given: tuple[tuple[str, str], ...] = ()
    yes: bool = False
    help: bool = False


def main(words: list[str]) -> int:
    """Runs the command; its exit code."""
    try:
        return _run(_parse(words))
    except BadUsage as error:
        print(f"fapws init: {visible(str(error))}\n{USAGE}", end="", file=sys.stderr)
        return BAD_USAGE
    except ConfigError as error:
        print(f"{visible(str(error))}\nfapws init: nothing was written", file=sys.stderr)
        return BAD_CONFIGURATION
    except CannotWrite as error:
        print(f"fapws init: {visible(str(error))}", file=sys.stderr)
        return FAILED
    except (KeyboardInterrupt, EOFError):
        print("\nfapws init: nothing was written", file=sys.stderr)
        return 130


def _parse(words: list[str]) -> Words:
    parsed = Words()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in ("-h", "--help"):
            parsed = parsed._replace(help=True)
        elif word in ("-y", "--yes"):
            parsed = parsed._replace(yes=True)
        elif name in _OPTIONS:
            if not equals and not rest:
                raise BadUsage(f"{name} needs a value")
            value = value if equals else rest.pop(0)
            parsed = parsed._replace(given=(*parsed.given, (_OPTIONS[name], value)))
        elif word.startswith("-") or parsed.directory or not word:
            raise BadUsage(f"{word!r} is not understood")
        else:
            parsed = parsed._replace(directory=word)
    return parsed


def _run(words: Words) -> int:
    if words.help:
        print(USAGE, end="")
        return DONE
    directory = os.path.abspath(words.directory or ".")
    if not os.path.isdir(directory):
        raise BadUsage(f"{directory} is no directory")
    asks = sys.stdin is not None and sys.stdin.isatty() and not words.yes
    answers = _answers(directory, dict(words.given), asks)
    texts = files.all_files(answers)
    made = _make(answers, texts)
    print(f"Written into {directory}: {', '.join(made)}.\n\n{files.next_commands(answers)}", end="")
    return DONE


def _answers(directory: str, given: dict[str, str], asks: bool) -> Answers:
    """What was said, asked and found."""
    proposals = found.look(directory)
    runs_as = found.own_name()
    answers = Answers(directory, runs_as=runs_as)._replace(
        environment=proposals.environment,
        virtualenv=proposals.virtualenv,
        warmup=proposals.warmup,
        hosts=proposals.hosts,
    )
    default = Answers("")
    for name, question, proposal in (
        ("app", "The application (package.module:callable, or file.py)", proposals.app),
        ("listen", "Where to listen (host:port, or unix:PATH for a proxy here)", default.listen),
        ("workers", "Worker processes (a number, or auto)", default.workers),
        ("user", "User of the workers (empty: the one who starts it)", ""),
    ):
        value = given.get(name, proposal)
        if asks and name not in given and (name != "user" or os.geteuid() == 0):
            value = _ask(question, proposal)
        answers = answers.with_answer(name, value)
    if not answers.app and not given.get("static"):
        told = (
            f"no application was found in {directory}: name it by --app, package.module:callable or file.py"
        )
        raise BadUsage(told)
    name = given.get("name") or found.name_of(answers.app) or os.path.basename(directory)
    system = given.get("system") or found.system()
    if system not in files.SYSTEMS:
        raise BadUsage(f"--system takes {', '.join(files.SYSTEMS)}, not {system!r}")
    return answers._replace(
        name=found.valid_name(name),
        system=system,
        static=given.get("static", proposals.static).replace("=", ":", 1),
    )


def _ask(question: str, proposal: str) -> str:
    shown = f"{question} [{proposal}]: " if proposal else f"{question}: "
    return input(shown).strip() or proposal


def _make(answers: Answers, texts: dict[str, str]) -> list[str]:
    """Folders and files, or nothing at all. Raises CannotWrite, ConfigError."""
    there = [name for name in texts if os.path.lexists(os.path.join(answers.directory, name))]
    if there:
        raise CannotWrite(f"{', '.join(there)} of {answers.directory}: is there already; nothing was written")
    made: list[str] = []
    try:
        for folder in ("run", "log"):
            path = os.path.join(answers.directory, folder)
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
                made.append(path)
        ini = texts[files.INI]
        build(scan(ini.encode(), files.INI), files.INI, "", answers.directory, {})
        for name, text in texts.items():
            path = os.path.join(answers.directory, name)
            with open(path, "x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except (OSError, ConfigError) as error:
        _take_back(made)
        if isinstance(error, ConfigError):
            raise
        raise CannotWrite(f"{error.filename}: {error.strerror}; nothing was written") from None
    return [f"{os.path.basename(path)}{'/' if os.path.isdir(path) else ''}" for path in made]


def _take_back(made: list[str]) -> None:
    for path in reversed(made):
        try:
            if os.path.isdir(path):
                os.rmdir(path)
            else:
                os.unlink(path)
        except OSError:
            continue  # somebody has put something there meanwhile
