"""A source distribution is all it takes: sdist, wheel from it, installation, one package each time."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.tree import TREE, clean_environment, copy_tree, quick_compiler, run

import fapws

CPYTHON = sys.implementation.name == "cpython"
HAS_ACCELERATOR = CPYTHON and not sysconfig.get_config_var("Py_GIL_DISABLED")
needs_accelerator = pytest.mark.skipif(
    not HAS_ACCELERATOR, reason="the accelerator is for CPython with its lock: runs there"
)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdist(tmp_path_factory.mktemp("sdist") / "fapws")


def make_sdist(folder: Path) -> Path:
    tree = copy_tree(folder)
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "sdist"]
    run(*command, cwd=tree, SOURCE_DATE_EPOCH="1700000000")
    (archive,) = (tree / "dist").glob("*.tar.gz")
    return archive


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def make_wheel(sdist: Path, folder: Path, **environment: str) -> Path:
    run("tar", "xzf", str(sdist), cwd=folder)
    (source,) = folder.iterdir()
    return make_wheel_of(source, folder, **environment)


def make_wheel_of(source: Path, to: Path, **environment: str) -> Path:
    told = run(
        *PIP, "-v", "wheel", "--no-deps", "--no-build-isolation", "-w", str(to), ".",
        cwd=source, **environment,
    )  # fmt: skip
    (built,) = to.glob("*.whl")
    (to / "told").write_text(told)
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As most people get it: with the accelerator, where there is one. The compiler must not warn."""
    return make_wheel(sdist, tmp_path_factory.mktemp("wheel"), FAPWS_PURE="0", FAPWS_WERROR="1")


@pytest.fixture(scope="module")
def pure_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pure")
    return make_wheel(sdist, folder, FAPWS_PURE="1", CC=quick_compiler(folder.with_name("quick")))


@pytest.fixture(scope="module")
def crippled_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made where the accelerator cannot be compiled, and the core can."""
    folder = tmp_path_factory.mktemp("crippled")
    compiler = quick_compiler(folder.with_name("lame"), 'case "$*" in *csrc/python/*) exit 1;; esac')
    return make_wheel(sdist, folder, FAPWS_PURE="0", CC=compiler)


# A file is read with all that it includes, so that it can be faulty; what is compiled is an empty one.
HOLLOW = """\
out=
for word; do
    [ "$before" != -o ] || out=$word
    before=$word
done
case " $* " in *" -c "*) {cc} "$@" -E && exec {cc} -c -x c /dev/null -o "$out" || exit 1 ;; esac"""


def hollow_compiler(path: Path) -> str:
    """For tests of which files are made and packed, whatever is in them."""
    return quick_compiler(path, HOLLOW.format(cc=shlex.quote(os.environ.get("CC") or "cc")))


def compiled(wheel: Path) -> set[str]:
    """Names of the extension modules in a wheel, without what the platform adds."""
    names = zipfile.ZipFile(wheel).namelist()
    return {name.partition(".")[0] for name in names if name.endswith(".so")}


def modules_of_the_supervisor() -> set[str]:
    found = {str(path.relative_to(TREE / "supervisor")) for path in (TREE / "supervisor").rglob("*.py")}
    assert "core/decide.py" in found
    return {f"fapws/supervisor/{name}" for name in found}


def test_a_tree_gives_the_same_sdist_in_another_folder_at_another_time(sdist: Path, tmp_path: Path) -> None:
    """A copy's files are written anew; whoever makes it may be kept from showing them to others."""
    before = os.umask(0o077)
    try:
        second = make_sdist(tmp_path / "in" / "a folder of another name")
    finally:
        os.umask(before)
    assert second.read_bytes() == sdist.read_bytes()
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {
        (0, 0, "", "", 1700000000)
    }
    assert {member.mode for member in members} == {0o755, 0o644}


def test_the_sdist_holds_the_supervisor_as_plain_files(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2]: archive.getmember(name) for name in archive.getnames()}
    inside = {
        name
        for name, member in members.items()
        if name.startswith("fapws/supervisor/") and not member.isdir()
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
    assert {
        "csrc/http/parser.h",
        "csrc/sys/sockets.c",
        "csrc/python/accelerator.h",
        "csrc/python/accelerator.c",
    } <= names


def test_the_wheel_holds_the_package_once_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fapws"}
    inside = {name for name in names if name.startswith("fapws/supervisor/")}
    assert inside == modules_of_the_supervisor()


def test_the_wheel_brings_the_manual_pages(wheel: Path) -> None:
    """Beside the bin of the environment that pip installs into, where man finds them by PATH."""
    archive = zipfile.ZipFile(wheel)
    brought = {name.partition(".data/data/share/man/")[2]: archive.read(name) for name in archive.namelist()}
    del brought[""]
    pages = {f"man{page.suffix[1:]}/{page.name}": page.read_bytes() for page in TREE.glob("docs/*.[0-9]")}
    assert brought == pages and len(pages) == 3


def test_the_wheel_brings_the_examples_that_the_pages_name(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    found = {name.partition(".data/data/share/examples/fapws/")[2]: name for name in archive.namelist()}
    del found[""]
    assert set(found) == {"fapws.ini", "small-box.ini"}
    assert archive.read(found["fapws.ini"]) == (TREE / "conf" / "fapws.ini").read_bytes()


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


def test_nothing_of_an_earlier_build_is_packed(sdist: Path, tmp_path: Path) -> None:
    """A clone in which a wheel with the accelerator was made, then one without."""
    run("tar", "xzf", str(sdist), cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    compiler = hollow_compiler(tmp_path / "cc")
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"]
    run(*command, cwd=source, FAPWS_PURE="0", CC=compiler)
    (source / "fapws" / "_accelerator.cpython-39-x86_64-linux-gnu.so").write_text("of another Python")
    first = make_wheel_of(source, tmp_path / "first", FAPWS_PURE="0", CC=compiler)
    for folder in (source / "build").glob("*"):
        (folder / "wheel" / "fapws").mkdir(parents=True)
        for place in (folder / "fapws", folder / "wheel" / "fapws"):
            place.mkdir(exist_ok=True)
            (place / "forgotten.py").write_text("")
    for name, pure in (("second", "1"), ("third", "0")):
        wheel = make_wheel_of(source, tmp_path / name, FAPWS_PURE=pure, CC=compiler)
        expected = {"fapws/_core"} if pure == "1" else compiled(first)
        names = zipfile.ZipFile(wheel).namelist()
        assert compiled(wheel) == expected, names
        assert len([name for name in names if name.endswith(".so")]) == len(expected), names
        assert not [name for name in names if "forgotten" in name]


@needs_accelerator
def test_an_accelerator_of_older_sources_does_not_stand_in(sdist: Path, tmp_path: Path) -> None:
    run("tar", "xzf", str(sdist), cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    compiler = hollow_compiler(tmp_path / "cc")
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"]
    run(*command, cwd=source, FAPWS_PURE="0", CC=compiler)
    assert list(source.glob("fapws/_accelerator.*.so"))
    next(source.glob("csrc/python/*.c")).write_text("#error it does not compile\n")
    run(*command, cwd=source, FAPWS_PURE="0", CC=compiler)
    assert not list(source.glob("fapws/_accelerator.*.so"))


def test_what_is_packed_holds_nothing_for_a_debugger(wheel: Path) -> None:
    """Of the core that is five sixths of the file."""
    archive = zipfile.ZipFile(wheel)
    for name in archive.namelist():
        if name.endswith(".so") and sys.platform != "darwin":
            content = archive.read(name)
            assert b".debug_info" not in content, name
            assert b".symtab" not in content, name


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exit 1", "a C compiler is needed, and {} does not work: exit status 1."),
        ("", "a C compiler is needed, and {} does not work: No such file or directory."),
        (None, "a C compiler is needed, and CC does not work: it is empty."),
        ('for word; do grep -qs Python.h "$word" && { echo "probe.c:1: error: none" >&2; exit 1; }; done; :',
         "the C headers of {python} are needed, and do not work: probe.c:1: error: none."),
    ],
)  # fmt: skip
def test_a_compiler_or_header_that_is_missing_is_told_plainly(
    sdist: Path, tmp_path: Path, command: str | None, told: str
) -> None:
    run("tar", "xzf", str(sdist), cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    compiler = tmp_path / "cc"
    if command:
        compiler.write_text(f"#!/bin/sh\n{command}\n")
        compiler.chmod(0o755)
    done = subprocess.run(
        [*PIP, "-q", "wheel", "--no-deps", "--no-build-isolation", "."],
        cwd=source, env=clean_environment(CC="" if command is None else str(compiler)),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert told.format(compiler, python=sys.executable) in said
    assert "Debian: apt-get install" in said
    assert "Or take a wheel" in said


def test_the_programs_run_in_a_venv_whose_path_no_line_can_hold(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "a venv" / ("x" * 250)
    home.parent.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", str(home), cwd=tmp_path)
    python = str(home / "bin" / "python")
    run(*PIP, "-q", "--python", python, "install", "--no-deps", "--no-index", str(wheel), cwd=tmp_path)
    for program in ("fapws", "fapws4", "fapwsctl"):
        assert fapws.__version__ in run(str(home / "bin" / program), "--version", cwd=tmp_path)


@needs_accelerator
def test_both_extensions_compile_without_a_warning(wheel: Path) -> None:
    """The compiler's would be errors, which leave the accelerator out; the linker's are told."""
    told = (wheel.parent / "told").read_text()
    assert "-Werror" in told
    # What setuptools says of its own begins with the word.
    assert not re.findall(r"(?m)^.*\S: warning: .*", told)
    assert compiled(wheel) == {"fapws/_core", "fapws/_accelerator"}


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
    script = "from fapws.wsgi import accelerated; print(accelerated.accelerator is not None)"
    fast = run(python, "-c", script, cwd=tmp_path, FAPWS_PURE="0").strip()
    assert fast == str(HAS_ACCELERATOR and kind == "wheel")
