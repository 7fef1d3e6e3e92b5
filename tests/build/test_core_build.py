"""The part of csrc/fapws.h that cffi reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from support.tree import TREE


@pytest.fixture
def core_build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("cffi", reason="cffi's own Python part is there only where Fapws is built")
    monkeypatch.chdir(TREE)
    spec = importlib.util.spec_from_file_location("core_build", Path("tools/core_build.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_text_between_the_marks_is_handed_on(core_build: ModuleType) -> None:
    text = "#if 1\n/* cffi: begin */\nint a(void);\n/* cffi: end */\n#endif\n"
    assert core_build.declarations(text).strip() == "int a(void);"


def test_a_negative_constant_loses_the_parentheses_that_only_c_wants(core_build: ModuleType) -> None:
    text = "/* cffi: begin */#define A (-12)\n#define B 3 /* (-4) */\n/* cffi: end */"
    text = text.replace("*/#", "*/\n#")
    assert core_build.declarations(text).split("\n")[1:3] == ["#define A -12", "#define B 3 /* (-4) */"]


@pytest.mark.parametrize("text", ["", "/* cffi: begin */ int a;", "int a; /* cffi: end */"])
def test_a_missing_mark_is_an_error(core_build: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        core_build.declarations(text)
