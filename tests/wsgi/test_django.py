"""A Django site as ``django-admin startproject`` makes it, with its admin, driven by requests."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from support.server import Server

BIG = random.Random(6).randbytes(4_000_000)  # above Django's own limit for memory

VIEWS = """
import hashlib

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path, re_path


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(request.session["count"])


def form(request):
    if request.method == "POST":
        files = {
            name: [file.name, file.size, hashlib.sha256(b"".join(file.chunks())).hexdigest()]
            for name, file in request.FILES.items()
        }
        return JsonResponse({"form": dict(request.POST.lists()), "files": files})
    return HttpResponse(f'<input name="csrfmiddlewaretoken" value="{get_token(request)}">')


def stream(request):
    return StreamingHttpResponse(f"row {number}\\n" for number in range(1000))


def file(request):
    return FileResponse(open(__file__, "rb"), as_attachment=True)


def moved(request):
    return redirect("/count/", permanent=True)


def boom(request):
    raise RuntimeError("django-boom")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("count/", count),
    path("form/", form),
    path("stream/", stream),
    path("file/", file),
    path("moved/", moved),
    path("boom/", boom),
    re_path("^static/(?P<path>.*)$", serve),
]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``fapws -w 2 mysite.wsgi:application`` in the folder of a fresh project."""
    pytest.importorskip("sqlite3", reason="needs a Python with sqlite3", exc_type=ImportError)  # for its data
    folder = tmp_path_factory.mktemp("django")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}

    def run(*words: str, **more: str) -> None:
        subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env={**env, **more},
            check=True,
            timeout=300,
            stdout=subprocess.DEVNULL,
        )

    run("-m", "django", "startproject", "mysite", ".")
    run("manage.py", "migrate", "-v", "0")
    run(
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username=root",
        "--email=root@example.com",
        DJANGO_SUPERUSER_PASSWORD="tests only",
    )
    (folder / "mysite" / "urls.py").write_text(VIEWS)
    with Server("mysite.wsgi:application", arguments=["-w", "2"], directory=folder) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """A client with cookies and kept connections."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def token(text: str) -> str:
    """The CSRF token of a form."""
    match = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert match is not None, text[:500]
    return match[1]


def test_it_says_what_it_serves(site: Server) -> None:
    assert "2 workers" in site.serving_line


def test_the_admin_login_works(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/admin/", timeout=30)
    assert answer.history[0].status_code == 302
    assert "Log in" in answer.text
    data = {
        "csrfmiddlewaretoken": token(answer.text),
        "username": "root",
        "password": "tests only",
        "next": "/admin/",
    }
    answer = browser.post(answer.url, data=data, timeout=30)
    assert answer.status_code == 200
    assert "Site administration" in answer.text
    # A page of the database, by whichever worker.
    for _ in range(4):
        users = browser.get(site.url + "/admin/auth/user/", timeout=30)
        assert "root@example.com" in users.text
    answer = browser.get(site.url + "/admin/auth/user/add/", timeout=30)
    data = {
        "csrfmiddlewaretoken": token(answer.text),
        "username": "zo\u00eb",
        "usable_password": "true",
        "password1": "a long password of 2026",
        "password2": "a long password of 2026",
    }
    answer = browser.post(answer.url, data=data, timeout=30)
    assert "was added successfully" in answer.text
    assert "zo\u00eb" in browser.get(site.url + "/admin/auth/user/", timeout=30).text


def test_a_wrong_password_is_refused(site: Server, browser: requests.Session) -> None:
    page = browser.get(site.url + "/admin/login/", timeout=30)
    data = {"csrfmiddlewaretoken": token(page.text), "username": "root", "password": "wrong"}
    answer = browser.post(page.url, data=data, timeout=30)
    assert "Please enter the correct username" in answer.text


def test_csrf_refuses_a_form_without_token(site: Server, browser: requests.Session) -> None:
    assert browser.post(site.url + "/form/", data={"a": "b"}, timeout=30).status_code == 403


def test_sessions_in_the_database(site: Server, browser: requests.Session) -> None:
    counts = [int(browser.get(site.url + "/count/", timeout=30).text) for _ in range(10)]
    assert counts == list(range(1, 11))


def test_forms_and_upload(site: Server, browser: requests.Session) -> None:
    page = browser.get(site.url + "/form/", timeout=30)
    answer = browser.post(
        site.url + "/form/",
        data={"csrfmiddlewaretoken": token(page.text), "title": "\u20ac", "n": ["1", "2"]},
        files={"small": ("a.txt", b"hello"), "large": ("b.bin", BIG)},
        timeout=30,
    ).json()
    assert answer["form"]["title"] == ["\u20ac"]
    assert answer["form"]["n"] == ["1", "2"]
    assert answer["files"]["small"][:2] == ["a.txt", 5]
    assert answer["files"]["large"] == ["b.bin", len(BIG), hashlib.sha256(BIG).hexdigest()]


def test_a_streamed_answer(site: Server, browser: requests.Session) -> None:
    with browser.get(site.url + "/stream/", stream=True, timeout=30) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        lines = list(answer.iter_lines())
    assert lines == [b"row %d" % number for number in range(1000)]


def test_a_file_through_file_wrapper(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/file/", timeout=30)
    assert answer.text == VIEWS
    assert answer.headers["Content-Length"] == str(len(VIEWS))
    assert browser.get(site.url + "/file/", timeout=30).text == VIEWS


def test_static_files_of_the_admin(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/static/admin/css/base.css", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 1000
    again = browser.get(
        site.url + "/static/admin/css/base.css",
        headers={"If-Modified-Since": answer.headers["Last-Modified"]},
        timeout=30,
    )
    assert (again.status_code, again.content) == (304, b"")


def test_redirects(site: Server, browser: requests.Session) -> None:
    answer = browser.get(site.url + "/moved/", timeout=30)
    assert [step.status_code for step in answer.history] == [301]
    # APPEND_SLASH
    answer = browser.get(site.url + "/count", timeout=30)
    assert answer.url == site.url + "/count/"


def test_an_exception_is_a_page_and_a_log_entry(site: Server, browser: requests.Session) -> None:
    mark = site.mark()
    answer = browser.get(site.url + "/boom/", timeout=30)
    assert answer.status_code == 500
    site.wait_log("RuntimeError: django-boom", since=mark)
    assert browser.get(site.url + "/nowhere/", timeout=30).status_code == 404
