"""Configurations of other servers (tests/cli/others and shapes), put into a folder of a test: paths, ports
and users are made those of the test, and what they name is there, with a stand-in for each application."""

from __future__ import annotations

import grp
import os
import pwd
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from fapws.cli.arguments import parse_arguments
from fapws.cli.find_server import Result
from fapws.cli.translate import command
from fapws.settings.options import POOL_OPTIONS
from fapws.settings.processors import processors
from fapws.settings.scan import Scan, scan
from fapws.settings.values import split_list
from support.ports import unused_port
from support.rooted import OTHER
from support.tree import TREE

OTHERS = TREE / "tests" / "cli" / "others"
SHAPES = TREE / "tests" / "cli" / "shapes"
CPUS = processors().workers
_PATH = re.compile(r"(?<![\w/.$])/(?:srv|var|run|app|tmp)(?=[/$\"',\s]|$)", re.M)
_PORT = re.compile(r"(?:(?<=[:\"'])|(?<=, ))8[0-4]\d\d(?=[\"'\s,;)\]]|$)", re.M)
_USER = re.compile(r"(?<=[\"':=\s])(?:www-data|nobody)(?=[\"':&,\s]|$)", re.M)
STAND_IN = """
import os, resource  # which the master has: its user may not be able to read the standard library

def {name}(environ, start_response):
    body = repr({{
        "pid": os.getpid(),
        "uid": os.getuid(),
        "cwd": os.getcwd(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "environment": dict(os.environ),
        "mounted": environ["SCRIPT_NAME"],
    }}).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Expected(NamedTuple):
    """What comes of one file; paths, ports and users are the file's own."""

    pools: dict[str, dict[str, str]]
    """Options that must be as they are here."""
    unequal: tuple[str, ...] = ()
    """How the settings without an equal begin, all of them."""
    master: dict[str, str] = {}  # noqa: RUF012  # never changed
    environment: dict[str, str] = {}  # noqa: RUF012
    application: str = ""
    """What its server's command line names; empty: the file does."""
    given: dict[str, str] = {}  # noqa: RUF012
    """Variables that its server is started with."""
    to_do: tuple[str, ...] = ()
    """How what is left to do begins."""


class Site:
    """One configuration in a folder."""

    def __init__(self, source: Path, root: Path, expected: Expected) -> None:
        self._root = root
        self._ports: dict[str, str] = {}
        user = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam(OTHER)
        self.uid = user.pw_uid
        """Of the users that it names."""
        self._user = user.pw_name
        self._gid = user.pw_gid
        self.file = root / "etc" / source.name
        self.file.parent.mkdir(parents=True)
        self.file.write_text(self.here(source.read_text(encoding="utf-8")), encoding="utf-8")
        words = ["translate", str(self.file), *filter(None, [expected.application])]
        given = {name: self.here(value) for name, value in expected.given.items()}
        with mock.patch.dict(os.environ, given):
            self.result: Result = command.translate(parse_arguments(words))
        self.text = str(self.result.values["ini"])
        self.ini = root / "site.ini"
        self.ini.write_text(self.text, encoding="utf-8")
        self.found: Scan = scan(self.text.encode(), "site.ini")

    def here(self, text: str) -> str:
        """A text of the original, with paths, ports and users of the test."""
        text = _PATH.sub(lambda found: f"{self._root}{found[0]}", text)
        text = _PORT.sub(lambda found: self._port(found[0]), text)
        group = re.sub(
            r"((?:group|gid)[ =\"':]+|www-data:)www-data", lambda found: found[1] + self._group(), text
        )
        numbers = re.sub(r"(?m)^uid = 1000$", f"uid = {self.uid}", group)
        numbers = re.sub(r"(?m)^gid = 1000$", f"gid = {self._gid}", numbers)
        return _USER.sub(self._user, numbers)

    def option_here(self, key: str, value: str) -> str:
        """An option of the original, likewise."""
        owners = {"user": self._user, "group": self._group()}
        if value == "1000" and key in owners:
            return str(self.uid if key == "user" else self._gid)
        return owners.get(key) or self.here(value)

    def _group(self) -> str:
        return grp.getgrgid(pwd.getpwnam(self._user).pw_gid).gr_name

    def _port(self, port: str) -> str:
        if port not in self._ports:
            self._ports[port] = str(unused_port())
        return self._ports[port]

    def sections(self) -> dict[str, dict[str, str]]:
        """The INI file as it is written."""
        return {one.name: {entry.key: entry.value for entry in one.entries} for one in self.found.sections}

    def pools(self) -> dict[str, dict[str, str]]:
        """The sections of pools."""
        found = self.sections()
        return {name[4:]: found[name] for name in found if name.startswith("app:") and name.count(":") == 1}

    # ---- What stands there -----------------------------------------------------------------------

    def furnish(self) -> None:
        """Makes every folder that is named, and the applications."""
        for section in self.sections().values():
            for key, value in section.items():
                self._make_place(key, value)
        for pool in self.pools().values():
            if "app" in pool:
                place = Path(split_list(pool["pythonpath"])[0] if "pythonpath" in pool else pool["directory"])
                self._make_module(place, *pool["app"].split(":"))
            elif "script" in pool:
                path, _, name = pool["script"].partition(":")
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(STAND_IN.format(name=name or "application"))
        for folder in [self._root, *self._root.rglob("*")]:
            if folder.is_dir():
                folder.chmod(0o777)

    def _make_place(self, key: str, value: str) -> None:
        kind = POOL_OPTIONS[key].kind if key in POOL_OPTIONS else ""
        if kind in ("directory", "directories", "spool"):
            for part in split_list(value):
                Path(part).mkdir(parents=True, exist_ok=True)
        elif kind == "statics":
            for part in split_list(value):
                folder = Path(part.partition(":")[2])
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "stand-in.txt").write_text("a file")
        elif kind == "virtualenv":
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            python = "pypy" if sys.implementation.name == "pypy" else "python"
            (Path(value) / "lib" / f"{python}{version}" / "site-packages").mkdir(parents=True, exist_ok=True)
            (Path(value) / "pyvenv.cfg").write_text(f"version = {version}.0\n")
        elif kind == "addresses":
            for part in split_list(value):
                if part.startswith("unix:"):
                    Path(part[5:].partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)
        elif key in ("access_log", "error_log", "pidfile", "control") and value.startswith("/"):
            Path(value).parent.mkdir(parents=True, exist_ok=True)

    def _make_module(self, place: Path, module: str, name: str) -> None:
        *packages, last = module.split(".")
        folder = place
        folder.mkdir(parents=True, exist_ok=True)
        for package in packages:
            folder = folder / package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        if name.endswith("()"):
            text = STAND_IN.format(name="made") + f"\ndef {name[:-2]}():\n    return made\n"
        else:
            text = STAND_IN.format(name=name)
        (folder / f"{last}.py").write_text(text)


def unequal(site: Site) -> list[str]:
    """The settings that are said to have no equal."""
    found: list[Any] = list(site.result.values["without_equal"])
    return [setting for setting, _ in found]
