"""A worker compiles its script without what compile() would leave in its memory, and to the same code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fapws.worker import loader
from fapws.wsgi.accelerated import accelerator

TREE_TYPES = """
import gc
import sys
from fapws.settings.model import Pool
from fapws.worker.loader import load, prepare
pool = Pool("p", script=sys.argv[1])
prepare(pool)
load(pool)
print(sum(isinstance(found, type) and found.__module__ in ("ast", "_ast") for found in gc.get_objects()))
"""
LATE = """
import sys
from fapws.settings.model import Config, Pool
from fapws.supervisor.process.workers import Workers
from fapws.supervisor.waiting import make_waiter
workers = Workers(make_waiter(), print, print)
pool = Pool("p", script=sys.argv[1])
workers.know(Config("", (pool,)))
known = set(sys.modules)
from fapws.worker.loader import load, prepare
prepare(pool)
load(pool)
print(*sorted(set(sys.modules) - known))
"""
SCRIPT = "def application(environ, start_response):\n    return []\n"


def said_by(program: str, script: Path) -> str:
    """What it prints the second time, when no module has to be compiled any more: that calls compile()."""
    script.write_text(SCRIPT)
    run = [sys.executable, "-c", program, str(script)]
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(script.parent / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(2):
        said = subprocess.run(run, env=environ, capture_output=True, text=True, check=True).stdout
    return said.strip()


@pytest.mark.skipif(accelerator is None, reason="without the accelerator there is compile() alone")
def test_no_types_of_a_syntax_tree_are_made_for_a_script(tmp_path: Path) -> None:
    assert said_by(TREE_TYPES, tmp_path / "s.py") == "0"


def test_worker_of_a_script_imports_nothing_but_the_script(tmp_path: Path) -> None:
    """What it needs, the master has: an import would cost each worker 0.3 MB, and find a later version."""
    assert said_by(LATE, tmp_path / "site_of_mine.py") == "site_of_mine"


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"a = 1\r\nb = 2\rc = 3",
        "\ufeffa = 'é'\n".encode(),
        b"# coding: latin-1\na = '\xe9'\n",
        b"from __future__ import annotations\ndef f(a: int = 1, *b: str) -> None:\n    return b\n",
        b"a = '\xe9'",
        b"# coding: nonesuch\n",
        b"a = 1\0",
        b"def f(:\n",
        b"return 1\n",
        b"if 1:\n\ta = 1\n        b = 2\n",
        b"a = (\n",
        b"(" * 1000,
    ],
)
def test_code_and_complaints_are_those_of_compile(source: bytes) -> None:
    def made(compiled: Any) -> Any:
        try:
            return compiled()
        except (SyntaxError, ValueError, MemoryError) as error:
            return type(error), str(error), getattr(error, "text", None)

    usual = made(lambda: compile(source, "/srv/é.py", "exec", dont_inherit=True))
    assert made(lambda: loader._compiled(source, "/srv/é.py")) == usual


@pytest.mark.skipif(accelerator is None, reason="without the accelerator there is compile() alone")
def test_audit_hooks_see_a_script_being_compiled(tmp_path: Path) -> None:
    hook = "import sys\nsys.addaudithook(lambda event, given: event == 'compile' and print(given[1]))\n"
    call = "from fapws.worker.loader import _compiled\n_compiled(b'', sys.argv[1])"
    assert said_by(hook + call, tmp_path / "s.py").splitlines()[-1] == str(tmp_path / "s.py")
