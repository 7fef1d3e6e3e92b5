"""The commands of the pages for newcomers do what is said there: each block of ``sh`` is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.house import PATIENCE, House, connect, wait_until
from support.ports import unused_port
from support.tree import TREE

DOCS = TREE / "docs"
HELLO = 'def application(environ, start_response):\n    start_response("200 OK", [])\n    return [b"hello"]\n'
MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"


def function(folder: Path) -> None:
    (folder / "hello.py").write_text(HELLO)


def django(folder: Path) -> None:
    (folder / "manage.py").write_text(MANAGE)
    (folder / "mysite").mkdir()
    (folder / "mysite" / "wsgi.py").write_text(HELLO)


def shop(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "wsgi.py").write_text(HELLO)
    (folder / "gunicorn.conf.py").write_text("workers = 2\nbind = '127.0.0.1:8000'\n")
    (folder / "uwsgi.ini").write_text(
        "[uwsgi]\nmodule = shop.wsgi\nhttp-socket = :8000\ndisable-logging = 1\n"
    )
    (folder / "unit.json").write_text(
        '{"listeners": {"*:8000": {"pass": "applications/shop"}},'
        ' "applications": {"shop": {"type": "python", "path": ".", "module": "shop.wsgi"}}}'
    )


def small_box(folder: Path) -> None:
    text = (TREE / "conf" / "samples" / "small-box.ini").read_text()
    folder.joinpath("small-box.ini").write_text(re.sub(r"(?m)^script = .*", "script = hello.py", text))
    function(folder)


def service(folder: Path) -> None:
    function(folder)
    (folder / "fapws.ini").write_text(
        "[fapws]\npidfile = p\ncontrol = c\nerror_log = log\n"
        "[app:hello]\nscript = hello.py\nlisten = 127.0.0.1:8888\n"
    )


SCENES: dict[tuple[str, str], Callable[[Path], None]] = {
    ("index.md", "I have a function, or a Flask site"): function,
    ("index.md", "I have a Django site"): django,
    ("index.md", "I come from gunicorn, uWSGI or Unit"): shop,
    ("index.md", "I have a 1 GB box"): small_box,
    ("index.md", "I run a fleet"): service,
    ("index.md", "Something has failed, or is slow"): service,
    ("from-gunicorn.md", ""): shop,
    ("from-uwsgi.md", ""): shop,
    ("from-unit.md", ""): shop,
}
"""What lies in the folder where the commands of a section are typed; empty: all of the page, in a row."""
COVERED = ("index.md", "from-gunicorn.md", "from-uwsgi.md", "from-unit.md")


def sections(page: str) -> dict[str, list[str]]:
    """The blocks of each section."""
    found: dict[str, list[str]] = {}
    whole = (page, "") in SCENES
    for part in re.split(r"(?m)^## ", (DOCS / page).read_text(encoding="utf-8")):
        blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", part)
        if blocks:
            found.setdefault("" if whole else part.partition("\n")[0], []).extend(blocks)
    return found


def test_every_section_with_commands_has_its_scene() -> None:
    assert {(page, section) for page in COVERED for section in sections(page)} == set(SCENES)


@pytest.fixture
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="fapws-") as name:
        Path(name, "house").mkdir()
        made = House(Path(name, "house"))
        try:
            yield made
        finally:
            made.clean()


def environment(house: House) -> dict[str, str]:
    """With fapws and fapwsctl as programs."""
    programs = house.directory / "bin"
    programs.mkdir()
    for name, module in (("fapws", "fapws"), ("fapwsctl", "fapws.cli.fapwsctl")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    found = house.environment()
    return {**found, "PATH": f"{programs}{os.pathsep}{found['PATH']}"}


@pytest.mark.parametrize(
    ("page", "section"), SCENES, ids=lambda text: re.sub(r"\W+", "-", str(text))[:30] or "all"
)
def test_commands_of(page: str, section: str, house: House) -> None:
    folder = house.directory.parent / "site"
    folder.mkdir()
    SCENES[page, section](folder)
    port = str(unused_port())
    env = environment(house)
    for block in sections(page)[section]:
        text = re.sub(r"(?<=127\.0\.0\.1:)9000", port, block)
        if re.match(r"fapws (?!init)[^\n]*\n$", text):
            in_the_foreground(text, folder, env)
            continue
        move_listeners(folder)
        done = subprocess.run(
            ["sh", "-ec", text],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        move_listeners(folder)
    for ini in folder.glob("*.ini"):
        if ini.name != "uwsgi.ini":
            subprocess.run(
                ["sh", "-c", f"fapwsctl -c {ini.name} stop"], cwd=folder, env=env, check=True, timeout=60
            )
    wait_until(lambda: not house.processes(), "nothing is left")


SITE_WITH_A_FAULT = """
from django.conf import settings
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, LOGGING=LOGGING)
import django
from django.core.wsgi import get_wsgi_application
from django.urls import path

def view(request):
    return missing_here

urlpatterns = [path("", view)]
django.setup()
application = get_wsgi_application()
"""


def test_failure_in_a_django_view_is_in_the_error_log_by_the_lines_of_the_page(house: House) -> None:
    pytest.importorskip("django", reason="runs where Django is installed")
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    lines = re.search(r"(?ms)^```python\n(LOGGING = .*?)^```", page)
    assert lines
    house.write_app(lines[1] + SITE_WITH_A_FAULT)
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    with connect(house, None) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 500 ")
    house.wait_log(r"NameError: name 'missing_here' is not defined")
    assert "Traceback (most recent call last)" in house.log()


def move_listeners(folder: Path) -> None:
    """To a port that is free, of whatever the page names."""
    for ini in folder.glob("*.ini"):
        text = ini.read_text()
        ini.write_text(
            re.sub(r"(?m)^(listen|status) = (127\.0\.0\.1|0\.0\.0\.0):(8888|8000|9117)$", r"\1 = \2:0", text)
        )


def in_the_foreground(text: str, folder: Path, env: dict[str, str]) -> None:
    """Until it serves; then it is told to end."""
    if "-b" not in text:
        text = text.replace("fapws ", "fapws -b 127.0.0.1:0 ", 1)
    process = subprocess.Popen(
        ["sh", "-c", f"exec {text}"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("fapws: serving"), line + process.stdout.read()
    finally:
        process.terminate()
        process.stdout.read()
        process.stdout.close()
        assert process.wait(PATIENCE) in (0, -15)
