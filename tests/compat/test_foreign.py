"""fapws.compat.foreign: whose an object is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import bottle
import falcon
import flask
import pytest
from django.core.handlers.wsgi import WSGIHandler

from fapws.compat.foreign import Program, Slashed, is_foreign, program_of
from fapws.compat.paths import Paths
from fapws.config import strict_paths
from fapws.contrib.django_handler import handler
from fapws.contrib.views import Staticfile

CALLS = "    def __call__(self, e, s): pass\n"
FILES = {
    "program/shop.py": f"class Page:\n{CALLS}    def method(self, e, s): pass\n",
    "program/package/__init__.py": "",
    "program/package/pages.py": "from shop import Page\nclass Own(Page): pass\ndef page(e, s): pass\n",
    "lib/further.py": "def function(e, s): pass\n",
    "vendored/frame/__init__.py": "",
    "vendored/frame/app.py": f"class Frame:\n{CALLS}    def wsgi_app(self, e, s): pass\n",
    "site-packages/web.py": "def made():\n    def wsgi(e, s): pass\n    return wsgi\n",
    "site-packages/installed/__init__.py": f"from web import made\ndef own(e, s): pass\nclass Own:\n{CALLS}",
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Imports from FILES; gone afterwards."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in ("program", "lib", "vendored", "site-packages"):
        monkeypatch.syspath_prepend(tmp_path / name)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def program_in(tmp_path: Path) -> Program:
    """A program in a file of its own."""
    return program_of({"__name__": "run", "__file__": str(tmp_path / "program" / "run.py")})


def test_what_a_program_wrote_is_its_own(module: Callable[[str], Any], tmp_path: Path) -> None:
    program = program_in(tmp_path)
    page, package, further = module("shop").Page(), module("package.pages"), module("further")
    mine = [page, page.method, module("shop").Page, package.Own(), package.page, further.function]
    mine += [lambda e, s: None, print, len, partial(page), Staticfile(), handler, {}.get, type("T", (), {})()]
    assert [one for one in mine if is_foreign(one, program)] == []


def test_frameworks_are_foreign_wherever_they_lie(module: Callable[[str], Any], tmp_path: Path) -> None:
    program = program_in(tmp_path)
    frame = module("frame.app").Frame
    shop = flask.Flask(__name__)

    class Shop(flask.Flask):
        pass

    others = [shop, shop.wsgi_app, Shop(__name__), bottle.Bottle(), falcon.App(), WSGIHandler.__call__]
    others += [frame(), frame().wsgi_app, type("Own", (frame,), {})(), module("web").made()]
    assert [one for one in others if not is_foreign(one, program)] == []


def test_a_program_that_was_installed_keeps_its_own(module: Callable[[str], Any], tmp_path: Path) -> None:
    installed = module("installed")
    program = program_of(vars(installed))
    assert not is_foreign(installed.own, program) and not is_foreign(installed.Own(), program)
    assert is_foreign(installed.made(), program)
    assert is_foreign(installed.own, program_in(tmp_path))


def test_the_standard_library_is_nobodys(tmp_path: Path) -> None:
    assert not is_foreign(validator(print), program_in(tmp_path))
    assert not is_foreign(importlib.import_module("http.cookies").SimpleCookie(), program_in(tmp_path))


@pytest.mark.parametrize("file", [None, 5, b"x"])
def test_a_module_whose_file_is_no_path_is_nobodys(
    file: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = type(sys)("odd_module")
    odd.__file__ = file  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "odd_module", odd)
    made = type("Made", (), {"__module__": "odd_module.inner"})
    assert not is_foreign(made(), program_in(tmp_path))
    assert not is_foreign(type("Made", (), {"__module__": 5})(), program_in(tmp_path))


def test_only_a_prefix_that_ends_with_a_slash_is_changed() -> None:
    served = flask.Flask(__name__)
    program = program_of({"__name__": "run", "__file__": "/nowhere/run.py"})
    routes = Paths([("/a/", served), ("/b", served), ("/c/", print)], program=program)._routes
    assert [type(found) for _, found in routes] == [Slashed, flask.Flask, type(print)]
    assert Paths([("/a/", served)])._routes[0][1] is served, "nothing is known of the program"
    assert strict_paths is None


def test_a_slash_that_is_there_is_left_alone() -> None:
    told: list[tuple[str, str]] = []
    slashed = Slashed(lambda e, s: told.append((e["SCRIPT_NAME"], e["PATH_INFO"])), None)
    for name, info in (("/a/", "b"), ("/", ""), ("", "/x"), ("/a", "/x")):
        slashed({"SCRIPT_NAME": name, "PATH_INFO": info}, None)
    assert told == [("/a", "/b"), ("", "/"), ("", "/x"), ("/a", "/x")]
