"""fapws/contrib can be deleted, and can be used without Fapws: nothing is tied to it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.server import ROOT, Server

PACKAGE = ROOT / "fapws"
CONTRIB = PACKAGE / "contrib"
LOOKED_FOR = {"fapws.contrib.views"}
"""In sys.modules: whether a program has imported it. Nothing else is done by this name."""


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, as it was built, in which contrib is missing."""
    folder = tmp_path_factory.mktemp("without")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "fapws", ignore=ignored)  # follows the link to supervisor/
    shutil.rmtree(folder / "fapws" / "contrib")
    return folder


WHERE = """
import importlib.util
import fapws

assert fapws.__file__.startswith({folder!r}), fapws.__file__
assert importlib.util.find_spec("fapws.contrib") is None
"""
PLAIN = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"WORD"]
"""
SCRIPT = """
from fapws4.base import Environ, Start_response

SERVER = "127.0.0.1:0"

def hello(environ, start_response):
    start_response.add_header("X-Way", "fapws4")
    return "WORD"

PATHS = [("/", hello)]
"""
PROGRAM = """
import fapws._evwsgi as evwsgi
from fapws import base

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["WORD"]

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", hello))
evwsgi.run()
"""


def get(address: tuple[str, int]) -> bytes:
    connection = HTTPConnection(*address, timeout=20)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("app", [PLAIN, SCRIPT, PROGRAM], ids=["wsgi", "fapws4", "fapws3"])
def test_programs_run_without_contrib(without: Path, app: str) -> None:
    with Server(WHERE.format(folder=str(without)) + app, directory=without) as server:
        assert get(server.address) == b"WORD"  # type: ignore[arg-type]


def test_a_service_starts_reloads_and_stops_without_contrib(without: Path, tmp_path: Path) -> None:
    app, ini, unix = tmp_path / "app.py", tmp_path / "fapws.ini", tmp_path / "s"
    ini.write_text(
        f"[fapws]\npidfile = {tmp_path}/pid\ncontrol = {tmp_path}/control\nerror_log = {tmp_path}/log\n"
        f"[app:one]\nscript = {app}\nlisten = unix:{unix}\nworkers = 2\n"
    )

    def write(word: str) -> None:
        app.write_text(WHERE.format(folder=str(without)) + PLAIN.replace("WORD", word))

    def ctl(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fapws.cli.fapwsctl", "-c", str(ini), *words],
            cwd=without,
            env={**os.environ, "PYTHONPATH": str(without), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        log = tmp_path / "log"
        assert done.returncode == 0, done.stdout + (log.read_text() if log.exists() else "")
        return done.stdout

    write("before")
    ctl("start")
    try:
        assert ask(unix) == b"before"
        write("after")
        ctl("reload")
        assert ask(unix) == b"after"
        assert "one" in ctl("status")
    finally:
        ctl("stop")
    assert not unix.exists()


def ask(path: Path) -> bytes:
    """The content of an answer over a unix socket."""
    import socket

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]


# ---- By the source -------------------------------------------------------------------------------


_DOTTED = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def imports(path: Path, by_name: bool = True) -> Iterator[str]:
    """Every module that a file imports, wherever in it; also what may be one imported by name."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = module_of(path, node)
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif (
            by_name
            and isinstance(node, ast.Constant)
            and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", str(node.value))
        ):
            yield str(node.value)  # for import_module() perhaps; a sentence does not look like this


def module_of(path: Path, node: ast.ImportFrom) -> str:
    """What ``from`` names; a relative import counts from the file's folder."""
    if not node.level:
        return str(node.module)
    folder = path.parents[node.level - 1].relative_to(PACKAGE.parent)
    return ".".join([*folder.parts, *([node.module] if node.module else [])])


def sources(folder: Path) -> list[Path]:
    found = [Path(where) / name for where, _, names in os.walk(folder, followlinks=True) for name in names]
    return sorted(path for path in found if path.suffix == ".py")


def test_no_module_outside_contrib_imports_it() -> None:
    outside = [path for path in sources(PACKAGE) if CONTRIB not in path.parents]
    assert len(outside) > 50, "the package was not found"
    assert any("supervisor" in path.parts for path in outside)
    guilty = [
        f"{path}: {name}"
        for path in outside
        for name in imports(path)
        if (name + ".").startswith("fapws.contrib.") and name not in LOOKED_FOR
    ]
    guilty += [
        f"{path}: {name}" for path in outside for name in imports(path, by_name=False) if name in LOOKED_FOR
    ]
    assert guilty == []


@pytest.mark.skipif(sys.version_info < (3, 10), reason="names of the standard library: from Python 3.10 on")
def test_contrib_imports_only_itself_and_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "django"}  # django: what django_handler is for, at its first use
    guilty = [
        f"{path}: {name}"
        for path in sources(CONTRIB)
        for name in imports(path, by_name=False)
        if name.partition(".")[0] not in allowed and not name.startswith("fapws.contrib.")
    ]
    assert guilty == []
