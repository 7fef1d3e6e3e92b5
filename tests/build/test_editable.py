"""`make build` leaves an installation that runs the clone's own files, by path alone."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from support.tree import TREE

import fapws
import fapws.supervisor

SITE = Path(sysconfig.get_paths()["purelib"])

pytestmark = pytest.mark.skipif(
    not list(SITE.glob("__editable__*fapws*")) and not list(SITE.glob("fapws.egg-link")),
    reason="Fapws is not installed from a clone into this Python: runs under `make test`",
)


def test_the_package_and_the_supervisor_are_the_clones_own_files() -> None:
    assert Path(fapws.__file__).resolve() == TREE / "fapws" / "__init__.py"
    assert Path(fapws.supervisor.__file__ or "") == TREE / "fapws" / "supervisor" / "__init__.py"


@pytest.mark.skipif(
    not (TREE / "supervisor").is_dir(), reason="a source distribution has no link: runs in a clone"
)
def test_the_supervisor_is_the_folder_at_the_top() -> None:
    assert Path(fapws.supervisor.__file__ or "").resolve() == TREE / "supervisor" / "__init__.py"


def test_no_import_hook_was_installed() -> None:
    assert not list(SITE.glob("__editable__*finder*"))
    assert not [finder for finder in sys.meta_path if "editable" in type(finder).__module__]
    assert not [hook for hook in sys.path_hooks if "editable" in getattr(hook, "__module__", "")]


def test_the_path_file_holds_one_path() -> None:
    (path_file,) = SITE.glob("__editable__*fapws*.pth")
    assert path_file.read_text().strip() == str(TREE)


@pytest.mark.parametrize("program", ["fapws", "fapws4", "fapwsctl"])
def test_the_programs_stand_in_the_venv(program: str) -> None:
    script = Path(sys.prefix, "bin", program)
    assert script.stat().st_mode & 0o111
    lines = script.read_text().splitlines()
    assert f"{sys.prefix}/bin/python" in lines[0] + lines[1]
    # re brings a megabyte to the master.
    assert next(line for line in lines if "import" in line) == "import sys"
    assert not [line for line in lines if line.startswith("import re")]
