"""Uploads and forms of fapws3's programs, in the three forms, and a script with PATHS for Flask."""

from __future__ import annotations

from pathlib import Path

import requests
from support.server import Server
from support.three_forms import IN_EACH_FORM, ask_in, running

UPLOADS = """
import fapws._evwsgi as evwsgi
import own_base
from fapws.contrib.siforms import forms, widgets

class Person(forms.Form, metaclass=forms.FormFactory):
    name = widgets.Text("First name", required=True)
    code = widgets.Foreignkey("Code")
    picture = widgets.jFile("Picture")
    _add_html_form = ["name", "code"]
    _html_list = ["name"]
    _dbkey = ["name"]

def upload(environ, start_response):
    form = environ["wsgi.input"]
    path, info = form.get("picture")[0]
    start_response(b"200 OK", [(b"Content-Type", b"text/plain")])
    return "%s %s %s %s" % (open(path).read(), info["Content-Type"], info["size"], form.get("name")[0])

def person(environ, start_response):
    form = Person(id="person", class_="small")
    form.code.options = [(0, "-----"), (1, "master")]
    params = environ["fapws.params"]
    if params and form.validate(params, form._add_html_form):
        return [repr(form.values), form.render_list([form.values])]
    return form.render_form(form._add_html_form)

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(own_base)
evwsgi.wsgi_cb((b"/upload", upload))
evwsgi.wsgi_cb((b"/person", person))
evwsgi.run()
"""
OWN_BASE = """
from fapws.base import *
from fapws import config
from fapws.contrib import multipart

class Environ(dict):
    def __init__(self, *given, **more):
        self["wsgi.input"] = multipart.MultipartFormData("files")
    def update_headers(self, data):
        dict.update(self, data)
    def update_uri(self, data):
        dict.update(self, data)
    def update_from_request(self, data):
        dict.update(self, data)
"""


@IN_EACH_FORM
def test_an_upload_is_the_old_pair_and_every_widget_is_there(form: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "own_base.py").write_text(OWN_BASE)

    def ask(server: Server) -> None:
        files = {"picture": ("../a.txt", "content", "text/x-note")}
        answer = requests.post(server.url + "/upload", {"name": "Zoe"}, files=files, timeout=20)
        assert answer.text == "content text/x-note 7 Zoe"
        shown = requests.get(server.url + "/person", timeout=20).text
        assert 'class="small"' in shown and "master" in shown and "Picture" not in shown
        sent = requests.post(server.url + "/person", {"name": "Z", "code": "1"}, timeout=20).text
        assert sent.startswith("{'name': 'Z', 'code': 1}<table") and 'href="/admin/edit/Person/Z"' in sent
        assert "cannot be empty" in requests.post(server.url + "/person", {"code": "1"}, timeout=20).text

    with running(UPLOADS, form, tmp_path) as server:
        ask_in(server, form, ask)


SCRIPT = """
from flask import Flask, request
shop = Flask(__name__)

@shop.route("/<path:page>")
@shop.route("/")
def show(page=""):
    return request.script_root + "|" + request.path

def own(environ, start_response):
    return environ["SCRIPT_NAME"] + "|" + environ["PATH_INFO"]

PATHS = [(b"/own/", own), ("/shop/", shop), ("/", shop)]
"""


def test_flask_in_paths_of_a_script_gets_its_slash_too(tmp_path: Path) -> None:
    wanted = {"/own/a": "/own/|a", "/shop/a": "/shop|/a", "/shop/": "/shop|/", "/a/b": "|/a/b", "/": "|/"}
    for options, arguments in (("", []), ("workers = 1", []), ("", ["--strict-paths"])):
        with Server(SCRIPT, options=options, arguments=arguments) as server:
            if arguments:
                wanted["/own/a"] = "/own|/a"
            told = {target: requests.get(server.url + target, timeout=20).text for target in wanted}
            assert told == wanted
