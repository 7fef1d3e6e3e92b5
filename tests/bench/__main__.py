"""The command line; the order of the steps."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import (
    crowd,
    fair,
    machine,
    markdown,
    measure,
    memory,
    network,
    plan,
    plot,
    preload,
    startup,
    syscalls,
    tools,
)
from .install import InstallError, Venv, build_floor, build_load
from .peers import FAPWS, PEERS, Recipe
from .results import Json, Outcome, as_json, merge
from .text import text
from .workloads import DEFAULT, GROUPS, WORKLOADS, write_files

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
OUTPUT = TREE / "build" / "bench"
BESIDE = ("memory", "startup", "syscalls", "fair", "crowd")
"""What is measured beside the workloads."""
ASKED = ("preload",)
"""Likewise, but only when it is asked for: a whole run has no time for it."""

EXIT_MEASURED = 0
EXIT_FAPWS_NOT_MEASURED = 1
EXIT_CANNOT_MEASURE = 2


class Venvs:
    """Two at most: one for CPython, one for PyPy, each made when the first server needs it."""

    def __init__(self, found: tools.Tools, logs: Path) -> None:
        self._found = found
        self._logs = logs
        self._made: dict[bool, Venv] = {}

    def of(self, recipe: Recipe) -> Venv:
        """Raises InstallError."""
        if recipe.pypy not in self._made:
            if recipe.pypy:
                pypy = tools.program("pypy3")
                if pypy is None:
                    raise InstallError("pypy3 is not installed on this system")
                self._made[True] = Venv(pypy, OUTPUT / "venv-pypy", self._logs, copies=False)
            else:
                python = self._found.python or sys.executable
                self._made[False] = Venv(python, OUTPUT / "venv", self._logs)
        return self._made[recipe.pypy]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.render:
        return _render(options.render)
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
    # So that the servers are ended too: each is in a session of its own.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _give_up("another bench is running in this tree")
        return _bench(options, found)


def _bench(options: argparse.Namespace, found: tools.Tools) -> int:
    memory.allow_descriptors()
    scratch, logs, public = OUTPUT / "run", OUTPUT / "logs", OUTPUT / "public"
    shutil.rmtree(scratch, ignore_errors=True)
    logs.mkdir(exist_ok=True)
    venvs = Venvs(found, logs)
    recipes = [FAPWS, *(PEERS[name] for name in options.peers)]
    try:
        server_core, client_core = measure.cores()
        write_files(public)
        build_load(HERE / "load.c", OUTPUT / "load")
    except (OSError, InstallError) as error:
        return _give_up(str(error))
    names = [name for name in options.workloads if _can(name, found)]
    frameworks = {one for name in names for one in WORKLOADS[name].frameworks}
    frameworks |= set(preload.FRAMEWORKS) if "preload" in options.beside else set()
    absent = _install(recipes, sorted(frameworks), venvs, found)
    recipes = [recipe for recipe in recipes if recipe.name not in absent]
    reached = network.enter()  # not before: what is installed comes from outside
    _say(f"congestion control: {reached}")
    setting = measure.Setting(
        OUTPUT / "venv" / "bin",
        OUTPUT / "venv-pypy" / "bin",
        HERE / "apps",
        scratch,
        public,
        OUTPUT / "load",
        server_core,
        client_core,
    )
    made = _plan(options, recipes, names)
    neighbours = machine.Neighbours()
    outcome = Outcome(
        machine=machine.describe(str(setting.bin / "python"), reached),
        versions={recipe.name: machine.version(recipe, venvs.of(recipe)) for recipe in recipes},
        neighbours=0.0,
        absent=absent,
        plan=made,
    )
    outcome = _measure(outcome, options, recipes, names, setting)
    outcome = outcome._replace(neighbours=neighbours.cores())
    data = as_json(outcome)
    _write(data, "results" if options.whole else "quick")
    return EXIT_MEASURED if _fapws_measured(data) else EXIT_FAPWS_NOT_MEASURED


def _measure(
    outcome: Outcome,
    options: argparse.Namespace,
    recipes: Sequence[Recipe],
    names: Sequence[str],
    setting: measure.Setting,
) -> Outcome:
    made, beside = outcome.plan, options.beside
    whole = _doing("memory", recipes)
    if "memory" in beside:
        outcome = outcome._replace(memory=memory.measure(whole, setting, made.rounds, _say))
    if "startup" in beside:
        outcome = outcome._replace(
            startup=startup.measure(whole, setting, made.rounds, _say), imports=startup.imports(setting)
        )
    if "fair" in beside:
        rounds = min(made.rounds, plan.FAIR_ROUNDS)
        outcome = outcome._replace(fair=fair.measure(setting, rounds, made.seconds, _say))
    if "crowd" in beside:
        few = [one for one in whole if options.peers_given or one.name in (FAPWS.name, *crowd.PEERS)]
        rounds = min(made.rounds, plan.CROWD_ROUNDS)
        outcome = outcome._replace(crowd=crowd.measure(few, setting, rounds, _say))
    if "preload" in beside:
        names_there = [one.name for one in recipes]
        outcome = outcome._replace(preload=preload.measure(names_there, setting, _say))
    if "syscalls" in beside:
        traced = [name for name in names if options.names_given] or list(syscalls.WORKLOADS_TRACED)
        told = options.peers_given
        outcome = outcome._replace(syscalls=syscalls.measure(recipes, traced, setting, told, _say))
        if options.names_given:
            return outcome
    speed = {}
    for name in names:
        asked = _asked(options, recipes, name)
        speed[name] = measure.speed(asked, WORKLOADS[name], setting, made, _say)
    return outcome._replace(speed=speed)


def _doing(name: str, recipes: Sequence[Recipe]) -> list[Recipe]:
    return [recipe for recipe in recipes if recipe.does is None or name in recipe.does]


def _asked(options: argparse.Namespace, recipes: Sequence[Recipe], name: str) -> list[Recipe]:
    return [one for one in recipes if measure.asked(one, WORKLOADS[name], options.peers_given)]


def _plan(options: argparse.Namespace, recipes: Sequence[Recipe], names: Sequence[str]) -> plan.Plan:
    """Tells how long it will take, before it does."""
    asked = [
        plan.Cell(measure.near(recipe, WORKLOADS[name]), WORKLOADS[name].fixed)
        for name in names
        for recipe in _asked(options, recipes, name)
    ]
    beside = plan.beside(options.beside, [one.near for one in _doing("memory", recipes)], options.rounds)
    made = plan.make(asked, options.rounds, options.seconds, options.minutes * 60 - beside)
    took = plan.seconds(made, asked) + beside
    _say(
        f"{len(asked)} servers under workloads, {made.rounds} rounds of {made.seconds:g} s "
        f"({made.far_rounds} of {made.far_seconds:g} s for slow servers): about {took / 60:.0f} min"
    )
    if took > options.minutes * 60:
        _say(f"more than the {options.minutes} min of MINUTES: choose with ONLY, PEERS, ROUNDS, SECONDS")
    return made


def _install(
    recipes: Sequence[Recipe], frameworks: Sequence[str], venvs: Venvs, found: tools.Tools
) -> dict[str, str]:
    """Install what is asked for. Returns the servers that could not be, and why."""
    absent = {}
    for name in frameworks:
        try:
            venvs.of(FAPWS).require(name)
        except (InstallError, OSError) as error:
            _say(f"{name}: {error}")  # its workloads then fail for every server
    for recipe in recipes:
        try:
            if recipe.distribution == FAPWS.distribution:
                _say(f"installing: {recipe.name}")
                venvs.of(recipe).install_tree(TREE)
            elif recipe.built:
                build_floor(HERE / "floor.c", venvs.of(recipe))
            elif recipe.distribution:
                venvs.of(recipe).require(recipe.distribution)
            elif tools.program(recipe.name) is None:
                raise InstallError("not installed on this system: " + tools.install_command(found.missing))
        except (InstallError, OSError) as error:
            absent[recipe.name] = str(error)
            _say(f"{recipe.name}: {error}")
    return absent


def _can(name: str, found: tools.Tools) -> bool:
    missing = {WORKLOADS[name].tool, *(["chrt"] if WORKLOADS[name].burst else [])} & set(found.missing)
    if missing:
        _say(f"{name}: not measured, {', '.join(sorted(missing))} is missing")
    return not missing


def _fapws_measured(data: Json) -> bool:
    rows = [row for name in (*BESIDE, *ASKED) for row in data[name]]
    for workload in data["speed"].values():
        rows += workload["servers"]
    ours = [row for row in rows if row.get("server", "fapws") == "fapws"]
    return bool(ours) and not any(row["failure"] for row in ours)


def _write(data: Json, name: str) -> None:
    as_text = text(data)
    (OUTPUT / f"{name}.txt").write_text(as_text)
    (OUTPUT / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (OUTPUT / f"{name}.svg").write_text(plot.svg(data))
    print(as_text, end="", flush=True)
    _say(f"written: {OUTPUT.relative_to(TREE)}/{name}.txt, {name}.json and {name}.svg")


def _render(files: str) -> int:
    """Put the tables and the plot of a run, or of several, where people read them."""
    data: Json | None = None
    try:
        for file in files.split(","):
            one = json.loads(Path(file).read_text())
            data = merge(data, one) if data else one
        if not data:
            return _give_up("no JSON to render")
        for path, pieces in markdown.pages(data).items():
            page = TREE / path
            page.write_text(markdown.put(page.read_text(), pieces))
            _say(f"written: {path}")
    except (OSError, ValueError, KeyError) as error:
        return _give_up(f"{files}: {error!r}")
    (TREE / markdown.PLOT).write_text(plot.svg(data))
    _say(f"written: {markdown.PLOT}")
    return EXIT_MEASURED


def _options(arguments: Sequence[str] | None, environ: Mapping[str, str] = os.environ) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Fapws beside its peers. An option may also be given to make: `make bench ONLY=hello`.",
    )
    add = parser.add_argument
    known = (*WORKLOADS, *GROUPS, *BESIDE, *ASKED)
    add("--only", metavar="NAMES", default=environ.get("ONLY"), help=f"(ONLY) of {', '.join(known)}")
    add("--peers", metavar="NAMES", default=environ.get("PEERS"), help=f"(PEERS) of {', '.join(PEERS)}; none")
    rounds = environ.get("ROUNDS") or str(plan.ROUNDS)
    add("--rounds", type=_positive, default=rounds, help=f"(ROUNDS; default: {plan.ROUNDS})")
    seconds = environ.get("SECONDS") or None
    help_seconds = "(SECONDS) of a round; default: as MINUTES allow"
    add("--seconds", type=_positive_part, default=seconds, help=help_seconds)
    minutes = environ.get("MINUTES") or str(plan.MINUTES)
    add(
        "--minutes",
        type=_positive,
        default=minutes,
        help=f"(MINUTES; default: {plan.MINUTES}) of the whole run",
    )
    add("--packages", action="store_true", help="print the Debian packages that are missing, and end")
    rendered = "write tables and plot of a run's JSON, or of several, into README.md and docs/"
    add("--render", metavar="FILES", help=rendered)
    options = parser.parse_args(arguments)
    only = _names(parser, options.only or ",".join((*DEFAULT, *BESIDE)), known)
    only = [name for given in only for name in GROUPS.get(given, (given,))]
    options.workloads = [name for name in only if name in WORKLOADS]
    options.beside = [name for name in only if name in (*BESIDE, *ASKED)]
    options.names_given = bool(options.only)
    options.peers_given = bool(options.peers)
    options.whole = not options.only and not options.peers
    if options.peers == "none":
        options.peers = []
    else:
        options.peers = _names(parser, options.peers or ",".join(PEERS), tuple(PEERS))
    return options


def _names(parser: argparse.ArgumentParser, given: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            parser.error(f"unknown name {name!r}, choose from {', '.join(known)}")
    return names


def _positive(given: str) -> int:
    number = int(given)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _positive_part(given: str) -> float:
    number = float(given)
    if not number > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _give_up(why: str) -> int:
    _say(why)
    return EXIT_CANNOT_MEASURE


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
