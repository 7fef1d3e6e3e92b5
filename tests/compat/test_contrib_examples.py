"""The examples in the docstrings and in docs/contrib.md run as they stand there."""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.plain import Plain, ask

from fapws.compat.paths import Paths

DOCS = Path(__file__).resolve().parents[2] / "docs" / "contrib.md"


def check_headers(get: Callable[..., Plain]) -> None:
    assert get("/old").get("Location") == "/new"


def check_views(get: Callable[..., Plain]) -> None:
    assert get("/static/missing").code == 404


def check_multipart(get: Callable[..., Plain]) -> None:
    data = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n12345\r\n--b--\r\n'
    answer = get("/upload", method="POST", content=data, CONTENT_TYPE="multipart/form-data; boundary=b")
    assert answer.body == b"x: 5 bytes\n"


def check_log(get: Callable[..., Plain]) -> None:
    assert get("/").body == b"Hello world!!"


def check_zip(get: Callable[..., Plain]) -> None:
    assert get("/", HTTP_ACCEPT_ENCODING="gzip").get("Content-Encoding") == "gzip"
    assert get("/").body == b"many words " * 1000


def check_siforms(get: Callable[..., Plain]) -> None:
    assert b"<form" in get("/order").body
    assert get("/order", QUERY_STRING="name=x&count=3").body == b"3 pieces"


def check_sessions(get: Callable[..., Plain]) -> None:
    first = get("/count")
    assert first.body == b"visit 1"
    cookie = str(first.get("Set-Cookie")).partition(";")[0]
    assert get("/count", HTTP_COOKIE=cookie).body == b"visit 2"


def check_cgiapp(get: Callable[..., Plain]) -> None:
    assert get("/cgi-bin/search", QUERY_STRING="word").body == b"word\n"


def check_django_handler(get: Callable[..., Plain]) -> None:
    assert get("/").code == 500  # there is no project; test_contrib_django_handler.py has one


CHECKS: dict[str, Callable[[Callable[..., Plain]], None]] = {
    "cgiapp": check_cgiapp,
    "django_handler": check_django_handler,
    "headers": check_headers,
    "log": check_log,
    "multipart": check_multipart,
    "sessions": check_sessions,
    "siforms": check_siforms,
    "views": check_views,
    "zip": check_zip,
}


def example_of_module(name: str) -> str:
    """The first indented block of the docstring, as it is written: CPython 3.13 indents __doc__ less."""
    source = Path(importlib.import_module(f"fapws.contrib.{name}").__file__ or "").read_text("utf-8")
    text = ast.get_docstring(ast.parse(source), clean=False) or ""
    match = re.search(r"\n\n((?:    .*\n|\n)+)", text)
    assert match is not None, f"{name} shows no example"
    return textwrap.dedent(match[1])


def example_of_page(name: str) -> str:
    """The block of the page that imports the module."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if re.search(rf"contrib(\.| import ){name}\b", block)]
    return str(found)


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("source", [example_of_module, example_of_page])
def test_the_example_runs(
    name: str, source: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "")  # put back afterwards
    script = tmp_path / "search"
    script.write_text("#!/bin/sh\necho Content-Type: text/plain; echo; echo $QUERY_STRING\n")
    script.chmod(0o755)
    namespace: dict[str, Any] = {}
    text = source(name).replace("/srv/uploads", str(tmp_path))
    text = text.replace("/var/lib/shop", str(tmp_path)).replace("/srv/cgi-bin", str(tmp_path))
    exec(compile(text, f"example of {name}", "exec"), namespace)
    program = Paths(namespace["PATHS"])
    CHECKS[name](lambda path, **given: ask(program, path, **given))
