"""Applications of frameworks by fapws.run(), and those that call it by a name of theirs: Pyramid's pserve,
Bottle, ``manage.py runfapws``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.raw import fetch
from support.server import Server
from support.venvs import venv_with


class Caller(Server):
    """A command that ends up as a server."""

    def __init__(self, words: list[str], directory: Path, path: str = "") -> None:
        super().__init__("", directory=directory, env={"PYTHONPATH": path})
        self._command = words

    def command(self) -> list[str]:
        """The words that start it."""
        return self._command


# ---- fapws.run() -----------------------------------------------------------------------------------------

FLASK = """
from flask import Flask
application = Flask(__name__)

@application.route("/hello/<name>")
def hello(name):
    return "hello " + name
"""
DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("hello/<name>", lambda request, name: HttpResponse("hello " + name))]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="x")
application = get_wsgi_application()
"""
BOTTLES = """
import bottle
application = bottle.Bottle()
application.route("/hello/<name>")(lambda name: "hello " + name)
"""
BY_RUN = """
if __name__ == "__main__":
    import fapws
    fapws.run(application, port=0, workers=2)
"""


@pytest.mark.parametrize(
    ("framework", "program"), [("flask", FLASK), ("django", DJANGO), ("bottle", BOTTLES)]
)
def test_applications_of_frameworks_are_served_by_run(framework: str, program: str, tmp_path: Path) -> None:
    pytest.importorskip(framework, reason="runs where it is installed")
    (tmp_path / "program.py").write_text(program + BY_RUN, encoding="utf-8")
    with Caller([sys.executable, "-W", "ignore", "program.py"], tmp_path) as server:
        assert "2 workers" in server.serving_line
        assert fetch(server.address, "/hello/world").text == "hello world"
        assert server.stop() == 0


# ---- Pyramid's pserve ------------------------------------------------------------------------------------

SITE = """
from pyramid.config import Configurator
from pyramid.response import Response

def hello(request):
    return Response("hello %s" % request.matchdict["name"])

def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("hello", "/hello/{name}")
        config.add_view(hello, route_name="hello")
        return config.make_wsgi_app()
"""
PSERVE_INI = """
[app:main]
paste.app_factory = pyramid_site:main

[server:main]
use = egg:fapws{name}
host = 127.0.0.1
port = 0
workers = 2
max_body_size = 10
"""


@pytest.mark.parametrize("name", ["", "#main", "#fapws"])
def test_pserve_serves_a_pyramid_site(name: str, tmp_path: Path) -> None:
    home = venv_with("pyramid", "pyramid >= 2, < 3", "setuptools < 81").home
    (packages,) = home.glob("lib/*/site-packages")
    (tmp_path / "pyramid_site.py").write_text(SITE, encoding="utf-8")
    (tmp_path / "site.ini").write_text(PSERVE_INI.format(name=name), encoding="utf-8")
    words = [sys.executable, "-W", "ignore", "-m", "pyramid.scripts.pserve", "site.ini"]
    with Caller(words, tmp_path, os.pathsep.join([str(tmp_path), str(packages)])) as server:
        assert "2 workers" in server.serving_line
        assert fetch(server.address, "/hello/world").text == "hello world"
        assert fetch(server.address, "/hello/world", method="POST", body=b"x" * 11).status == 413
        assert server.stop() == 0


# ---- Bottle ----------------------------------------------------------------------------------------------

BOTTLE = """
import bottle
from fapws.embedding.bottle_adapter import FapwsServer

@bottle.route("/hello/<name>")
def hello(name):
    return "hello " + name

if __name__ == "__main__":
    bottle.run(server=FapwsServer, host="127.0.0.1", port=0, workers=2, max_body_size=10)
"""


def test_bottle_runs_with_the_adapter(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(BOTTLE, encoding="utf-8")
    with Caller([sys.executable, "program.py"], tmp_path) as server:
        assert "2 workers" in server.serving_line
        assert fetch(server.address, "/hello/world").text == "hello world"
        assert fetch(server.address, "/hello/world", method="POST", body=b"x" * 11).status == 413
        assert server.stop() == 0


# ---- manage.py runfapws ----------------------------------------------------------------------------------

VIEW = """
from django.http import HttpResponse
from django.urls import path

def hello(request):
    return HttpResponse("first")

urlpatterns = [path("hello", hello)]
"""


def manage(project: Path, *words: str) -> list[str]:
    """The words of a command of the project's."""
    return [sys.executable, "-W", "ignore", str(project / "manage.py"), *words]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What django-admin startproject makes, with the command installed and one view."""
    home = tmp_path_factory.mktemp("django")
    admin = [sys.executable, "-W", "ignore", "-m", "django", "startproject", "mysite", str(home)]
    subprocess.run(admin, check=True, timeout=60)
    with (home / "mysite" / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write("\nINSTALLED_APPS.append('fapws.contrib.runfapws')\n")
    (home / "mysite" / "urls.py").write_text(VIEW, encoding="utf-8")
    return home


def test_runfapws_serves_pages_static_files_and_follows_changes(project: Path) -> None:
    with Caller(manage(project, "runfapws", "127.0.0.1:0"), project) as server:
        assert fetch(server.address, "/hello").text == "first"
        page = fetch(server.address, "/static/admin/css/base.css")
        assert page.status == 200
        assert page.text == (Path(django_home()) / "contrib/admin/static/admin/css/base.css").read_text(
            "utf-8"
        )
        mark = server.mark()
        # In one step: it is looked at now and then, and half a file would be a reload of its own.
        (project / "urls.new").write_text(VIEW.replace("first", "second"), encoding="utf-8")
        (project / "urls.new").replace(project / "mysite" / "urls.py")
        server.wait_log("reload done", 30.0, mark)
        assert fetch(server.address, "/hello").text == "second"
        assert server.stop() == 0


def test_runfapws_from_another_directory_with_two_workers(project: Path, tmp_path: Path) -> None:
    (project / "mysite" / "urls.py").write_text(VIEW, encoding="utf-8")
    words = manage(project, "runfapws", "127.0.0.1:0", "--workers", "2", "--noreload")
    with Caller(words, tmp_path) as server:
        assert "2 workers" in server.serving_line
        assert fetch(server.address, "/hello").text == "first"
        assert server.stop() == 0


def test_runfapws_without_debug_shows_no_static_files(project: Path, tmp_path: Path) -> None:
    settings = "from mysite.settings import *\nDEBUG = False\nALLOWED_HOSTS = ['*']\n"
    (project / "earnest.py").write_text(settings, encoding="utf-8")
    with Caller(manage(project, "runfapws", "--settings", "earnest", "127.0.0.1:0"), tmp_path) as server:
        assert fetch(server.address, "/static/admin/css/base.css").status == 404
        assert server.stop() == 0


def django_home() -> str:
    """Where Django is."""
    import django

    return os.path.dirname(django.__file__)
