"""fapws.contrib.django_handler: a small Django project as fapws3's programs run it."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.server import ROOT, Server

SITE = """
from django.http import HttpResponse
from django.urls import path, re_path

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = __name__

def show(request, rest=""):
    text = f"{request.method} {request.path} {request.build_absolute_uri()} {request.POST.get('a')}"
    return HttpResponse(text, content_type="text/plain")

urlpatterns = [path("", show), path("hello/", show), path("hello/<path:rest>", show)]
"""

SCRIPT = """
import os
from fapws.contrib.django_handler import handler

os.environ["DJANGO_SETTINGS_MODULE"] = "small_site"  # after the import: it is Django's at first use
PATHS = [({prefix!r}, handler)]
"""


@pytest.mark.parametrize(
    ("prefix", "path", "wanted"),
    [("/", "/", "/"), ("/", "/hello/", "/hello/"), ("/", "/hello/a%20b", "/hello/a b"),
     ("/site", "/site/hello/", "/site/hello/"), ("/site/", "/site/hello/", "/site/hello/")],
)  # fmt: skip
def test_a_project_is_served_below_its_prefix(tmp_path: Path, prefix: str, path: str, wanted: str) -> None:
    (tmp_path / "small_site.py").write_text(SITE)
    (tmp_path / "program.py").write_text(SCRIPT.format(prefix=prefix))
    with Server(tmp_path / "program.py", directory=tmp_path) as server:
        connection = HTTPConnection(*server.address, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert (answer.status, text) == (200, f"GET {wanted} {server.url}{path} None")
        connection.close()


def run(source: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


CALL = """
import sys
from wsgiref.util import setup_testing_defaults
{before}
from fapws.contrib.django_handler import handler
assert not any(name == "django" or name.startswith("django.") for name in sys.modules), "too early"
environ = {{}}
setup_testing_defaults(environ)
print(b"".join(handler(environ, lambda status, headers: print(status))))
"""


def test_the_settings_have_to_be_named(tmp_path: Path) -> None:
    said = run(CALL.format(before=""), tmp_path)
    assert "RuntimeError: DJANGO_SETTINGS_MODULE is not set: name the settings" in said


def test_without_django_it_says_what_to_install(tmp_path: Path) -> None:
    without = "sys.modules['django.conf'] = None; sys.path_importer_cache.clear()"
    said = run(CALL.format(before="").replace("environ = ", without + "\nenviron = "), tmp_path)
    assert "RuntimeError: Django is not installed for this Python: pip install Django" in said


def test_what_a_project_itself_lacks_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import a_package_that_is_not_there\n")
    said = run(CALL.format(before=""), tmp_path, DJANGO_SETTINGS_MODULE="broken")
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in said


def test_settings_that_a_program_configures_itself_are_enough(tmp_path: Path) -> None:
    (tmp_path / "small_site.py").write_text(SITE)
    configure = (
        "from django.conf import settings\n"
        "settings.configure(ROOT_URLCONF='small_site', ALLOWED_HOSTS=['127.0.0.1'], SECRET_KEY='x')\n"
    )
    said = run(CALL.format(before="").replace("environ = ", configure + "environ = "), tmp_path)
    assert "200 OK" in said, said
