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


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("static_max_age", "-1", "must be"),
        ("static_max_age", "20000d", "must be"),
        ("static_immutable", "*.css a]", "means nothing"),
        ("static_types", "/nowhere/mime.types", "cannot read"),
        ("static_types", "/", "is a directory"),
        ("static_symlinks", "maybe", "must be no, owner or yes"),
        ("static_fallthrough", "perhaps", "must be"),
    ],
)
def test_mistakes_of_the_other_options(name: str, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        options.parse(options.POOL_OPTIONS[name], text, "/")


def test_values_are_written_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "types").write_text("text/css css\n")
    for name, text, value in (
        ("static_max_age", "90m", 5400.0),
        ("static_immutable", "*.[0-9a-f]{8,}.*  x", ("*.[0-9a-f]{8,}.*", "x")),
        ("static_types", "types", str(tmp_path / "types")),
        ("static_symlinks", "owner", "owner"),
        ("static_fallthrough", "yes", True),
    ):
        option = options.POOL_OPTIONS[name]
        assert options.parse(option, text, str(tmp_path)) == value
        assert options.parse(option, options.format_value(option, value), "/") == value


def test_bad_line_of_a_types_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "types").write_text("text/css css\ncss\n")
    with pytest.raises(ValueError, match="line 2: 'css' is no type"):
        options.parse(options.POOL_OPTIONS["static_types"], "types", str(tmp_path))
