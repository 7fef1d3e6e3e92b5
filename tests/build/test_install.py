"""`make install` and `make uninstall`, from a fresh copy of the tree, with every make there is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import fetch
from support.server import Server
from support.tree import TREE, clean_environment, copy_tree, quick_compiler, run

import fapws

MAKES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            shutil.which(name) is None, reason=f"{name} is not installed: runs where it is"
        ),
    )
    for name in ("make", "bmake")
]
DOLLARS = sys.version_info >= (3, 10)
"""Whether pip can install where the path has a `$` and a name; see the test of an older one."""
needs_accelerator = pytest.mark.skipif(
    sys.implementation.name != "cpython" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="the accelerator is for CPython with its lock: runs there",
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy in which `make build` has run, with the Python that runs this test.

    Its path is more than a #! line can hold, and means something else to a shell.
    """
    folder = tmp_path_factory.mktemp("clone") / f"a {'$HOME' if DOLLARS else '$'} of {'x' * 230}"
    folder.mkdir()
    tree = copy_tree(folder / "fapws")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CC", quick_compiler(tmp_path_factory.mktemp("compiler") / "cc"))
        run("make", "build", cwd=tree, PYTHON=os.path.realpath(sys.executable), FAPWS_PURE="0")
        yield tree


def test_an_older_pip_is_not_let_loose_in_a_path_with_a_variable(tmp_path: Path) -> None:
    """It would install into another folder: /home/of/somebody for $HOME."""
    tree = copy_tree(tmp_path / "a $HOME")
    older = tmp_path / "python3.9"
    older.write_text(
        f'#!/bin/sh\ncase $2 in *"(3, 10)"*) exit 1 ;; esac\nexec {shlex.quote(sys.executable)} "$@"\n'
    )
    older.chmod(0o755)
    done = subprocess.run(
        ["make", "build"],
        cwd=tree,
        env=clean_environment(PYTHON=str(older)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert f"takes the $ in {tree} for a variable" in done.stderr
    assert not (tree / ".venv").exists()


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


SAMPLES = TREE / "conf" / "samples"
WRITTEN = {"__pycache__", "pages", "orders.txt", ".gitignore"}
"""What is below it in a clone where the samples were run, and is not installed."""


def samples() -> list[str]:
    return [
        name for name in files_below(SAMPLES)
        if not (SAMPLES / name).is_socket() and WRITTEN.isdisjoint(Path(name).parts)
    ]  # fmt: skip


@pytest.mark.parametrize("make", MAKES)
def test_an_installation_runs_without_the_clone_and_leaves_nothing(
    make: str, clone: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "a prefix"
    run(make, "install", f"PREFIX={prefix}", cwd=clone)
    hidden = clone.rename(clone.with_name("hidden"))
    try:
        for program in ("fapws", "fapws4"):
            version = run(str(prefix / "bin" / program), "--version", cwd=tmp_path)
            assert fapws.__version__ in version
        assert "usage: fapwsctl" in run(str(prefix / "bin" / "fapwsctl"), "-h", cwd=tmp_path)
        assert (prefix / "share" / "examples" / "fapws" / "fapws.ini").is_file()
        assert list((prefix / "share" / "man" / "man8").glob("fapws*.8"))
        installed = prefix / "share" / "examples" / "fapws" / "samples"
        assert files_below(installed) == samples()
        for name in samples():
            assert os.access(installed / name, os.X_OK) == os.access(SAMPLES / name, os.X_OK), name
    finally:
        hidden.rename(clone)
    run(make, "uninstall", f"PREFIX={prefix}", cwd=clone)
    assert files_below(tmp_path) == []


WHAT_RUNS = """\
import fapws, sys
from fapws.wsgi.accelerated import accelerator

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    way = "fast" if accelerator else "pure"
    return ["{}.{} {} {}".format(*sys.version_info[:2], way, fapws.__file__).encode()]
"""
"""Tells the version of Python, the way a request takes, and where Fapws is."""


def serve(monkeypatch: pytest.MonkeyPatch, *command: str) -> list[str]:
    """What WHAT_RUNS answers under a server that is started by these words."""
    monkeypatch.setenv("FAPWS_COMMAND", shlex.join(command))
    with Server(WHAT_RUNS) as server:
        return fetch(server.address, "/").body.decode().split(maxsplit=2)


def another_cpython() -> str | None:
    """A CPython of another version that can make environments, if the machine has one."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = [shutil.which(f"python3.{minor}") for minor in range(9, 15)]
    found += [str(path) for path in sorted(home.glob("3.*/bin/python3"))]
    ask = "import sys, venv, ensurepip; print(sys.implementation.name, *sys.version_info[:2])"
    for python in found:
        if python is not None:
            done = subprocess.run(
                [python, "-c", ask], capture_output=True, text=True, env=clean_environment()
            )
            name, *version = done.stdout.split() or [""]
            if name == "cpython" and (3, 9) <= tuple(map(int, version)) != sys.version_info[:2]:
                return python
    return None


@needs_accelerator
def test_the_accelerator_is_installed_and_taken_away(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAPWS_PURE", "0")
    prefix = tmp_path / "prefix"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    folder = prefix / "lib" / "fapws" / "fapws"
    assert len(list(folder.glob("_accelerator.*.so"))) == 1
    version, way, where = serve(monkeypatch, str(prefix / "bin" / "fapws"))
    assert (version, way, Path(where).parent) == ("{}.{}".format(*sys.version_info), "fast", folder)
    run("make", "uninstall", f"PREFIX={prefix}", cwd=clone)
    assert not prefix.exists()


@needs_accelerator
def test_another_version_of_python_runs_what_is_installed_without_the_accelerator(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = another_cpython()
    if other is None:
        pytest.skip("no CPython of another version: runs where one is in PATH or among pyenv's")
    prefix = tmp_path / "prefix"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    run(other, "-m", "venv", str(tmp_path / "other"), cwd=tmp_path)
    python = str(tmp_path / "other" / "bin" / "python")
    # The system's packages bring it for the new version, as they did for the old.
    run(python, "-m", "pip", "install", "-q", "cffi", cwd=tmp_path)
    version, way, where = serve(monkeypatch, python, str(prefix / "bin" / "fapws"))
    assert version != "{}.{}".format(*sys.version_info)
    assert (way, Path(where).parent) == ("pure", prefix / "lib" / "fapws" / "fapws")


@pytest.mark.parametrize("make", MAKES)
def test_a_packager_stages_with_destdir(make: str, clone: Path, tmp_path: Path) -> None:
    run(make, "install", "PREFIX=/opt/fapws", f"DESTDIR={tmp_path}", cwd=clone)
    script = (tmp_path / "opt/fapws/bin/fapws").read_text()
    assert "'/opt/fapws/lib/fapws'" in script
    assert str(tmp_path) not in script
    unit = (tmp_path / "opt/fapws/share/examples/fapws/systemd/fapws.service").read_text()
    assert "/opt/fapws/bin/fapwsctl" in unit
    assert "/usr/local" not in unit
    run(make, "uninstall", "PREFIX=/opt/fapws", f"DESTDIR={tmp_path}", cwd=clone)
    assert not (tmp_path / "opt/fapws").exists()


def test_installing_again_replaces_and_still_uninstalls_all(clone: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    before = files_below(prefix)
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    assert files_below(prefix) == before
    run("make", "uninstall", f"PREFIX={prefix}", cwd=clone)
    assert not prefix.exists()


def test_what_somebody_else_put_there_stays(clone: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    theirs = prefix / "bin" / "theirs"
    theirs.write_text("")
    run("make", "uninstall", f"PREFIX={prefix}", cwd=clone)
    assert files_below(prefix) == ["bin", "bin/theirs"]


def test_uninstalling_needs_no_python(clone: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "a" / "b" / "c"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "dirname", "sort", "rm", "rmdir"):
        (programs / name).symlink_to(shutil.which(name) or name)
    make = shutil.which("make") or "make"
    run(make, "uninstall", f"PREFIX={tmp_path}/a/./b//c/", cwd=clone, PATH=str(programs))
    assert os.listdir(tmp_path) == ["programs"]


def test_a_program_that_python_starts_finds_what_was_installed(clone: Path, tmp_path: Path) -> None:
    """As README says it; the interpreter is the one that the installed programs name."""
    prefix = tmp_path / "prefix"
    run("make", "install", f"PREFIX={prefix}", cwd=clone)
    program = tmp_path / "program.py"
    program.write_text("import fapws._evwsgi as evwsgi\nprint(evwsgi.__file__, evwsgi.start)\n")
    library = prefix / "lib" / "fapws"
    told = run(os.path.realpath(sys.executable), str(program), cwd=tmp_path, PYTHONPATH=str(library))
    assert told.startswith(str(library / "fapws" / "_evwsgi.py"))


def test_uninstalling_nothing_is_an_error_that_says_so(clone: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "uninstall", f"PREFIX={tmp_path}/none"],
        cwd=clone, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "nothing is installed" in done.stdout


@pytest.mark.parametrize("make", MAKES)
def test_make_alone_tells_every_target_in_a_line(make: str, clone: Path) -> None:
    told = run(make, cwd=clone)
    for target in ("run", "test", "build", "lint", "bench", "dist", "install", "uninstall", "clean"):
        assert f"make {target} " in told


def test_the_programs_of_a_clone_run_wherever_it_is(clone: Path, tmp_path: Path) -> None:
    assert len(str(clone)) > 255
    for program in ("fapws", "fapws4", "fapwsctl"):
        told = run(str(clone / ".venv" / "bin" / program), "--version", cwd=tmp_path)
        assert fapws.__version__ in told


def test_a_second_build_does_nothing(clone: Path) -> None:
    assert run("make", "build", cwd=clone).strip() in ("", "make: Nothing to be done for 'build'.")


def test_a_change_in_the_core_is_compiled(clone: Path) -> None:
    source = clone / "csrc" / "conn" / "conn.c"
    source.write_text(source.read_text() + "\n/* changed */\n")
    assert "compiling the C core" in run("make", "build", cwd=clone)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy brings its own cffi: runs on CPython")
def test_an_interpreter_without_cffi_gets_the_builds_copy(clone: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare"), cwd=tmp_path)
    python = str(tmp_path / "bare" / "bin" / "python")
    script = (
        "import sys; sys.path.insert(0, 'tools'); import install;"
        f"install.interpreter_to_name = lambda: {python!r};"
        f"install.main(['--prefix', {str(tmp_path / 'prefix')!r}])"
    )
    run(str(clone / ".venv" / "bin" / "python"), "-B", "-c", script, cwd=clone)
    library = tmp_path / "prefix" / "lib" / "fapws"
    use = f"import sys; sys.path[0] = {str(library)!r}; import fapws._core; print(fapws.__file__)"
    assert run(python, "-c", use, cwd=tmp_path).strip() == str(library / "fapws" / "__init__.py")


def test_a_clone_that_was_moved_is_set_up_again(clone: Path) -> None:
    moved = clone.rename(clone.with_name("moved"))
    try:
        assert "making .venv" in run("make", "build", cwd=moved)
        assert fapws.__version__ in run(str(moved / ".venv/bin/fapws"), "--version", cwd=moved)
    finally:
        moved.rename(clone)
