"""Autoreload: which files are watched, and what counts as a change."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from fapws.worker.watch import SourceWatch


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "s.py"
    path.write_text("one\n")
    return path


@pytest.fixture(autouse=True)
def finders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch adds one of its own, for as long as the process lives."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def load(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, path.stem, module)


def test_application_is_watched_and_the_rest_is_not(script, tmp_path, monkeypatch) -> None:
    for name in ("mine_1.py", "site-packages/theirs_1.py", "dist-packages/theirs_2.py", "c_1.so"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        load(monkeypatch, path)
    files = SourceWatch([str(script)]).files()
    assert str(script) in files and f"{tmp_path}/mine_1.py" in files
    assert not any("-packages/" in file or file.endswith(".so") for file in files)
    assert not any(f"{os.sep}fapws{os.sep}watch.py" in file for file in files)
    assert os.__file__ not in files and __file__ in files


def test_nothing_changes_by_itself(script) -> None:
    watch = SourceWatch([str(script)])
    assert [watch.changed() for _ in range(3)] == ["", "", ""]


def test_change_is_told_once(script) -> None:
    watch = SourceWatch([str(script)])
    script.write_text("longer than before\n")
    assert watch.changed() == str(script)
    assert watch.changed() == ""


def test_touched_file_counts(script) -> None:
    watch = SourceWatch([str(script)])
    os.utime(script, ns=(1, 1))
    assert watch.changed() == str(script)


def test_replaced_file_of_same_size_and_time_counts(script, tmp_path) -> None:
    watch = SourceWatch([str(script)])
    status = script.stat()
    new = tmp_path / "new"
    new.write_text("two\n")
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(new, script)
    assert watch.changed() == str(script)


def test_file_that_vanishes_for_a_moment(script, tmp_path) -> None:
    watch = SourceWatch([str(script)])
    script.rename(tmp_path / "s.py~")
    assert watch.changed() == ""
    script.write_text("two\n")
    assert watch.changed() == str(script)
    assert watch.changed() == ""


def test_file_that_was_moved_away_and_back_is_the_same(script, tmp_path) -> None:
    watch = SourceWatch([str(script)])
    script.rename(tmp_path / "s.py~")
    assert watch.changed() == ""
    (tmp_path / "s.py~").rename(script)
    assert watch.changed() == ""


def test_file_that_stays_away_is_a_change_and_so_is_its_return(script) -> None:
    watch = SourceWatch([str(script)])
    script.unlink()
    assert [watch.changed() for _ in range(3)] == ["", str(script), ""]
    script.write_text("back\n")
    assert watch.changed() == str(script)


def test_module_loaded_later_is_watched(script, tmp_path, monkeypatch) -> None:
    watch = SourceWatch([str(script)])
    late = tmp_path / "late_1.py"
    late.write_text("")
    load(monkeypatch, late)
    assert watch.changed() == ""
    late.write_text("changed\n")
    assert watch.changed() == str(late)


def test_application_files_of_a_traceback_are_watched_too(script, tmp_path) -> None:
    other, theirs = tmp_path / "other.py", tmp_path / "site-packages" / "theirs.py"
    theirs.parent.mkdir()
    for path in (other, theirs):
        path.write_text("")
    watch = SourceWatch([str(script)])
    files = (str(other), str(theirs), os.__file__, "<string>")
    watch.add_named_in("Traceback\n" + "".join(f'  File "{name}", line 1, in f\n' for name in files))
    assert str(other) in watch.files()
    assert str(theirs) not in watch.files() and os.__file__ not in watch.files()
    other.write_text("changed\n")
    assert watch.changed() == str(other)


def test_file_of_a_traceback_that_was_saved_since_the_last_change_has_changed(script, tmp_path) -> None:
    """The reload may have read it before that: what was wrong in it is mended."""
    before, since, ahead = (tmp_path / f"{name}.py" for name in ("before", "since", "ahead"))
    for path in (before, since, ahead):
        path.write_text("")
    watch = SourceWatch([str(script)])
    script.write_text("import since\n")
    now = time.time_ns()
    os.utime(before, ns=(now, now - 10**9))
    assert watch.changed() == str(script)
    os.utime(since, ns=(now, time.time_ns()))
    os.utime(ahead, ns=(now, now + 3600 * 10**9))
    watch.add_named_in("".join(f'  File "{path}", line 1\n' for path in (before, since, ahead)))
    assert [watch.changed(), watch.changed()] == [str(since), ""]


def test_file_saved_while_it_is_imported_has_changed(script, tmp_path, monkeypatch) -> None:
    """What Python has read is not what is there now."""
    monkeypatch.syspath_prepend(str(tmp_path))
    saved = tmp_path / "saved_while_imported.py"
    saved.write_text("import pathlib\npathlib.Path(__file__).write_text('')\n")
    untouched = tmp_path / "untouched_by_its_import.py"
    untouched.write_text("")
    watch = SourceWatch([str(script)])
    for path in (untouched, saved):
        importlib.import_module(path.stem)
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
        load(monkeypatch, path)
    assert [watch.changed(), watch.changed()] == [str(saved), ""]


def test_file_that_was_made_for_one_import_and_removed_is_no_change(script, tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = tmp_path / "made_for_one_import.py"
    made.write_text("")
    watch = SourceWatch([str(script)])
    importlib.import_module(made.stem)
    load(monkeypatch, made)
    made.unlink()
    assert [watch.changed() for _ in range(3)] == [""] * 3


def test_watches_note_imports_once(script) -> None:
    SourceWatch([str(script)])
    finders = len(sys.meta_path)
    SourceWatch([str(script)])
    assert len(sys.meta_path) == finders
