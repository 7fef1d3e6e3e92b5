"""What programs for fapws3 do, as they can be found in public, in the three forms; each text is our own."""

from __future__ import annotations

import json
import os
import signal
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from support.program import Program
from support.raw import Client, fetch
from support.samples import wait_for
from support.server import Server
from support.three_forms import IN_EACH_FORM, ask_in, running

BEGIN = """
import os, sys
import fapws._evwsgi as evwsgi
from fapws import base
"""

FILES = f"""{BEGIN}
import mimetypes

class Folder(object):
    def __init__(self, root, maxage=None):
        self.root, self.maxage = root, maxage

    def __call__(self, environ, start_response):
        path = self.root + environ["PATH_INFO"]
        try:
            file = open(path, "rb")
        except IOError:
            start_response("404 File not found", [])
            return []
        headers = [("Cache-Control", "max-age=%s" % self.maxage)]
        headers.append(("Content-Type", mimetypes.guess_type(path)[0]))
        headers.append(("ETag", os.path.getmtime(path)))
        headers.append(("Content-Length", os.path.getsize(path)))
        start_response("200 OK", headers)
        return file

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
for name in ("known", "unknown"):
    evwsgi.wsgi_cb(("/" + name + "/", Folder("./" + name + "/", maxage=60)))
evwsgi.set_debug(False)
evwsgi.run()
"""


@IN_EACH_FORM
def test_a_class_for_files_gives_numbers_and_a_type_that_may_be_none(form: str, tmp_path: Path) -> None:
    for name in ("known/a.css", "unknown/a.zzz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name * 20_000)

    def ask(server: Server) -> None:
        for name, kind in (("known/a.css", "text/css"), ("unknown/a.zzz", None)):
            answer = requests.get(f"{server.url}/{name}", timeout=20)
            assert (answer.status_code, answer.text) == (200, name * 20_000)
            assert answer.headers.get("Content-Type") == kind
            assert float(answer.headers["ETag"]) == (tmp_path / name).stat().st_mtime
        assert fetch(server.address, "/known/b").status == 404

    with running(FILES, form, tmp_path) as server:
        ask_in(server, form, ask)


STATISTICS = f"""{BEGIN}
import json
from webob import Request, Response

class Dispatcher(object):
    def __call__(self, environ, start_response):
        request = Request(environ)
        method = getattr(self, request.params.get("method", request.method), None)
        if method is None:
            response = Response(status=405, text="not here")
        else:
            response = method(request, *request.path_info.strip("/").split("/"))
        start_response(response.status, response.headerlist)
        return response.app_iter

class Statistics(Dispatcher):
    def __init__(self):
        self.fresh, self.kept = [], []

    def POST(self, request, name, value):
        self.fresh.append([name, value, request.params.get("note")])
        return Response(status=204)

    def GET(self, request, name):
        return Response(text=json.dumps([one for one in self.kept if one[0] == name]))

    def commit(self):
        self.kept += self.fresh
        self.fresh = []

statistics = Statistics()
evwsgi.start("127.0.0.1", 0)
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/statistics/", statistics))
evwsgi.add_timer(0.05, lambda: statistics.commit())
evwsgi.run()
"""


@IN_EACH_FORM
def test_webob_behind_a_route_and_a_timer_that_commits(form: str, tmp_path: Path) -> None:
    def ask(server: Server) -> None:
        posted = requests.post(server.url + "/statistics/visits/7", {"note": "é"}, timeout=20)
        assert posted.status_code == 204
        kept = lambda: json.loads(fetch(server.address, "/statistics/visits").text)  # noqa: E731
        assert wait_for(kept, "the timer commits") == [["visits", "7", "é"]]
        assert fetch(server.address, "/statistics/x?method=LIST").status == 405

    with running(STATISTICS, form, tmp_path) as server:
        ask_in(server, form, ask)


BLOG = f"""{BEGIN}
import signal

class Post(object):
    def __init__(self, name):
        self.name, self.text = name, open("posts/" + name).read()

    def page(self, environ, start_response):
        start_response("200 OK", [("ContentType", "text/html")])
        return ["<h1>" + self.name + "</h1>", self.text]

class Blog(object):
    def load(self):
        self.posts = [Post(name) for name in sorted(os.listdir("posts"))]

    def paths(self):
        for post in self.posts:
            evwsgi.wsgi_cb(("/%s" % post.name, post.page))

    def again(self, number, frame):
        self.load()
        self.paths()
        print("loaded", len(self.posts), flush=True)

    def serve(self):
        signal.signal(signal.SIGHUP, self.again)
        self.load()
        evwsgi.start("127.0.0.1", "0")
        evwsgi.set_base_module(base)
        self.paths()
        evwsgi.set_debug(1)
        evwsgi.run()
        print("swept", flush=True)

if __name__ == "__main__":
    Blog().serve()
"""


@IN_EACH_FORM
def test_methods_of_objects_as_routes_and_what_stands_behind_run(form: str, tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "first").write_text("one")
    with running(BLOG, form, tmp_path) as server:
        ask_in(server, form, lambda server: _is_page(server, "first", "one"))
        assert server.stop() == 0 and "swept" in server.log


def _is_page(server: Server, name: str, text: str) -> None:
    assert fetch(server.address, f"/{name}").text == f"<h1>{name}</h1>{text}"


def test_routes_may_be_added_by_a_signal_handler_while_it_serves(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "first").write_text("one")
    program = tmp_path / "program.py"
    program.write_text(BLOG)
    with Program(program, directory=tmp_path) as server, Client(server.address) as client:
        assert client.get("/second").status == 404
        (tmp_path / "posts" / "second").write_text("two")
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("loaded 2")
        _is_page(server, "second", "two")
        assert client.get("/second").text == "<h1>second</h1>two"


PACKAGED = {
    "run.py": "from radio.server import start\nstart()\n",
    "radio/__init__.py": "",
    "radio/settings.py": "HOST, PORT = '127.0.0.1', 0\n",
    "radio/server.py": f"""{BEGIN}
from fapws.contrib import views
from .settings import HOST, PORT

def start():
    evwsgi.start(HOST, str(PORT))
    evwsgi.set_base_module(base)
    evwsgi.wsgi_cb(("/music", views.Staticfile("music")))
    evwsgi.wsgi_cb(("/", Front()))
    evwsgi.run()

class Front(object):
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=UTF-8")])
        return [("front[%s]" % environ["PATH_INFO"]).encode("utf-8", "replace")]
""",
    "music/a.mp3": "sound",
}


@IN_EACH_FORM
def test_a_program_in_several_modules_that_starts_in_one_of_them(form: str, tmp_path: Path) -> None:
    for name, text in PACKAGED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def ask(server: Server) -> None:
        assert fetch(server.address, "/music/a.mp3").text == "sound"
        assert fetch(server.address, "/x/y").text == "front[x/y]"
        assert fetch(server.address, "/").text == "front[]"

    with running(tmp_path / "run.py", form, tmp_path) as server:
        ask_in(server, form, ask)


MOVES = f"""
import os, sys
os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])) + "/../")
sys.path.insert(0, os.path.abspath("lib"))
{BEGIN}
import pages

def text_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return open("words")

def when(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ("Hello, ", "it is ", evwsgi.rfc1123_date(0))

def nothing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    yield "one"
    yield None
    yield b"two"

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
for prefix, served in (("/words", text_file), ("/when", when), ("/nothing", nothing), ("/", pages.home)):
    evwsgi.wsgi_cb((prefix, served))
evwsgi.set_debug(0)
try:
    evwsgi.run()
except KeyboardInterrupt:
    sys.exit(0)
"""
HOME = """
def home(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    data = environ["wsgi.input"].read(size)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Number", 4444)])
    return [environ["REQUEST_METHOD"], " ", environ["PATH_INFO"], " ", data]
"""


@IN_EACH_FORM
def test_a_program_that_changes_its_folder_and_finds_its_modules_there(form: str, tmp_path: Path) -> None:
    for name, text in {"wsgi/run.py": MOVES, "lib/pages.py": HOME, "words": "wörds\n" * 5000}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def ask(server: Server) -> None:
        assert fetch(server.address, "/words").body.decode() == "wörds\n" * 5000
        words = fetch(server.address, "/when").text
        assert parsedate_to_datetime(words.removeprefix("Hello, it is ")).timestamp() == 0
        assert fetch(server.address, "/nothing").text == "onetwo"
        answer = requests.put(server.url + "/detect", b"abc", timeout=20)
        assert (answer.text, answer.headers["X-Number"]) == ("PUT detect abc", "4444")

    with running(tmp_path / "wsgi" / "run.py", form, tmp_path / "wsgi") as server:
        ask_in(server, form, ask)


FRONT_END = """
class Front(object):
    def __init__(self, application, host="127.0.0.1", port=0, base_url="/", debug=False):
        self.application, self.host, self.port = application, host, port
        self.base_url, self.debug, self.server = base_url, debug, None

    def start(self):
        try:
            import fapws._evwsgi as evwsgi
            from fapws import base
        except ImportError:
            raise SystemExit("there is no fapws")
        self.server = evwsgi
        self.server.start(self.host, str(self.port))
        self.server.set_base_module(base)
        self.server.wsgi_cb((self.base_url, self.application))
        self.server.set_debug(self.debug)
        self.server.run()

def choose(name):
    return {"fapws3": Front}[name]

if __name__ == "__main__":
    from flask import Blueprint, Flask, request
    pages = Blueprint("pages", __name__)

    @pages.route("/", methods=["GET", "POST"])
    def index():
        return "Hello %s" % (request.form.get("name") or request.data.decode() or "nobody")

    application_ = Flask(__name__)
    application_.register_blueprint(pages)
    choose("fapws3")(application_).start()
"""


@IN_EACH_FORM
def test_a_choice_of_servers_with_flask_below_its_base_url(form: str, tmp_path: Path) -> None:
    def ask(server: Server) -> None:
        assert fetch(server.address, "/").text == "Hello nobody"
        assert requests.post(server.url + "/", {"name": "form"}, timeout=20).text == "Hello form"
        assert requests.post(server.url + "/", "data", timeout=20).text == "Hello data"
        assert fetch(server.address, "/nowhere").status == 404

    with running(FRONT_END, form, tmp_path) as server:
        ask_in(server, form, ask)
