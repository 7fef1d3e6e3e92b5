"""static_types: a file in the form of mime.types."""

from __future__ import annotations

from pathlib import Path

import pytest

from fapws.settings.media_types import SIZE_MAX, read_types, table_of


def test_form(tmp_path: Path) -> None:
    path = tmp_path / "mime.types"
    path.write_text(
        "# comment\n\ntext/x-own\town OWN2  # more\napplication/none\n"
        "model/gltf+json gltf\r\n  image/x  tar.gz c++\ntext/css css\n"
    )
    assert read_types(str(path)).decode().splitlines() == [
        "own text/x-own; charset=utf-8",
        "own2 text/x-own; charset=utf-8",
        "gltf model/gltf+json",
        "tar.gz image/x",
        "c++ image/x",
        "css text/css; charset=utf-8",
    ]


def test_later_lines_count() -> None:
    assert table_of({"a": "x/y", "b": "text/z; charset=latin-1", "c": ""}) == (
        b"a x/y\nb text/z; charset=latin-1\nc \n"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("css text/css\n", "line 1: 'css' is no type"),
        ("\ntext/ css", "line 2: 'text/' is no type"),
        ("text/c:ss css", "is no type"),
        ("text/" + "x" * 100 + " x", "is no type"),
        ("text/css c/ss", "'c/ss' is no end"),
        ("text/css c\u00e9", "is no end"),
        ("text/css css;", "'css;' is no end"),
        ("types {\n", "'types' is no type"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mime.types"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_types(str(path))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mime.types"
    path.write_bytes(b"text/css \xff\xfe")
    with pytest.raises(ValueError, match="is no end"):
        read_types(str(path))


def test_file_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "mime.types"
    path.write_text("#" * (SIZE_MAX + 1))
    with pytest.raises(ValueError, match="more than"):
        read_types(str(path))
