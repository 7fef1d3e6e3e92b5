"""What a Python file assigns, by running it: only where --execute asks for that, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from fapws.cli.translate.python_values import Read, Value

SECONDS = 60.0
_RUN = "the file was run for it"
_RUNNER = """
import json, os, runpy, sys
path, descriptor = sys.argv[1], int(sys.argv[2])
sys.argv = [path]
sys.path.insert(0, os.getcwd())
before = dict(os.environ)
names = runpy.run_path(path)

def plain(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(type(value).__name__)

said = {}
for name, value in names.items():
    if not name.startswith("_"):
        try:
            said[name] = {"value": plain(value)}
        except TypeError as error:
            said[name] = {"kind": str(error)}
with os.fdopen(descriptor, "w") as out:
    changed = {name: value for name, value in os.environ.items() if before.get(name) != value}
    json.dump({"names": said, "environment": changed}, out)
"""


class CannotRun(Exception):
    """The file failed; str() is its traceback, or a sentence."""


def read(path: str, directory: str) -> Read:
    """The names of a file that is run in ``directory``. Raises CannotRun."""
    with tempfile.TemporaryFile() as said:
        number = said.fileno()
        try:
            done = subprocess.run(
                [sys.executable, "-c", _RUNNER, os.path.abspath(path), str(number)],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[number],
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise CannotRun(f"the file has not come to its end in {SECONDS:g} s") from None
        if done.returncode:
            raise CannotRun(done.stderr.decode("utf-8", "replace"))
        said.seek(0)
        found = json.loads(said.read())
    names = {name: _value(value) for name, value in found["names"].items()}
    variables = found["environment"].items()
    changed = {name: Value(value, f"os.environ[{name!r}]", (_RUN,)) for name, value in variables}
    return Read(names, [], changed, [])


def _value(found: dict[str, object]) -> Value:
    if "value" in found:
        return Value(found["value"], repr(found["value"]), (_RUN,))
    kind = str(found["kind"])
    return Value(None, f"a {kind}", (_RUN,), f"it is a {kind}")
