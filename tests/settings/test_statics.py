"""The option static: how folders are written, and what is told of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from fapws.settings import options

OPTION = options.POOL_OPTIONS["static"]


def test_folders_are_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    assert options.parse(OPTION, "", "/") == ()
    for text in ("/:files, /a/b/:files", f"/:files\n/a/b:{tmp_path}/files"):
        parsed = options.parse(OPTION, text, str(tmp_path))
        assert parsed == (("", str(tmp_path / "files")), ("/a/b", str(tmp_path / "files")))
        assert options.parse(OPTION, options.format_value(OPTION, parsed), "/") == parsed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/a", "must be a path and a folder"),
        ("a:.", "must be a path and a folder"),
        ("/a:", "must be a path and a folder"),
        ("/a:./none", "must be a directory"),
        ("/a:/dev/null", "must be a directory"),
        ("/a:., /a/:.", "must name one folder only for /a"),
        ("/a b?:.", "plain characters"),
        ("/%61:.", "plain characters"),
        ("/\u00e9:.", "plain characters"),
        ("/a//b:.", "leading dots"),
        ("/../x:.", "leading dots"),
        ("/.git:.", "leading dots"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        options.parse(OPTION, text, str(tmp_path))
