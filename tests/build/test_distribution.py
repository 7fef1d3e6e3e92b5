"""A source distribution is all it takes: sdist, wheel from it, installation, one package each time."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.tree import TREE, copy_tree, run

CPYTHON = sys.implementation.name == "cpython"
HAS_ACCELERATOR = CPYTHON and not sysconfig.get_config_var("Py_GIL_DISABLED")
needs_accelerator = pytest.mark.skipif(
    not HAS_ACCELERATOR, reason="the accelerator is for CPython with its lock: runs there"
)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = copy_tree(tmp_path_factory.mktemp("sdist") / "fapws")
    run(sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", cwd=tree)
    (archive,) = (tree / "dist").glob("*.tar.gz")
    return archive


def make_wheel(sdist: Path, folder: Path, **environment: str) -> Path:
    run("tar", "xzf", str(sdist), cwd=folder)
    (source,) = folder.iterdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
    run(*pip, "--no-deps", "--no-build-isolation", "-w", str(folder), ".", cwd=source, **environment)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As most people get it: with the accelerator, where there is one."""
    return make_wheel(sdist, tmp_path_factory.mktemp("wheel"), FAPWS_PURE="0")


@pytest.fixture(scope="module")
def pure_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(sdist, tmp_path_factory.mktemp("pure"), FAPWS_PURE="1")


@pytest.fixture(scope="module")
def crippled_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made where the accelerator cannot be compiled, and the core can."""
    compiler = tmp_path_factory.mktemp("compiler") / "cc"
    real = shlex.quote(os.environ.get("CC", "cc"))
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *csrc/python/*) exit 1;; esac\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    return make_wheel(sdist, tmp_path_factory.mktemp("crippled"), FAPWS_PURE="0", CC=str(compiler))


def compiled(wheel: Path) -> set[str]:
    """Names of the extension modules in a wheel, without what the platform adds."""
    names = zipfile.ZipFile(wheel).namelist()
    return {name.partition(".")[0] for name in names if name.endswith(".so")}


def modules_of_the_supervisor() -> set[str]:
    found = {str(path.relative_to(TREE / "supervisor")) for path in (TREE / "supervisor").rglob("*.py")}
    assert "core/decide.py" in found
    return {f"fapws/supervisor/{name}" for name in found}


def test_the_sdist_holds_the_supervisor_as_plain_files(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2]: archive.getmember(name) for name in archive.getnames()}
    inside = {
        name for name, member in members.items() if name.startswith("fapws/supervisor/") and not member.isdir()
    }
    assert inside == modules_of_the_supervisor()
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
    assert {"csrc/http/parser.h", "csrc/sys/socket.c", "csrc/python/accelerator.h", "csrc/python/accelerator.c"} <= names


def test_the_wheel_holds_the_package_once_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fapws"}
    inside = {name for name in names if name.startswith("fapws/supervisor/")}
    assert inside == modules_of_the_supervisor()


@pytest.mark.skipif(not CPYTHON, reason="the stable ABI is CPython's: runs on CPython")
def test_one_pure_wheel_serves_every_cpython(pure_wheel: Path) -> None:
    assert "-cp39-abi3-" in pure_wheel.name
    assert [name for name in zipfile.ZipFile(pure_wheel).namelist() if name.endswith(".so")] == [
        "fapws/_core.abi3.so"
    ]


@needs_accelerator
def test_a_wheel_with_the_accelerator_serves_one_version(wheel: Path) -> None:
    version = "cp{}{}".format(*sys.version_info)
    assert f"-{version}-{version}-" in wheel.name
    assert compiled(wheel) == {"fapws/_core", "fapws/_accelerator"}


@needs_accelerator
def test_it_is_installed_where_the_accelerator_cannot_be_compiled(crippled_wheel: Path) -> None:
    assert compiled(crippled_wheel) == {"fapws/_core"}


@needs_accelerator
def test_both_extensions_compile_without_a_warning(sdist: Path, tmp_path: Path) -> None:
    run("tar", "xzf", str(sdist), cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"]
    told = run(*command, cwd=source, FAPWS_PURE="0", FAPWS_WERROR="1")
    assert "warning" not in told, told
    assert list(source.glob("fapws/_accelerator.*.so")), told


@pytest.mark.parametrize(
    "kind", ["wheel", "pure_wheel", pytest.param("crippled_wheel", marks=needs_accelerator)]
)
def test_the_wheel_runs_in_a_clean_venv(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(home), cwd=tmp_path)
    python = str(home / "bin" / "python")
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=tmp_path).strip()
    )
    zipfile.ZipFile(request.getfixturevalue(kind)).extractall(site)
    if CPYTHON:  # PyPy brings its own
        import _cffi_backend

        shutil.copy2(_cffi_backend.__file__, site)
    script = "import fapws.supervisor; print(fapws.__file__)"
    assert Path(run(python, "-c", script, cwd=tmp_path).strip()) == site / "fapws" / "__init__.py"
    script = "import fapws.worker.life; from fapws.wsgi import exchange; print(exchange.accelerator is not None)"
    fast = run(python, "-c", script, cwd=tmp_path, FAPWS_PURE="0").strip()
    assert fast == str(HAS_ACCELERATOR and kind == "wheel")
