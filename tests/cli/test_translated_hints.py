"""fapwsctl translate: what it proposes as comments, because the old server had no such thing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fapws.cli.arguments import parse_arguments
from fapws.cli.translate import command
from fapws.settings.scan import scan

WARMUP = "#warmup = GET http://HOST/ 200"
VIRTUALENV = "#virtualenv = .venv"
_UWSGI = "[uwsgi]\nhttp-socket = :8000\n"


def unit(**application: object) -> str:
    listeners = {"127.0.0.1:8000": {"pass": "applications/shop"}}
    return json.dumps({"listeners": listeners, "applications": {"shop": {"type": "python", **application}}})


def translated(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(command.translate(parse_arguments(["translate", str(folder / name)])).values["ini"])


DJANGO_SAYS = {"DJANGO_SETTINGS_MODULE": "shop.settings"}


@pytest.mark.parametrize(
    ("name", "text", "begins"),
    [
        (
            "g.py",
            "wsgi_app = 'shop:site'\nraw_env = ['DJANGO_SETTINGS_MODULE=shop.settings']\n",
            "Django (DJANGO_",
        ),
        ("g.py", "wsgi_app = 'shop.wsgi'\n", "Django, if shop.wsgi is"),
        (
            "u.ini",
            f"{_UWSGI}module = shop:site\nenv = DJANGO_SETTINGS_MODULE=shop.settings\n",
            "Django (DJANGO_",
        ),
        ("u.ini", f"{_UWSGI}wsgi-file = shop/wsgi.py\n", "Django, if "),
        ("u.json", unit(module="shop", environment=DJANGO_SAYS), "Django (DJANGO_"),
        ("u.json", unit(module="shop.wsgi"), "Django, if shop.wsgi is"),
        ("g.py", "wsgi_app = 'shop:site'\n", ""),
        ("u.ini", f"{_UWSGI}module = wsgi:application\n", ""),
        ("u.json", unit(module="wsgi"), ""),
    ],
)
def test_django_is_shown_the_warmup(tmp_path: Path, name: str, text: str, begins: str) -> None:
    ini = translated(tmp_path, name, text)
    assert ini.count(WARMUP) == bool(begins)
    if begins:
        part = ini.partition(f"\n{WARMUP}\n")[0]
        comment = part.rpartition("\n\n")[2].replace("\n;  ", "")
        assert comment.startswith(f"; {begins}")
        assert "[app:shop]" in part and ":env]" not in part  # a line of the pool, when it loses its #


def test_what_is_shown_is_good_once_it_is_taken_in(tmp_path: Path) -> None:
    ini = translated(tmp_path, "u.json", unit(module="shop.wsgi", environment=DJANGO_SAYS))
    shown = re.sub(r"(?m)^#(?=\w+ = )", "", ini)
    sections = {one.name: one.entries for one in scan(shown.encode(), "ini").sections}
    values = {entry.key: entry.value for entry in sections["app:shop"]}
    assert (values["warmup"], values["virtualenv"]) == ("GET http://HOST/ 200", ".venv")
    assert [entry.key for entry in sections["app:shop:env"]] == ["DJANGO_SETTINGS_MODULE"]


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("g.py", "wsgi_app = 'a:b'\n", True),
        ("g.py", "wsgi_app = 'a:b'\npythonpath = '/srv/env/lib/python3.11/site-packages'\n", False),
        ("u.ini", f"{_UWSGI}module = a:b\n", True),
        ("u.ini", f"{_UWSGI}module = a:b\nhome = /srv/env\n", False),
        ("u.json", unit(module="a"), True),
        ("u.json", unit(module="a", home="/srv/env"), False),
        (
            "u.json",
            '{"listeners": {"*:80": {"pass": "routes"}}, "routes": [{"action": {"share": "/srv$uri"}}]}',
            False,
        ),
    ],
)
def test_packages_that_nothing_names_are_told(tmp_path: Path, name: str, text: str, shown: bool) -> None:
    assert translated(tmp_path, name, text).count(VIRTUALENV) == shown
