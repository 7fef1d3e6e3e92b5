"""conf/samples: every program says how it is run, and some test starts it and asks it.

Those tests stand in test_sample_*.py and are called after their folder (test_FOLDER_...), so that a
sample without one is noticed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.raw import fetch
from support.samples import SAMPLES, running

FOLDERS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_has_a_test(folder: str) -> None:
    files = Path(__file__).parent.glob("test_*.py")
    assert any(
        re.search(rf"_{folder}[_.]", path.name) or f"def test_{folder}_" in path.read_text() for path in files
    ), f"conf/samples/{folder} is started by no test"


@pytest.mark.parametrize("program", sorted(SAMPLES.glob("*/*.py")), ids=lambda path: path.name)
def test_every_sample_says_how_it_is_run(program: Path) -> None:
    comment = program.read_text(encoding="utf-8").split('"""')[1]
    assert re.search(rf"(fapws|python) .*{program.name}|fapws -c fapws.ini", comment), comment


@pytest.mark.parametrize("ini", sorted(SAMPLES.glob("*/fapws.ini")), ids=lambda path: path.parent.name)
def test_every_ini_file_of_a_sample_is_right(ini: Path, tmp_path: Path) -> None:
    from fapws.settings.ini import read

    folder = shutil.copytree(ini.parent, tmp_path / ini.parent.name)
    for pool in read(str(folder / "fapws.ini")).pools:
        assert Path(pool.script.partition(":")[0]).is_file() or pool.app


def test_hello_says_hello_whatever_is_asked(tmp_path: Path) -> None:
    with running("hello/hello.py", tmp_path) as server:
        for path in ("/", "/anything"):
            answer = fetch(server.address, path)
            assert (answer.status, answer.text) == (200, "Hello world!!")
        assert answer.head.get("Content-Type") == "text/html; charset=utf-8"
