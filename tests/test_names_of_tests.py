"""Where tests are: none is passed over, no two files have one name, parts of the master have their own."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatch

import pytest
from support.tree import TREE

ALSO = {
    "reuse_port": "fapws/reuse_port.py",
    "decide_property": "supervisor/core/decide.py",
    "monitor_http": "supervisor/monitor/http.py",
}
"""What has the name of no module of the supervisor, and what it tests."""


def test_no_folder_is_passed_over(request: pytest.FixtureRequest) -> None:
    patterns = request.config.getini("norecursedirs")
    folders = {path.parent.relative_to(TREE) for path in (TREE / "tests").rglob("test_*.py")}
    assert len(folders) > 10
    passed = [str(f) for f in folders if any(fnmatch(part, p) for part in f.parts for p in patterns)]
    assert passed == []


def test_no_two_files_have_one_name() -> None:
    counts = Counter(path.name for path in (TREE / "tests").rglob("test_*.py"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_a_unit_of_the_supervisor_is_tested_in_a_file_of_its_name() -> None:
    modules = {path.stem for path in (TREE / "fapws" / "supervisor").rglob("*.py")}
    files = [path.stem[len("test_") :] for path in (TREE / "tests" / "supervisor" / "unit").glob("test_*.py")]
    assert len(files) > 10
    assert [name for name in files if name not in modules and name not in ALSO] == []
    assert [path for path in ALSO.values() if not (TREE / path).is_file()] == []
