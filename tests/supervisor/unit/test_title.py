"""The titles of processes."""

from __future__ import annotations

from pathlib import Path

from fapws.supervisor.process import title


def test_title_goes_where_the_system_wants_it_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "comm").write_text("")
    title.set_title("fapws: a-very-long-name/17", str(tmp_path / "comm"))
    assert (tmp_path / "comm").read_text() == "fapws: a-very-l"
    title.set_title("fapws", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
