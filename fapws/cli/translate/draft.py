"""The INI file that comes of a translation, with what is said about it: what had no equal, and why."""

from __future__ import annotations

import os
import textwrap
from typing import NamedTuple

from fapws.settings import options, values
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS

_WIDTH = 100
_LISTS = ("listen", "pythonpath", "static", "trusted_proxies", "forwarded")
"""Options whose second value joins the first."""
_THERE = ("there is no ", "must be a directory", "cannot read ")
"""How mistakes begin that are none where the files and users of the option are."""


class Line(NamedTuple):
    """An option, and the comments above it."""

    key: str
    value: str
    comments: tuple[str, ...] = ()


class Said(NamedTuple):
    """A setting of the old server that is no line of the new file, and why."""

    setting: str
    why: str

    @property
    def text(self) -> str:
        """Both in one."""
        return f"{self.setting}: {self.why}"


class Pool:
    """One ``[app:NAME]``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, Line] = {}
        self.environment: dict[str, Line] = {}


class Draft:
    """The file while it is made. ``pool`` is the one that options of pools go to."""

    def __init__(self, server: str, file: str) -> None:
        self.server = server
        """What the old one is called."""
        self.file = file
        self.master: dict[str, Line] = {}
        self.pools: list[Pool] = []
        self.pool = Pool("app")
        self.unequal: list[Said] = []
        self.always: list[Said] = []
        """What needs no option, because Fapws does so anyway."""
        self.own_limits: list[Said] = []
        """Options whose default bounds what the old server did not."""
        self.lacks: list[str] = []
        """What the file needs before it can serve."""
        self.begin_pool("app")

    def begin_pool(self, name: str) -> None:
        """Options go to this pool from now on."""
        for pool in self.pools:
            if pool.name == name:
                self.pool = pool
                return
        self.pool = Pool(name)
        self.pools.append(self.pool)

    def put(self, key: str, value: str, *comments: str) -> None:
        """An option with what stands above it. The value of a list joins those that are there."""
        lines = self.master if key in MASTER_OPTIONS else self.pool.lines
        value, told = fitting(key, value)
        before = lines.get(key)
        said = tuple(comment for comment in (*comments, told) if comment)
        if before is not None and key in _LISTS:
            parts = values.split_list(before.value)
            value = before.value if value in parts else f"{before.value}, {value}"
            said = (*before.comments, *said)
        elif before is not None and before.value != value:
            said = (*said, f"{before.value} was said before; the last word counts")
        lines[key] = Line(key, value, tuple(dict.fromkeys(said)))

    def unfit(self, key: str, value: str) -> str:
        """Why configtest would refuse an option with this value, whatever is there; empty: it would not."""
        if key in _LISTS and not value:
            return "it is empty"
        option = MASTER_OPTIONS.get(key) or POOL_OPTIONS[key]
        if key == "static":
            others = [one.partition(":") for one in values.split_list(self.value(key))]
            if any(one[0] == value.partition(":")[0] and one[2] != value.partition(":")[2] for one in others):
                return "one folder a path: it has one already"
        try:
            options.parse(option, fitting(key, value)[0], "/")
        except ValueError as error:
            return "" if any(begins in str(error) for begins in _THERE) else f"{key} {error}"
        return ""

    def value(self, key: str) -> str:
        """What an option has so far; empty: nothing."""
        line = self.master.get(key) or self.pool.lines.get(key)
        return line.value if line else ""

    def environ(self, name: str, value: str, *comments: str) -> None:
        """A variable of the pool's environment."""
        self.pool.environment[name] = Line(name, value, tuple(comment for comment in comments if comment))

    def refuse(self, setting: str, why: str) -> None:
        """A setting without an equal, which is told once."""
        if Said(setting, why) not in self.unequal:
            self.unequal.append(Said(setting, why))

    def always_so(self, setting: str, why: str) -> None:
        """A setting that is not needed."""
        self.always.append(Said(setting, why))

    def fit_sizes(self) -> None:
        """The target is a part of the head of a request: neither bound may make a mistake of the other."""
        uri = values.parse_size(self.value("max_uri") or POOL_OPTIONS["max_uri"].default)
        head = values.parse_size(self.value("max_header_size") or POOL_OPTIONS["max_header_size"].default)
        if uri > head and self.value("max_uri"):
            self.put("max_header_size", values.format_size(uri), "the target, bound by max_uri, is a part")
        elif uri > head:
            self.put("max_uri", values.format_size(head), "the target is a part of the head")

    def name_pool(self) -> None:
        """The only pool is called by its application; what fapwsctl finds the server by is there."""
        served = self.value("app").partition(":")[0].partition(".")[0]
        folder, script = os.path.split(self.value("script").partition(":")[0])
        stem = os.path.splitext(script)[0]
        self.pool.name = valid_name(served or (os.path.basename(folder) if stem == "wsgi" else stem))
        self.find_by(self.pool.name)

    def find_by(self, name: str) -> None:
        """pidfile and control, where the old file said nothing of a pidfile."""
        if not self.value("pidfile"):
            told = (
                "for fapwsctl; relative paths start at the folder of this file (production: /var/run/fapws/)"
            )
            self.put("pidfile", f"{name}.pid", told)
            self.put("control", f"{name}.sock")

    def text(self) -> str:
        """The INI file."""
        written = [
            *_comment(f"Translated from {self.file}, a configuration of {self.server}. What each line comes "
                      "from stands above it; what has no equal stands at the end."),
            *(line for lack in self.lacks for line in _comment(f"TO DO: {lack}")),
            "",
            "[fapws]",
        ]  # fmt: skip
        for line in self.master.values():
            written += _option(line)
        for pool in self.pools:
            written += ["", f"[app:{pool.name}]"]
            for line in pool.lines.values():
                written += _option(line)
            written += _hints(pool)
            if pool.environment:
                written += ["", f"[app:{pool.name}:env]"]
                for line in pool.environment.values():
                    written += _option(line)
        written += self._ends()
        return "\n".join(written) + "\n"

    def _ends(self) -> list[str]:
        written: list[str] = []
        parts = (
            (f"Limits that {self.server} did not have here, and Fapws has by itself:", self.own_limits),
            ("Needs no option, because Fapws does so anyway:", self.always),
            ("WITHOUT EQUAL in Fapws:", self.unequal),
        )
        for title, said in parts:
            if said:
                written += ["", f"; {title}"]
                written += [line for one in said for line in _comment(f"- {one.text}", "    ")]
        return written


_DJANGO = (
    "{by} reads urls.py only with the first request; with this line, HOST one of ALLOWED_HOSTS, a reload "
    "tries it before clients come, and what is broken changes nothing."
)
_PACKAGES = (
    "Nothing here names the environment with the application's packages: where Fapws is not installed in it, "
    "virtualenv does."
)


def _hints(pool: Pool) -> list[str]:
    """Options that the old server did not have, where what it says shows that they are wanted."""
    served = (pool.lines.get("app") or pool.lines.get("script") or Line("", "")).value.partition(":")[0]
    if not served:
        return []
    written: list[str] = []
    path = pool.lines["pythonpath"].value if "pythonpath" in pool.lines else ""
    if "virtualenv" not in pool.lines and "site-packages" not in path:
        written += ["", *_comment(_PACKAGES), "#virtualenv = .venv"]
    named = "DJANGO_SETTINGS_MODULE" in pool.environment
    if "warmup" not in pool.lines and (named or served.endswith((".wsgi", "/wsgi.py"))):
        by = (
            "Django (DJANGO_SETTINGS_MODULE is set)"
            if named
            else f"Django, if {served} is of such a project,"
        )
        written += ["", *_comment(_DJANGO.format(by=by)), "#warmup = GET http://HOST/ 200"]
    return written


def fitting(key: str, value: str) -> tuple[str, str]:
    """A value within the bounds of its option, and what is to be said if it was not."""
    option = MASTER_OPTIONS.get(key) or POOL_OPTIONS[key]
    if not option.high or not value:
        return value, ""
    try:
        options.parse(option, value, "/")
    except ValueError as error:
        if not str(error).startswith("must be from"):
            return value, ""  # a mistake that is not one of size: configtest tells it
        number = _number(option.kind, value)
        bound = option.low if number < option.low else option.high
        text = options.format_value(option, bound)
        return text, f"it was {value}, but {error}"
    return value, ""


def valid_name(text: str) -> str:
    """What a pool may be called."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-._") else "-" for letter in text
    )
    return kept.strip("-.") or "app"


def _number(kind: str, value: str) -> float:
    parse = {"time": values.parse_time, "size": values.parse_size}.get(kind, values.parse_integer)
    return parse(value)


def _option(line: Line) -> list[str]:
    written = [text for comment in line.comments for text in _comment(comment)]
    return [*written, f"{line.key} = {line.value}".rstrip()]


def _comment(text: str, indent: str = "  ") -> list[str]:
    """Lines of a comment; what a file of somebody else has said cannot leave it."""
    flat = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(
        flat, _WIDTH, initial_indent="; ", subsequent_indent=f";{indent}", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
