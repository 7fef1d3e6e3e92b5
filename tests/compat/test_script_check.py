"""What is wrong with a script's PATHS is told before it is run, and never of a script that works."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fapws.compat import script as looking
from fapws.compat.check import find_mistake
from fapws.compat.paths import of_program
from fapws.compat.script import _top_level_names, script_settings
from fapws.settings.model import Pool, ScriptSettings

HELLO = "def hello(environ, start_response):\n    return ''\n"


def told(source: str) -> str:
    tree = ast.parse(source)
    mistake = find_mistake(tree, _top_level_names(tree))
    return mistake.message if mistake else ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "defines none of application, app and PATHS"),
        (HELLO, "defines none of application, app and PATHS; callable there: hello"),
        (
            "class A:\n    def b(self): return str()\nC = 5",
            "defines none of application, app and PATHS; callable there: A",
        ),
        ("import fapws.base, fapws\nPATH = []", "defines none of application, app and PATHS"),
        ("PATHS = None", "PATHS must be a list of (prefix, callable) pairs, not NoneType"),
        ("PATHS = {'/': print}", "PATHS must be a list of (prefix, callable) pairs, not dict"),
        ("PATHS = '/'", "PATHS must be a list of (prefix, callable) pairs, not str"),
        ("PATHS = ['/a']", "PATHS[0] = '/a' is not a (prefix, callable) pair"),
        ("PATHS = [('/', print), ('/a',)]", "PATHS[1] = ('/a',) is not a (prefix, callable) pair"),
        ("PATHS = [('/', print, 1)]", "PATHS[0] = ('/', print, 1) is not a (prefix, callable) pair"),
        ("PATHS = ('/', print)", "PATHS[0] = '/' is not a (prefix, callable) pair"),
        ("PATHS = [(1, print)]", "PATHS[0] = (1, print): the prefix must be a str, not int"),
        ("PATHS = [(b'a', print)]", "PATHS[0] = (b'a', print): the prefix must begin with /"),
        ("PATHS = []", "PATHS is empty: every request would be answered by 404"),
        ("PATHS = ()", "PATHS is empty: every request would be answered by 404"),
        ("PATHS = [('a', print)]", "PATHS[0] = ('a', print): the prefix must begin with /"),
        ("PATHS = [('/', 'hello')]", "PATHS[0] = ('/', 'hello'): str is not callable"),
        ("PATHS = [('/', [print])]", "PATHS[0] = ('/', [print]): list is not callable"),
        ("hello = 'x'\nPATHS = [('/', hello)]", "PATHS[0] = ('/', hello): str is not callable"),
        (HELLO + "PATHS = [('/', helo)]", "PATHS[0] = ('/', helo): helo is not defined"),
        (
            "class A:\n    def run(self): pass\nPATHS = [('/', A())]",
            "PATHS[0] = ('/', A()): A is not callable",
        ),
    ],
)
def test_mistake_names_the_entry(source: str, message: str) -> None:
    assert told(source) == message
    namespace: dict[str, Any] = {}
    with pytest.raises((NameError, TypeError, ValueError)) as caught:  # it is one in truth
        exec(source, namespace)
        of_program(namespace, False)
    assert str(caught.value).startswith(message[:8]) or "defined" in message or "defines" in message


@pytest.mark.parametrize(
    "source",
    [
        "PATHS = [(b'/', print)]",
        "PATHS = list()",
        HELLO + "PATHS = [('/', hello), ('/l', lambda e, s: ''), ('/p', print)]",
        HELLO + "PATHS = (('/', hello), ['/b', hello])",
        "from x import hello\nPATHS = [('/', hello)]",
        "from x import *\nPATHS = [('/', hello)]",
        "import x\nPATHS = [('/', x.hello), ('/b', x.A())]",
        "import x.y\nPATHS = [('/', x)]",
        "if 1:\n    def h(e, s): pass\nPATHS = [('/', h)]",
        "try:\n    import x\n    async def h(e, s): pass\nexcept KeyError:\n    h = 0\nPATHS = [('/', h)]",
        "for _ in '':\n    class A: pass\nPATHS = [('/', A)]",
        "x = (h := print)\nPATHS = [('/', h)]",
        "h = 'x'\ny = (h := print)\nPATHS = [('/', h)]",
        "PATHS = [('/a', (h := print)), ('/', h)]",
        "def f(a=(h := print)): pass\nPATHS = [('/', h)]",
        "PATHS = [('/' + name, print) for name in 'ab']",
        "PATHS = [[x for x in ('/', print)]]",
        "class A:\n    pass\nif 1:\n    class A:\n        def __call__(self): pass\nPATHS = [('/', A())]",
        "class A:\n    def __call__(self, e, s): return ''\nPATHS = [('/', A())]",
        "class A:\n    def run(self): pass\nA.__call__ = A.run\nPATHS = [('/', A())]",
        "class A(B):\n    pass\nPATHS = [('/', A())]",
        "class A:\n    pass\nPATHS = [('/', A)]",
        "class A:\n    __call__ = print\nPATHS = [('/', A())]",
        "if 1:\n    h = 'x'\nelse:\n    h = print\nPATHS = [('/', h)]",
        "h = None\ndef late():\n    global h\n    h = print\nlate()\nPATHS = [('/', h)]",
        "h = 'x'\nh = print\nPATHS = [('/', h)]",
        "PATHS = []\nPATHS.append(('/', print))",
        "PATHS = ['x']\nPATHS[0] = ('/', print)",
        "PATHS = [('/a', print), *more()]",
        "PATHS = [*more(), ('/a', print)]",
        "PATHS = [(f'/{x}', print), (prefix(), print)]",
        "PATHS = make()",
        "PATHS = [entry() for x in y]\nPATHS = list(PATHS)",
        "globals()['PATHS'] = []",
        "import sys\nsys.modules[__name__].PATHS = []",
        "app = None\nPATHS = 5",
        "import fapws._evwsgi as evwsgi",
        "from fapws import _evwsgi\n_evwsgi.run()",
        "from mine import serve\nserve()",
        "import not_there_at_all",
        "import importlib\nm = importlib.import_module('program')",
        "import runpy\n@runpy.run_path\ndef program(): pass",
        "import runpy\nclass A:\n    served = runpy.run_path('program.py')",
        "import runpy\ndef main(served=runpy.run_path('program.py')): pass",
        "from . import serving",
        "try:\n    from x import hello\nexcept ImportError:\n    hello = None\nPATHS = [('/', hello)]",
        "for h in (print,):\n    pass\nPATHS = [('/', h)]",
        "with open('x') as h:\n    pass\nPATHS = [('/', h)]",
        "(h := print)\nPATHS = [('/', h)]",
        "PATHS = [('/', __name__)]",
        pytest.param(
            "match [print]:\n    case [h]:\n        PATHS = [('/', h)]\nPATHS = [('/', h)]",
            marks=pytest.mark.skipif(sys.version_info < (3, 10), reason="match comes with 3.10"),
        ),
        "def __getattr__(name): return []",
    ],
)
def test_what_may_work_is_left_to_the_worker(source: str) -> None:
    assert told(source) == ""


def test_script_that_is_run_for_its_values_has_its_list_checked(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    source = "SERVER = ':' + str(80)\ndef make():\n    return [('/', print), ('/b', 5)]\nPATHS = make()\n"
    path.write_text(source)
    assert script_settings(str(path), Pool("p", script=str(path))).mistake == (
        "PATHS[1] = ('/b', 5): int is not callable"
    )
    assert script_settings(f"{path}:make").mistake == ""


def test_script_is_not_run_for_values_that_are_not_wanted(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nSERVER = str(80)\nPATHS = [5]\n")
    found = script_settings(str(path), Pool("p", script=str(path)), may_run=False)
    assert (found.mistake, found.mistake_line) == ("PATHS[0] = 5 is not a (prefix, callable) pair", 3)
    assert not os.path.exists(tmp_path / "ran")


def test_long_mistake_does_not_get_lost(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(f"PATHS = [{'é' * 10**4!r}]\n")
    assert script_settings(str(path)).mistake.startswith("PATHS[0] = 'éé")


APPLICATION = "def application(environ, start_response):\n    return []\n"


def found_in(path: Path, source: bytes, attribute: str = "") -> ScriptSettings:
    path.write_bytes(source)
    return looking._find(str(path), attribute, None, True, lambda _settings: None)


def test_plain_script_is_not_taken_to_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ast", None)  # its import fails from now on
    path = tmp_path / "s.py"
    assert found_in(path, APPLICATION.encode()) == ScriptSettings()
    assert found_in(path, b"import os\nsite = os.getcwd\n", attribute="site") == ScriptSettings()
    for source in (b"SERVER = ':80'\n", "\uff33ERVER = ':80'\n".encode()):
        with pytest.raises(ImportError):
            found_in(path, source + APPLICATION.encode())


@pytest.mark.parametrize(
    "says",
    [
        b"SERVER = ':80'",
        b"MAX_BODY_SIZE = 5",
        b"PATHS = []\nDEBUG = 1",
        "\uff33\uff25\uff32\uff36\uff25\uff32 = ':80'".encode(),  # Python takes wide letters for plain ones
        b"# coding: utf-7\n+AFM-ERVER = ':80'",
        b"import fapws._evwsgi as e\ne.start('127.0.0.1', '80')",
        b"from os import *",
        b"from os import \\\n  *",
    ],
)
def test_what_a_script_says_is_found_beside_an_application(
    says: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_run", lambda *_script: ScriptSettings(unknown="it would be run"))
    found = found_in(tmp_path / "s.py", says + b"\n" + APPLICATION.encode())
    assert found != ScriptSettings()


def test_script_without_an_application_is_told_so() -> None:
    assert not looking._says_nothing(b"def hello(environ, start_response): pass\n", "")
    assert looking._says_nothing(b"def hello(environ, start_response): pass\n", "hello")
