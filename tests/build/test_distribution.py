"""A source distribution is all it takes: sdist, wheel from it, installation, one package each time."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.tree import TREE, copy_tree, run

CPYTHON = sys.implementation.name == "cpython"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = copy_tree(tmp_path_factory.mktemp("sdist") / "fapws")
    run(sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", cwd=tree)
    (archive,) = (tree / "dist").glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("tar", "xzf", str(sdist), cwd=folder)
    (source,) = folder.iterdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
    run(*pip, "--no-deps", "--no-build-isolation", "-w", str(folder), ".", cwd=source)
    (built,) = folder.glob("*.whl")
    return built


def modules_of_the_supervisor() -> set[str]:
    return {path.name for path in (TREE / "fapws" / "supervisor").glob("*.py")}


def test_the_sdist_holds_the_supervisor_as_plain_files(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2]: archive.getmember(name) for name in archive.getnames()}
    inside = {name for name in members if name.startswith("fapws/supervisor/")}
    assert {Path(name).name for name in inside} == modules_of_the_supervisor()
    assert all(members[name].isfile() for name in inside)


def test_the_sdist_holds_every_sample_and_nothing_that_one_wrote(sdist: Path) -> None:
    written = {"__pycache__", "pages", "orders.txt", ".gitignore"}
    folder = TREE / "conf" / "samples"
    samples = {
        f"conf/samples/{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and written.isdisjoint(path.relative_to(folder).parts)
    }
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2]: archive.getmember(name) for name in archive.getnames()}
    files = {name for name, member in shipped.items() if member.isfile()}
    inside = {name for name in files if name.startswith("conf/samples/")}
    assert inside - {"conf/samples/.gitignore"} == samples
    for name in samples:
        assert bool(shipped[name].mode & 0o100) == os.access(TREE / name, os.X_OK), name


@pytest.mark.parametrize("folder", ["csrc", "conf", "docs", "tests", "tools"])
def test_the_sdist_holds_what_builds_and_tests_it(sdist: Path, folder: str) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert any(name.startswith(f"{folder}/") for name in names)
    assert {"Makefile", "LICENSE", "README.md", "CHANGES.md", "csrc/fapws.h"} <= names


def test_the_wheel_holds_the_package_once_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fapws"}
    inside = {Path(name).name for name in names if name.startswith("fapws/supervisor/")}
    assert inside == modules_of_the_supervisor()


@pytest.mark.skipif(not CPYTHON, reason="the stable ABI is CPython's: runs on CPython")
def test_one_wheel_serves_every_cpython(wheel: Path) -> None:
    assert "-cp39-abi3-" in wheel.name
    assert "fapws/_core.abi3.so" in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_runs_in_a_clean_venv(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(home), cwd=tmp_path)
    python = str(home / "bin" / "python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=tmp_path).strip())
    zipfile.ZipFile(wheel).extractall(site)
    if CPYTHON:  # PyPy brings its own
        import _cffi_backend

        shutil.copy2(_cffi_backend.__file__, site)
    script = "import fapws._core, fapws.supervisor; print(fapws.__file__)"
    assert Path(run(python, "-c", script, cwd=tmp_path).strip()) == site / "fapws" / "__init__.py"
