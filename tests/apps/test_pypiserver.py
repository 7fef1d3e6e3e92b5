"""pypiserver behind fapws: a package is built, uploaded by twine, and installed by pip from there.

pip and twine here see no configuration of the machine and no other index than this one.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.raw import fetch
from support.server import Server
from support.venvs import Venv, venv_with

SITE = Path(__file__).parent / "sites" / "packages.py"
DATA = random.Random(8).randbytes(2_000_000)
"""A file in the package: large enough for temporary files and several writes."""
STEP_SECONDS = 180.0

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "fapws-sample"
version = "{version}"
description = "A sample"
[tool.setuptools]
packages = ["fapws_sample"]
[tool.setuptools.package-data]
fapws_sample = ["data.bin"]
"""


@pytest.fixture(scope="module")
def tools() -> Venv:
    """pypiserver, and what builds and uploads."""
    build = ("build", "setuptools >= 68", "pip >= 23")
    # Later ones need nh3, which is compiled with Rust where there is no wheel: PyPy has none.
    renderer = "readme-renderer < 42; platform_python_implementation == 'PyPy'"
    return venv_with("pypiserver", "pypiserver >= 2.2, < 3", "twine >= 5", renderer, *build, "cffi")


def run(tools: Venv, home: Path, *words: str, good: bool = True) -> str:
    """Output of a module of the environment, without the machine's settings; checks its status."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [str(tools.python), "-m", *words],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    assert (done.returncode == 0) is good, f"{words}: status {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def files(tools: Venv, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Wheel and source distribution of two versions."""
    built = []
    for version in ("1.0", "1.1"):
        folder = tmp_path_factory.mktemp("project")
        (folder / "fapws_sample").mkdir()
        (folder / "fapws_sample" / "__init__.py").write_text(f'VERSION = "{version}"\n', encoding="utf-8")
        (folder / "fapws_sample" / "data.bin").write_bytes(DATA)
        (folder / "pyproject.toml").write_text(PROJECT.format(version=version), encoding="utf-8")
        run(tools, folder, "build", "--no-isolation", "--outdir", "dist", ".")
        built += sorted((folder / "dist").iterdir())
    assert len(built) == 4
    return built


@pytest.fixture(scope="module")
def index(tools: Venv, files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The index, with everything uploaded."""
    packages, home = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("home")
    with Server(
        SITE,
        options=f"virtualenv = {tools.home}\nworkers = 2\nmax_body_size = 20m",
        env={"PACKAGES": str(packages)},
    ) as server:
        upload(tools, home, server, *files)
        assert {path.name for path in packages.iterdir()} == {path.name for path in files}
        for path in files:
            assert (packages / path.name).read_bytes() == path.read_bytes()
        yield server


def upload(
    tools: Venv,
    home: Path,
    server: Server,
    *files: Path,
    word: str = "tests only",
    good: bool = True,
) -> str:
    """twine upload."""
    (home / "pypirc").touch()
    command = ["twine", "upload", "--non-interactive", "--disable-progress-bar", "--config-file", "pypirc"]
    command += ["--repository-url", server.url + "/", "-u", "uploader", "-p", word]
    return run(tools, home, *command, *map(str, files), good=good)


def install(tools: Venv, home: Path, server: Server, *words: str) -> str:
    """pip install into a folder of its own."""
    command = ["pip", "--isolated", "install", "--no-deps", "--no-cache-dir", "--no-input", "--retries=0"]
    command += ["--index-url", server.url + "/simple/", "--target", str(home / "target")]
    return run(tools, home, *command, *words)


def installed(home: Path) -> str:
    """The version in the target, imported by a Python that sees nothing else."""
    code = (
        f"import sys; sys.path.insert(0, {str(home / 'target')!r})\n"
        "import fapws_sample as sample, hashlib, pathlib\n"
        "data = (pathlib.Path(sample.__file__).parent / 'data.bin').read_bytes()\n"
        "print(sample.VERSION, hashlib.sha256(data).hexdigest())"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    version, digest = shown.stdout.split()
    assert digest == hashlib.sha256(DATA).hexdigest()
    return version


def test_the_newest_wheel_is_installed(tools: Venv, index: Server, tmp_path: Path) -> None:
    text = install(tools, tmp_path, index, "fapws-sample")
    assert "fapws_sample-1.1-py3-none-any.whl" in text or "fapws-sample-1.1" in text
    assert installed(tmp_path) == "1.1"


def test_an_older_source_distribution_is_installed(tools: Venv, index: Server, tmp_path: Path) -> None:
    install(tools, tmp_path, index, "--no-binary=:all:", "--no-build-isolation", "fapws-sample==1.0")
    assert installed(tmp_path) == "1.0"


def test_it_is_installed_into_a_fresh_environment(tools: Venv, index: Server, tmp_path: Path) -> None:
    run(tools, tmp_path, "venv", "--without-pip", "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    command = ["pip", "--isolated", f"--python={python}", "install", "--no-deps", "--no-cache-dir"]
    run(tools, tmp_path, *command, "--index-url", index.url + "/simple/", "fapws_sample")
    shown = subprocess.run(
        [str(python), "-I", "-c", "import fapws_sample; print(fapws_sample.VERSION)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert shown.stdout.strip() == "1.1"


def test_what_is_not_there_is_not_installed(tools: Venv, index: Server, tmp_path: Path) -> None:
    command = ["pip", "--isolated", "download", "--no-deps", "--retries=0", "--no-cache-dir"]
    text = run(tools, tmp_path, *command, "--index-url", index.url + "/simple/", "fapws-absent", good=False)
    assert "No matching distribution" in text


def test_a_wrong_password_uploads_nothing(
    tools: Venv, index: Server, files: list[Path], tmp_path: Path
) -> None:
    text = upload(tools, tmp_path, index, files[0], word="wrong", good=False)
    assert "403" in text or "401" in text


def test_a_second_upload_of_the_same_file_is_refused(
    tools: Venv, index: Server, files: list[Path], tmp_path: Path
) -> None:
    mark = index.mark()
    upload(tools, tmp_path, index, files[0], good=False)
    index.wait_log("already exists", since=mark)


def test_the_pages_of_the_index(index: Server, files: list[Path], browser: requests.Session) -> None:
    assert "fapws-sample" in browser.get(index.url + "/simple/", timeout=30).text
    page = browser.get(index.url + "/simple/fapws_sample/", timeout=30)
    assert page.url == index.url + "/simple/fapws-sample/"
    for path in files:
        assert path.name in page.text
        answer = browser.get(f"{index.url}/packages/{path.name}", timeout=30)
        assert answer.content == path.read_bytes()
        head = browser.head(f"{index.url}/packages/{path.name}", timeout=30)
        assert head.headers["Content-Length"] == str(path.stat().st_size)
        since = {"If-Modified-Since": answer.headers["Last-Modified"]}
        again = browser.get(f"{index.url}/packages/{path.name}", headers=since, timeout=30)
        assert (again.status_code, again.content) == (304, b"")
    assert fetch(index.address, "/packages/../../etc/passwd").status in (303, 404)
