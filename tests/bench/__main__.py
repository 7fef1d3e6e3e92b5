"""What to measure, from the command line or the environment; the order of the steps."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import machine, measure, report, tools
from .install import InstallError, Venv
from .peers import FAPWS, PEERS, Recipe
from .targets import MEMORY
from .workloads import DEFAULT, WORKLOADS

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
OUTPUT = TREE / "build" / "bench"

EXIT_MEASURED = 0
EXIT_FAPWS_NOT_MEASURED = 1
EXIT_CANNOT_MEASURE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not sys.platform.startswith("linux"):
        return _give_up("the bench reads /proc and pins cores with taskset: it needs Linux")
    found = tools.find()
    if options.packages:
        print(" ".join(tools.packages(found.missing)))
        return EXIT_MEASURED
    if found.missing:
        _say(f"missing: {', '.join(found.missing)}")
        _say(f"to install them: {tools.install_command(found.missing)}")
    if found.python is None or any(name in found.missing for name in tools.INDISPENSABLE):
        return _give_up("nothing can be measured without them")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _give_up("another bench is running in this tree")
        return _bench(options, found)


def _bench(options: argparse.Namespace, found: tools.Tools) -> int:
    _raise_descriptor_limit()
    scratch, logs = OUTPUT / "run", OUTPUT / "logs"
    shutil.rmtree(scratch, ignore_errors=True)
    logs.mkdir(exist_ok=True)
    try:
        server_core, client_core = measure.cores()
        venv = Venv(found.python or sys.executable, OUTPUT / "venv", logs)
    except (OSError, InstallError) as error:
        return _give_up(str(error))
    recipes = [FAPWS, *(PEERS[name] for name in options.peers)]
    absent = _install(recipes, venv, found)
    recipes = [recipe for recipe in recipes if recipe.name not in absent]
    setting = measure.Setting(
        venv.bin, HERE / "apps", scratch, server_core, client_core, options.rounds, options.seconds
    )
    neighbours = machine.Neighbours()
    memory = measure.memory(recipes, setting, _say) if options.memory else []
    speed = {}
    for name in options.only:
        if WORKLOADS[name].tool in found.missing:
            _say(f"{name}: not measured, {WORKLOADS[name].tool} is missing")
            continue
        speed[name] = measure.speed(recipes, WORKLOADS[name], setting, _say)
    outcome = report.Outcome(
        machine=machine.describe(str(venv.bin / "python")),
        versions={recipe.name: machine.version(recipe, venv) for recipe in recipes},
        neighbours=neighbours.cores(),
        absent=absent,
        rounds=options.rounds,
        seconds=options.seconds,
        speed=speed,
        memory=memory,
    )
    _write(outcome)
    measured = all("fapws" in figures for name, figures in report.costs(outcome).items() if name in speed)
    return EXIT_MEASURED if measured else EXIT_FAPWS_NOT_MEASURED


def _install(recipes: Sequence[Recipe], venv: Venv, found: tools.Tools) -> dict[str, str]:
    """Install what is asked for. Returns what could not be, and why."""
    absent = {}
    for recipe in recipes:
        _say(f"installing: {recipe.name}")
        try:
            if recipe is FAPWS:
                venv.install_tree(TREE, OUTPUT)
            elif recipe.distribution:
                venv.require(recipe.distribution)
            elif tools.program(recipe.name) is None:
                raise InstallError("not installed on this system: " + tools.install_command(found.missing))
        except (InstallError, OSError) as error:
            absent[recipe.name] = str(error)
            _say(f"{recipe.name}: {error}")
    return absent


def _write(outcome: report.Outcome) -> None:
    as_text = report.text(outcome)
    (OUTPUT / "results.txt").write_text(as_text)
    (OUTPUT / "results.json").write_text(json.dumps(report.as_json(outcome), indent=2) + "\n")
    print(as_text, end="", flush=True)
    _say(f"written: {OUTPUT.relative_to(TREE)}/results.txt and results.json")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Fapws beside its peers. Each option may also be given in the environment.",
    )
    parser.add_argument(
        "--only",
        metavar="NAMES",
        default=os.environ.get("ONLY") or ",".join((*DEFAULT, MEMORY)),
        help=f"of {', '.join((*WORKLOADS, MEMORY))} (ONLY; default: %(default)s)",
    )
    parser.add_argument(
        "--peers",
        metavar="NAMES",
        default=os.environ.get("PEERS") or ",".join(PEERS),
        help="beside fapws (PEERS; default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=os.environ.get("ROUNDS") or "5",
        help="(ROUNDS; default: 5)",
    )
    parser.add_argument(
        "--seconds",
        type=_positive,
        default=os.environ.get("SECONDS_PER_ROUND") or "5",
        help="of a round (SECONDS_PER_ROUND; default: 5)",
    )
    parser.add_argument(
        "--packages",
        action="store_true",
        help="print the Debian packages that are missing, and end",
    )
    options = parser.parse_args(arguments)
    only = _names(parser, options.only, (*WORKLOADS, MEMORY))
    options.memory = MEMORY in only
    options.only = [name for name in only if name != MEMORY]
    options.peers = _names(parser, options.peers, tuple(PEERS))
    return options


def _names(parser: argparse.ArgumentParser, text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            parser.error(f"unknown name {name!r}, choose from {', '.join(known)}")
    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _raise_descriptor_limit() -> None:
    """The servers and clients inherit it; ab alone opens 1,000 connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))


def _give_up(why: str) -> int:
    _say(why)
    return EXIT_CANNOT_MEASURE


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
