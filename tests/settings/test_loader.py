"""Loading applications: what is found, and what is told when it is not. Each case in a process of
its own, because the import path, the directory and the environment change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parents[2])
PROGRAM = """
import json, sys
from fapws.settings.model import Pool
from fapws.worker.loader import LoadError, load, prepare
pool = Pool("p", **json.loads(sys.argv[1]))
started = []
try:
    prepare(pool)
    application = load(pool)
    body = application({"PATH_INFO": "/"}, lambda *head: started.append(head))
    result = {"body": [piece.decode() for piece in body]}
except LoadError as error:
    result = {"error": str(error)}
import os
result.update(path=sys.path, cwd=os.getcwd(), env=dict(os.environ), modules=list(sys.modules))
sys.__stdout__.write(json.dumps(result))
"""
HELLO = "def application(environ, start_response):\n    return [b'hello']\n"


class Sandbox:
    """A directory of files, and a process that loads an application from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, name: str, text: str) -> str:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return str(path)

    def load(self, **pool: Any) -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": ROOT, "PYTHONWARNINGS": "error"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is part of what is tested
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(pool)],
            env=environment,
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        loaded: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return loaded

    def app(self, app: str, **pool: Any) -> dict[str, Any]:
        return self.load(app=app, directory=str(self.directory), **pool)

    def script(self, source: str, attribute: str = "", name: str = "s.py") -> dict[str, Any]:
        path = self.write(name, source)
        return self.load(script=path + (f":{attribute}" if attribute else ""))


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


# ---- What is loaded ------------------------------------------------------------------------------


def test_module_and_callable(sandbox: Sandbox) -> None:
    sandbox.write("blog/__init__.py", "")
    sandbox.write("blog/wsgi.py", HELLO)
    assert sandbox.app("blog.wsgi:application")["body"] == ["hello"]


def test_dotted_callable_and_object_with_call(sandbox: Sandbox) -> None:
    source = """
        class A:
            class app:
                def __call__(self, e, s):
                    return [b'x']
            app = app()
    """
    sandbox.write("m.py", source)
    assert sandbox.app("m:A.app")["body"] == ["x"]


def test_factory(sandbox: Sandbox) -> None:
    sandbox.write("m.py", "def make():\n    return lambda e, s: [b'made']\n")
    assert sandbox.app("m:make()")["body"] == ["made"]


@pytest.mark.parametrize("name", ["application", "app"])
def test_script_with_a_callable(sandbox: Sandbox, name: str) -> None:
    assert sandbox.script(HELLO.replace("application", name))["body"] == ["hello"]


def test_script_with_named_callable_and_factory(sandbox: Sandbox) -> None:
    source = "def other(e, s): return [b'other']\ndef make(): return other\n"
    assert sandbox.script(source, "other")["body"] == ["other"]
    assert sandbox.script(source, "make()")["body"] == ["other"]


def test_script_with_paths(sandbox: Sandbox) -> None:
    assert sandbox.script("PATHS = [('/', lambda e, s: 'paths')]")["body"] == ["paths"]


def test_script_is_a_module_of_its_own_name_and_not_main(sandbox: Sandbox) -> None:
    sandbox.write("beside.py", "NAME = 'beside'")
    source = """
        import os, sys
        from beside import NAME
        me = sys.modules[__name__]
        if __name__ == "__main__":
            sys.exit(1)
        def app(e, s):
            return [f"{__name__} {os.path.basename(__file__)} {NAME} {me.app is app}".encode()]
    """
    found = sandbox.script(source)
    assert found["body"] == ["s s.py beside True"]
    assert found["path"][0] == str(sandbox.directory)
    assert "argparse" not in found["modules"] and "traceback" not in found["modules"]


def test_script_whose_name_is_taken(sandbox: Sandbox) -> None:
    found = sandbox.script("import json\ndef app(e, s): return [json.dumps([]).encode()]", name="os.py")
    assert found["body"] == ["[]"]


def test_module_saved_twice_in_a_second_is_not_served_stale(sandbox: Sandbox) -> None:
    path = sandbox.write("m.py", HELLO)
    assert sandbox.app("m:application")["body"] == ["hello"]
    status = os.stat(path)
    sandbox.write("m.py", HELLO.replace("hello", "world"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert sandbox.app("m:application")["body"] == ["world"]


# ---- Surroundings --------------------------------------------------------------------------------


def test_surroundings(sandbox: Sandbox) -> None:
    sandbox.write("work/x", "")
    sandbox.write("lib/helper.py", "WORD = b'helped'")
    script = sandbox.write("code/s.py", "import helper\ndef app(e, s): return [helper.WORD]")
    root = str(sandbox.directory)
    found = sandbox.load(
        script=script,
        directory=f"{root}/work",
        pythonpath=[f"{root}/lib"],
        env=[["GREETING", "a %s"], ["EMPTY", ""]],
    )
    assert found["body"] == ["helped"]
    assert found["cwd"] == f"{root}/work"
    assert found["path"][:3] == [f"{root}/code", f"{root}/work", f"{root}/lib"]
    assert (found["env"]["GREETING"], found["env"]["EMPTY"]) == ("a %s", "")


def test_directory_that_is_gone(sandbox: Sandbox) -> None:
    error = sandbox.load(app="m:app", directory="/nix")["error"]
    assert error == "cannot change to the directory /nix: No such file or directory\n"


def test_virtualenv_comes_before_our_packages_and_reads_pth_files(sandbox: Sandbox) -> None:
    kind = "pypy" if sys.implementation.name == "pypy" else "python"
    packages = "venv/lib/{}{}.{}/site-packages".format(kind, *sys.version_info)
    sandbox.write(f"{packages}/inside.py", "WORD = b'in'")
    sandbox.write("editable/edited.py", "WORD = b'ed'")
    sandbox.write(f"{packages}/e.pth", f"{sandbox.directory}/editable\n")
    sandbox.write("m.py", "import inside, edited\ndef app(e, s): return [inside.WORD, edited.WORD]")
    found = sandbox.app("m:app", virtualenv=f"{sandbox.directory}/venv")
    assert found["body"] == ["in", "ed"]
    place = found["path"].index(f"{sandbox.directory}/{packages}")
    standard = found["path"].index(os.path.dirname(os.__file__))
    assert standard < place
    ours = [n for n, entry in enumerate(found["path"]) if entry.startswith(sys.prefix + "/lib")]
    assert all(place < n for n in ours if found["path"][n].endswith("site-packages"))


# ---- What is told when it fails ------------------------------------------------------------------


def test_traceback_has_only_the_applications_frames(sandbox: Sandbox) -> None:
    sandbox.write("pkg/__init__.py", "")
    sandbox.write("pkg/wsgi.py", "from pkg import deep\n")
    sandbox.write("pkg/deep.py", "def fail():\n    raise RuntimeError('broken')\nfail()\n")
    root = sandbox.directory
    lines = sandbox.app("pkg.wsgi:app")["error"].splitlines()
    files = [line.split(",")[0].strip() for line in lines if line.startswith("  File")]
    assert lines[0] == "Traceback (most recent call last):"
    assert files == [f'File "{root}/pkg/wsgi.py"'] + [f'File "{root}/pkg/deep.py"'] * 2
    assert lines[-1] == "RuntimeError: broken"


@pytest.mark.parametrize("how", ["app", "script"])
def test_syntax_error_as_python_shows_it(sandbox: Sandbox, how: str) -> None:
    path = sandbox.write("m.py", "x = 1\ndef broken(:\n    pass\n")
    place = {"app": "m:app", "directory": str(sandbox.directory)} if how == "app" else {"script": path}
    error = sandbox.load(**place)["error"]
    assert error.startswith(f'  File "{path}", line 2\n    def broken(:\n')
    assert error.splitlines()[-1].startswith("SyntaxError: ")


def test_syntax_error_deeper_shows_the_way_there(sandbox: Sandbox) -> None:
    sandbox.write("m.py", "import broken\n")
    sandbox.write("broken.py", "if\n")
    error = sandbox.app("m:app")["error"]
    assert error.startswith("Traceback") and 'm.py", line 1, in <module>' in error
    assert "fapws/" not in error and "importlib" not in error


def test_exception_chain_is_kept_and_clean(sandbox: Sandbox) -> None:
    source = """
        import importlib
        try:
            importlib.import_module("nix")
        except ImportError as error:
            raise ValueError("no nix") from error
    """
    error = sandbox.script(source)["error"]
    assert "ModuleNotFoundError: No module named 'nix'" in error
    assert "direct cause" in error and error.endswith("ValueError: no nix\n")
    assert "frozen importlib" not in error and "loader.py" not in error


def test_missing_import_of_the_application_is_its_traceback(sandbox: Sandbox) -> None:
    sandbox.write("m.py", "import nix_nix\n")
    error = sandbox.app("m:app")["error"]
    assert error.startswith("Traceback") and "No module named 'nix_nix'" in error


def test_package_that_misses_the_module_itself_is_its_traceback(sandbox: Sandbox) -> None:
    sandbox.write("pkg/__init__.py", "import pkg.wsgi\n")
    error = sandbox.app("pkg.wsgi:app")["error"]
    assert error.startswith("Traceback") and 'pkg/__init__.py", line 1' in error


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("blgo:application", "app = blgo:application: there is no module blgo, did you mean blog?"),
        ("blog.wsg:x", "app = blog.wsg:x: there is no module blog.wsg, did you mean blog.wsgi?"),
        (
            "single.wsgi:x",
            "app = single.wsgi:x: single is a module, not a package, so it has no wsgi",
        ),
        ("blog.wsgi:applcation", "module blog.wsgi has no applcation, did you mean application?"),
        ("blog.wsgi:zzz", "module blog.wsgi has no zzz; callable there: application, make"),
        ("blog.wsgi:number", "number is an int, not callable"),
        (
            "blog.wsgi:make",
            "make does not take (environ, start_response); if it makes the application, write make()",
        ),
        ("blog.wsgi:make()", "make() returned None, not a WSGI application"),
    ],
)
def test_sentence_names_what_is_near(sandbox: Sandbox, app: str, told: str) -> None:
    sandbox.write("single.py", "")
    sandbox.write("blog/__init__.py", "")
    sandbox.write("blog/wsgi.py", HELLO + "number = 1\ndef make(): pass\n")
    assert told in sandbox.app(app)["error"]


def test_where_a_missing_module_was_looked_for(sandbox: Sandbox) -> None:
    assert f"(looked in {sandbox.directory}, " in sandbox.app("nix:app")["error"]


def test_factory_that_fails(sandbox: Sandbox) -> None:
    error = sandbox.script("def make():\n    raise KeyError('db')\n", "make()")["error"]
    assert error.startswith("Traceback") and error.endswith("KeyError: 'db'\n")
    assert "loader.py" not in error


def test_script_without_anything_to_serve(sandbox: Sandbox) -> None:
    error = sandbox.script("def aplication(e, s): pass\n")["error"]
    assert "s.py defines none of application, app and PATHS; callable there: aplication" in error


def test_script_that_is_gone(sandbox: Sandbox) -> None:
    assert sandbox.load(script="/nix.py")["error"] == "cannot read /nix.py: No such file or directory\n"


def test_wrong_paths_name_the_entry(sandbox: Sandbox) -> None:
    error = sandbox.script("PATHS = [('/', print), ('/a', 5)]")["error"]
    assert error.endswith("s.py: PATHS[1] = ('/a', 5): int is not callable\n")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import sys\nsys.exit(3)\n", "left by SystemExit(3) while it was being loaded"),
        ("raise KeyboardInterrupt\n", "interrupted while the application was being loaded"),
        ("class Odd(BaseException): pass\nraise Odd('odd')\n", "Odd: odd"),
    ],
)
def test_leaving_while_loading(sandbox: Sandbox, source: str, told: str) -> None:
    error = sandbox.script(source)["error"]
    assert told in error and 's.py", line ' in error
    assert error.endswith("\n")
