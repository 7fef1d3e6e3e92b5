"""What fapws3's programs count on, each by hand, under a master, and from an INI file with a reload."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import requests
from support.raw import Client, fetch
from support.server import Server
from support.three_forms import FORMS, IN_EACH_FORM, ask_in, running

BEGIN = """
import os, sys
import fapws, fapws.base, fapws._evwsgi as evwsgi
from fapws import base, config

def where(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["%s|%s" % (environ["SCRIPT_NAME"], environ["PATH_INFO"])]

def begin():
    evwsgi.start("127.0.0.1", "0")
    evwsgi.set_base_module(base)
"""


@IN_EACH_FORM
def test_versions_are_formatted_as_fapws3s_samples_do(form: str, tmp_path: Path) -> None:
    text = f"""{BEGIN}
begin()
print("libev ABI version:%i.%i" % evwsgi.libev_version(), fapws.version, flush=True)
evwsgi.wsgi_cb(("/", where))
evwsgi.run()
"""
    with running(text, form, tmp_path) as server:
        assert server.wait_log(r"libev ABI version:1\.\d+ fapws/\S+ fapws3/\S+ with libev-1\.\d+$")
        ask_in(server, form, lambda server: None)


# ---- Django --------------------------------------------------------------------------------------

SITE = """
from django.core.signals import request_finished
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = __name__
finished = []
request_finished.connect(lambda **_: finished.append(1), weak=False)

def page(request):
    response = HttpResponse("page %s" % request.POST.get("a"), status=203)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response

def stream(request):
    return StreamingHttpResponse(iter([b"str", b"eam"]))

def file(request):
    return FileResponse(open(__file__, "rb"))

def count(request):
    return HttpResponse(str(len(finished)))

urlpatterns = [path("page", page), path("stream", stream), path("file", file), path("count", count)]
"""
DJANGO = f"""{BEGIN}
from fapws.contrib import django_handler, log, zip
os.environ["DJANGO_SETTINGS_MODULE"] = "small_site"

def in_a_list(environ, start_response):
    res = django_handler.handler(environ, start_response)
    return [res]

def alone(environ, start_response):
    return django_handler.handler(environ, start_response)

def between(environ, start_response):
    return ["<", django_handler.handler(environ, start_response), ">"]

class Site:
    def generic(self, environ, start_response):
        return (django_handler.handler(environ, start_response),)

begin()
for prefix, served in (
    ("/alone", alone),
    ("/between", between),
    ("/logged", log.Log()(in_a_list)),
    ("/packed", zip.Gzip(minimum=1)(in_a_list)),
    ("/method", Site().generic),
    ("", in_a_list),
):
    evwsgi.wsgi_cb((prefix, served))
evwsgi.run()
"""


@IN_EACH_FORM
def test_djangos_response_goes_out_alone_and_in_a_list(form: str, tmp_path: Path) -> None:
    site = tmp_path / "small_site.py"
    site.write_text(SITE)

    def ask(server: Server) -> None:
        # One connection: on it a response is closed before the next request is served, on others perhaps not.
        with requests.Session() as client:
            for mount in ("", "/alone", "/between", "/logged", "/packed", "/method"):
                url, around = server.url + mount, "<{}>" if mount == "/between" else "{}"
                answer = client.post(url + "/page", {"a": "b"}, timeout=20)
                assert (answer.status_code, answer.text) == (203, around.format("page b")), mount
                assert dict(answer.cookies) == {"one": "1", "two": "2"}
                assert client.get(url + "/stream", timeout=20).text == around.format("stream")
                file = client.get(url + "/file", timeout=20).content
                if mount != "/between":  # the length of the file alone is announced there
                    assert file == site.read_bytes(), mount
            assert client.get(server.url + "/count", timeout=20).text == "18"  # all but this one were closed

    with running(DJANGO, form, tmp_path) as server:
        ask(server)
        if form == FORMS[2]:
            mark = server.mark()
            os.kill(server.pid, signal.SIGHUP)
            server.wait_log("reload done", 60, since=mark)
            assert requests.get(server.url + "/stream", timeout=20).text == "stream"


# ---- OPTIONS -------------------------------------------------------------------------------------


@IN_EACH_FORM
def test_options_without_a_route_tells_the_methods(form: str, tmp_path: Path) -> None:
    text = f"""{BEGIN}
base.supported_HTTP_command.append(b"TRACE")
base.supported_HTTP_command.append("PROPFIND")
begin()
evwsgi.wsgi_cb(("/own", where))
evwsgi.run()
"""

    def ask(server: Server) -> None:
        for target in ("/", "*", "/nowhere?x"):
            with Client(server.address) as client:
                answer = client.get(target, method="OPTIONS")
                told = (answer.status, answer.body, answer.head.get("Content-Length"))
                assert told == (200, b"", "0"), target
                allowed = str(answer.head.get("Allow")).split(", ")
                assert allowed[:3] == ["GET", "HEAD", "POST"] and allowed[-2:] == ["TRACE", "PROPFIND"]
                assert client.get("/own/x", method="OPTIONS").text == "/own|/x"
                assert client.get("/own/x", method="TRACE").text == "/own|/x"
                assert client.get("/own/x", method="LOCK").status == 501
                assert client.get("/nowhere").status == 404

    with running(text, form, tmp_path) as server:
        ask_in(server, form, ask)


@IN_EACH_FORM
def test_options_of_the_server_is_no_request_for_what_serves_everything(form: str, tmp_path: Path) -> None:
    text = f"{BEGIN}\nbegin()\nevwsgi.wsgi_cb(('', where))\nevwsgi.run()\n"
    with running(text, form, tmp_path) as server, Client(server.address) as client:
        assert "POST" in str(client.get("*", method="OPTIONS").head.get("Allow"))
        assert client.get("/", method="OPTIONS").text == "|/"


# ---- Applications of others ----------------------------------------------------------------------

FLASK = f"""{BEGIN}
from flask import Flask, request
app = Flask(__name__)

class Shop(Flask):
    pass

class Own:
    def __call__(self, environ, start_response):
        return where(environ, start_response)

@app.route("/")
def home():
    return "home"

@app.route("/page/<name>/")
def page(name):
    return request.script_root + "|" + request.path + "|" + request.args.get("a", "")

SETTING
begin()
evwsgi.wsgi_cb(("/function/", where))
evwsgi.wsgi_cb(("/object/", Own()))
evwsgi.wsgi_cb(("/shop/", app))
evwsgi.wsgi_cb(("/method/", app.wsgi_app))
evwsgi.wsgi_cb(("/segment", app))
evwsgi.wsgi_cb(("/", app))
evwsgi.run()
"""


def pages(server: Server, slash: str = "") -> None:
    """Asks for what is Flask's and what is the program's own. slash: what the own ones find."""
    told = {target: requests.get(server.url + target, timeout=20) for target in PAGES}
    for target, wanted in PAGES.items():
        answer = told[target]
        assert (answer.status_code, answer.text, answer.history) == (200, wanted, []), target
    for name in ("function", "object"):
        left = f"/{name}" + ("/" if not slash else "")
        assert fetch(server.address, f"/{name}/x").text == f"{left}|{slash}x"


PAGES = {
    "/": "home",
    "/page/one/": "|/page/one/|",
    "/shop/": "home",
    "/shop/page/two/": "/shop|/page/two/|",
    "/method/page/two/?a=b": "/method|/page/two/|b",
    "/segment/page/x/": "/segment|/page/x/|",
}


@IN_EACH_FORM
def test_flask_below_a_slash_gets_its_slash_and_own_objects_do_not(form: str, tmp_path: Path) -> None:
    with running(FLASK.replace("SETTING", ""), form, tmp_path) as server:
        ask_in(server, form, pages)


@IN_EACH_FORM
def test_strict_paths_of_the_config_holds_for_all(form: str, tmp_path: Path) -> None:
    with running(FLASK.replace("SETTING", "config.strict_paths = True"), form, tmp_path) as server:
        ask_in(server, form, lambda server: pages(server, "/"))


@IN_EACH_FORM
def test_strict_paths_false_is_fapws3s_rule_for_all(form: str, tmp_path: Path) -> None:
    def ask(server: Server) -> None:
        answer = requests.get(server.url + "/shop/", timeout=20, allow_redirects=False)
        assert answer.status_code in (301, 302, 308) and answer.headers["Location"].endswith("/shop/")
        assert requests.get(server.url + "/segment/page/x/", timeout=20).text == "/segment|/page/x/|"

    with running(FLASK.replace("SETTING", "config.strict_paths = False"), form, tmp_path) as server:
        ask_in(server, form, ask)


def test_strict_paths_of_the_command_line_and_of_the_ini_file(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FLASK.replace("SETTING", "config.strict_paths = False"))
    with Server(program, arguments=["--strict-paths"]) as server:
        pages(server, "/")
    with running(program, FORMS[2], tmp_path, options="strict_paths = yes") as server:
        ask_in(server, FORMS[2], lambda server: pages(server, "/"))


# ---- start_response twice, bytes for text --------------------------------------------------------


@IN_EACH_FORM
def test_start_response_twice_is_merged(form: str, tmp_path: Path) -> None:
    text = f"""{BEGIN}
def twice(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/html"), ("X-A", "1"), ("Set-Cookie", "a=1")])
    start_response("200 OK", [("X-B", 2.5), ("Content-Type", "text/plain"), ("Set-Cookie", "b=1")])
    return ["merged"]
begin()
evwsgi.wsgi_cb(("/twice", twice))
evwsgi.run()
"""

    def ask(server: Server) -> None:
        answer = requests.get(server.url + "/twice", timeout=20)
        assert (answer.status_code, answer.text) == (200, "merged")
        assert (answer.headers["X-A"], answer.headers["X-B"]) == ("1", "2.5")
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert dict(answer.cookies) == {"a": "1", "b": "1"}

    with running(text, form, tmp_path) as server:
        ask_in(server, form, ask)


@IN_EACH_FORM
def test_bytes_are_taken_for_text_everywhere(form: str, tmp_path: Path) -> None:
    text = f"""{BEGIN}
from fapws import basestr
from fapws.compat import convert_to_bytes
from fapws.contrib import headers, log, views, zip

@log.Log()
@zip.Gzip(minimum=1)
def hello(environ, start_response):
    start_response(b"202 Accepted", [(b"Content-Type", b"text/html"), (b"X-A", b"\\xe9")])
    start_response.add_header(b"X-B", convert_to_bytes(7))
    start_response.set_cookie(b"k", b"v")
    return [b"Hello", " world!!"]

@log.Log()
def teapot(environ, start_response):
    start_response.status_code = convert_to_bytes(418)
    start_response.status_reasons = convert_to_bytes("Teapot")
    return [b""]

def away(environ, start_response):
    return headers.redirect(start_response, b"/hello")

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(basestr)
for prefix, served in ((b"/hello", hello), (b"/teapot", teapot), (b"/away", away)):
    evwsgi.wsgi_cb((prefix, served))
evwsgi.wsgi_cb((b"/file", views.Staticfile(os.fsencode(os.path.abspath(sys.argv[0])))))
evwsgi.run()
"""

    def ask(server: Server) -> None:
        for target in ("/hello", "/away"):
            answer = requests.get(server.url + target, timeout=20)
            assert (answer.status_code, answer.text) == (202, "Hello world!!")
            assert (answer.headers["X-A"], answer.headers["X-B"]) == ("\xe9", "7")
            assert answer.headers["Content-Encoding"] == "gzip" and dict(answer.cookies) == {"k": "v"}
        assert requests.get(server.url + "/teapot", timeout=20).reason == "Teapot"
        assert fetch(server.address, "/file").body == (tmp_path / "program.py").read_bytes()
        server.wait_log(r'"GET /teapot HTTP/1.1" 418 ')
        server.wait_log(r'"GET /hello HTTP/1.1" 202 ')

    with running(text, form, tmp_path) as server:
        ask_in(server, form, ask)


@IN_EACH_FORM
def test_a_cgi_script_that_is_missing_is_404_and_the_rest_is_served(form: str, tmp_path: Path) -> None:
    script = tmp_path / "there.cgi"
    script.write_text(
        f"#!{sys.executable}\nimport os\n"
        "print('Content-Type: text/plain\\n')\nprint(os.environ['REQUEST_URI'])\n"
    )
    script.chmod(0o755)
    text = f"""{BEGIN}
from fapws.contrib import cgiapp
begin()
evwsgi.wsgi_cb(("/there", cgiapp.CGIApplication("./there.cgi")))
evwsgi.wsgi_cb(("/gone", cgiapp.CGIApplication("/nowhere/test.php")))
evwsgi.run()
"""

    def ask(server: Server) -> None:
        assert fetch(server.address, "/there/a%20b?c=d").text == "/there/a%20b?c=d\n"
        assert fetch(server.address, "/gone").status == 404
        server.wait_log(
            r"the script /nowhere/test\.php does not exist; requests for it are answered with 404"
        )

    with running(text, form, tmp_path) as server:
        ask_in(server, form, ask)
