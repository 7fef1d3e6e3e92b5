"""`make install` and `make uninstall`, from a fresh copy of the tree, with every make there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fapws
import pytest

from support.tree import TREE, clean_environment, copy_tree, run

MAKES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            shutil.which(name) is None, reason=f"{name} is not installed: runs where it is"
        ),
    )
    for name in ("make", "bmake")
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which `make build` has run, with the Python that runs this test."""
    tree = copy_tree(tmp_path_factory.mktemp("clone") / "fapws")
    run("make", "build", cwd=tree, PYTHON=os.path.realpath(sys.executable))
    return tree


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


def test_a_second_build_does_nothing(clone: Path) -> None:
    assert run("make", "build", cwd=clone).strip() in ("", "make: Nothing to be done for 'build'.")


def test_a_change_in_the_core_is_compiled(clone: Path) -> None:
    source = next((clone / "csrc").glob("*.c"))
    source.write_text(source.read_text() + "\n/* changed */\n")
    assert "compiling the C core" in run("make", "build", cwd=clone)


@pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="PyPy brings its own cffi: runs on CPython"
)
def test_an_interpreter_without_cffi_gets_the_builds_copy(clone: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare"), cwd=tmp_path)
    python = str(tmp_path / "bare" / "bin" / "python")
    script = (
        "import sys; sys.path.insert(0, 'tools'); import install;"
        f"install.interpreter_to_name = lambda: {python!r};"
        f"install.main(['install', '--prefix', {str(tmp_path / 'prefix')!r}])"
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
