"""What packaging/ holds for other systems: one version, and one source for all that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.tree import TREE, clean_environment

import fapws

PACKAGING = TREE / "packaging"
STUB = """\
INSTALL_DATA_DIR = install -d
INSTALL_DATA = install -m 644
INSTALL_MAN = install -m 644
MKDIR = mkdir -p
CHMOD = chmod
SED = sed
TRUEPREFIX = ${PREFIX}
all:
"""
"""Of a bsd.port.mk: what it takes to install."""
needs_bmake = pytest.mark.skipif(not shutil.which("bmake"), reason="needs bmake")


def read(name: str) -> str:
    return (PACKAGING / name).read_text(encoding="utf-8")


def numbers(version: str) -> list[str]:
    """5, 0, 0, 1 of 5.0.0.dev1, 5.0.0~dev1-0fapws1, 5.0.0_pre1 and 5.0.0pre1."""
    return re.findall(r"\d+", version.partition("-")[0])


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("debian/changelog", r"^fapws \((\S+)\)"),
        ("openbsd/Makefile", r"^MODPY_DISTV =\t(\S+)$"),
        ("openbsd/Makefile", r"^PKGNAME =\tpy-fapws-(\S+)$"),
        ("freebsd/Makefile", r"^DISTVERSION=\t(\S+)$"),
        ("alpine/APKBUILD", r"^pkgver=(\S+)$"),
        ("alpine/APKBUILD", r"^_pkgver=(\S+)$"),
        ("homebrew/fapws.rb", r"fapws-(\S+)\.tar\.gz"),
    ],
)
def test_every_package_is_of_this_version(name: str, pattern: str) -> None:
    (found,) = set(re.findall(pattern, read(name), re.M))
    assert numbers(found) == numbers(fapws.__version__)


# ---- Ports ------------------------------------------------------------------------------------------


def make(port: str, target: str, tmp_path: Path, **variables: Path | str) -> None:
    """A target of a port, with a bsd.port.mk that knows how to install and nothing else."""
    (tmp_path / "bsd.port.mk").write_text(STUB)
    words = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["bmake", "-r", "-m", str(tmp_path), "-f", str(PACKAGING / port / "Makefile"), *words, target],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@needs_bmake
def test_openbsd_port_installs_what_its_list_says(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    prefix = stage / "usr/local"
    make("openbsd", "post-install", tmp_path, WRKSRC=TREE, WRKINST=stage, PREFIX=prefix, RCDIR="/etc/rc.d")
    listed = {
        "etc/rc.d/fapws" if "RCDIR" in line else f"usr/local/{line.split()[-1]}"
        for line in read("openbsd/pkg/PLIST").splitlines()
        if not re.match(r"@(comment|sample)|bin/|.*/$", line)
    }
    assert files_below(stage) == listed
    assert os.access(stage / "etc/rc.d/fapws", os.X_OK)
    assert f'daemon="{prefix}/bin/fapwsctl"' in (stage / "etc/rc.d/fapws").read_text()
    assert_example_is_complete(prefix / "share/examples/fapws/fapws.ini", "/var/run/fapws", "www")


@needs_bmake
def test_freebsd_port_installs_what_its_list_says(tmp_path: Path) -> None:
    stage, prefix = tmp_path / "stage", "/usr/local"
    make(
        "freebsd", "post-install", tmp_path,
        WRKSRC=TREE, STAGEDIR=stage, PREFIX=prefix, EXAMPLESDIR=f"{prefix}/share/examples/fapws",
    )  # fmt: skip
    lines = [line for line in read("freebsd/pkg-plist").splitlines() if not line.startswith("@dir")]
    listed = {
        "usr/local/" + line.replace("@sample ", "").replace("%%EXAMPLESDIR%%", "share/examples/fapws")
        for line in lines
    }
    assert files_below(stage) == {name.removesuffix(".gz") for name in listed}
    script = stage / "usr/local/etc/rc.d/fapws"
    assert os.access(script, os.X_OK)
    assert script.read_text() == (TREE / "conf/rc.d/freebsd/fapws").read_text(), "the prefix is the usual one"
    assert_example_is_complete(stage / "usr/local/etc/fapws.ini.sample", "/var/run/fapws", "www")


def assert_example_is_complete(path: Path, run_directory: str, user: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(rf"^pidfile = {run_directory}/fapws\.pid$", text, re.M)
    assert re.search(rf"^control = {run_directory}/fapws\.sock$", text, re.M)
    assert re.search(r"^error_log = /var/log/fapws/error\.log$", text, re.M)
    assert re.search(rf"^user = {user}$", text, re.M)
    assert re.search(r"^script = /\S+/hello\.py$", text, re.M)
    assert len(text.splitlines()) == len((TREE / "conf/fapws.ini").read_text().splitlines())


# ---- Alpine, Homebrew -------------------------------------------------------------------------------


def test_alpine_package_installs_scripts_and_pages(tmp_path: Path) -> None:
    script = f"srcdir={tmp_path} pkgdir={tmp_path}/stage && . {PACKAGING}/alpine/APKBUILD && package_files"
    subprocess.run(["sh", "-euc", script], cwd=TREE, check=True, timeout=60)
    stage = tmp_path / "stage"
    assert {"etc/fapws.ini", "etc/init.d/fapws", "etc/logrotate.d/fapws", "usr/share/fapws/hello.py",
            "usr/share/man/man8/fapws.8"} <= files_below(stage)  # fmt: skip
    assert "/usr/local/" not in (stage / "etc/logrotate.d/fapws").read_text()
    assert_example_is_complete(stage / "etc/fapws.ini", "/run/fapws", "fapws")


@pytest.mark.skipif(not shutil.which("ruby"), reason="needs ruby")
def test_homebrew_formula_is_good_ruby() -> None:
    formula = str(PACKAGING / "homebrew" / "fapws.rb")
    done = subprocess.run(["ruby", "-wc", formula], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Syntax OK\n", "")


# ---- Debian -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """debian/ beside conf/ as in a source package, after its rules have taken from conf/ what they need."""
    source = tmp_path_factory.mktemp("debian")
    for name in ("conf", "packaging"):
        (source / name).symlink_to(TREE / name)
    shutil.copytree(PACKAGING / "debian", source / "debian")
    subprocess.run(["sh", "debian/generate.sh"], cwd=source, check=True, timeout=60)
    return source / "debian"


def test_debian_unit_differs_from_the_shipped_one_in_places_only(generated: Path) -> None:
    for name in ("fapws.service", "fapws@.service"):
        unit, shipped = (generated / name).read_text(), (TREE / "conf/systemd" / name).read_text()
        assert unit == shipped[shipped.index("[Unit]") :].replace("/usr/local/bin/", "/usr/bin/"), name


def test_debian_rotation_reopens_the_logs_of_every_service(generated: Path) -> None:
    text = (generated / "fapws.logrotate").read_text()
    assert "for file in /etc/fapws.ini /etc/fapws/*.ini; do" in text
    assert "/usr/local" not in text
    (body,) = re.findall(r"postrotate\n(.*?)\n +endscript", text, re.S)
    subprocess.run(["sh", "-n", "-c", body], check=True, timeout=60)


def test_debian_example_serves_as_the_packages_user(generated: Path) -> None:
    assert_example_is_complete(generated / "etc" / "fapws.ini", "/run/fapws", "fapws")
    assert re.search(r"^u fapws ", read("debian/fapws.sysusers"), re.M)


def test_debian_installs_what_is_in_the_tree(generated: Path) -> None:
    for name in ("install", "docs", "examples", "manpages"):
        for line in read(f"debian/fapws.{name}").splitlines():
            word = line.split()[0]
            place = generated if word.startswith("debian/") else TREE
            assert list(place.glob(word.removeprefix("debian/"))), f"debian/fapws.{name}: {word}"


@pytest.mark.parametrize(
    "name", ["fapws.postinst", "fapws.postrm", "fapws.prerm", "generate.sh", "tests/serves"]
)
def test_debian_scripts_are_good_shell(name: str) -> None:
    subprocess.run(["sh", "-n", str(PACKAGING / "debian" / name)], check=True, timeout=60)
