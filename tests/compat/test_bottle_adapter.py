"""Bottle's adapter for fapws3, which many programs have copied: ``bottle.run(server="fapws3")``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.raw import fetch
from support.server import Server
from support.three_forms import IN_EACH_FORM, ask_in, running
from support.venvs import venv_with

VERSIONS = ["0.12", "0.13"]

AT_THE_TOP = """
import bottle
from bottle import route, request, run, static_file

@route("/")
def home():
    return "home " + bottle.__version__

@route("/page/<name>", method=["GET", "POST"])
def page(name):
    return "%s %s %s" % (request.path, request.query.get("a"), request.forms.get("b"))

@route("/multi")
def multi():
    return str(request.environ["wsgi.multiprocess"])

@route("/file")
def file():
    return static_file("program.py", root=".", mimetype="text/plain")
"""
REPAIR = "bottle.depr = lambda *told, **more: None\n"
"""For 0.13, whose adapter calls depr() without an argument it needs, and so fails under any server."""
RUN = 'run(host="127.0.0.1", port=PORT, server="fapws3", quiet=QUIET)\n'
GUARDED = f"if __name__ == '__main__':\n    {RUN}"


@pytest.fixture(scope="module", params=VERSIONS)
def bottle(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """A version of Bottle, and the environment that lets programs find it first."""
    version = str(request.param)
    if version == "0.12" and sys.version_info >= (3, 13):
        pytest.skip("Bottle 0.12 imports cgi, which Python 3.13 has not: runs on older ones")
    home = venv_with(f"bottle-{version}", f"bottle == {version}.*").home
    (packages,) = home.glob("lib/*/site-packages")
    yield version, {"PYTHONPATH": str(packages)}


@IN_EACH_FORM
@pytest.mark.parametrize("end", [RUN, GUARDED], ids=["top", "guarded"])
@pytest.mark.parametrize(("port", "quiet"), [("0", "True"), ("'0'", "False")])
def test_bottle_runs_with_its_fapws3_adapter(
    bottle: tuple[str, dict[str, str]], form: str, end: str, port: str, quiet: str, tmp_path: Path
) -> None:
    version, env = bottle
    repair = REPAIR if version == "0.13" else ""
    text = AT_THE_TOP + repair + end.replace("PORT", port).replace("QUIET", quiet)

    def ask(server: Server) -> None:
        assert fetch(server.address, "/").text.startswith(f"home {version}.")
        assert fetch(server.address, "/page/x%20y?a=%26").text == "/page/x y & None"
        assert requests.post(server.url + "/page/z", {"b": "c"}, timeout=20).text == "/page/z None c"
        assert fetch(server.address, "/multi").text == "False"
        assert fetch(server.address, "/file").text == text
        assert fetch(server.address, "/nowhere").status == 404

    with running(text, form, tmp_path, env=env) as server:
        ask_in(server, form, ask)
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_a_program_that_offers_an_application_needs_no_adapter(tmp_path: Path) -> None:
    text = AT_THE_TOP + "application = bottle.default_app()\n" + GUARDED.replace("PORT", "1 / 0")
    with Server(text.replace("QUIET", "True"), directory=tmp_path) as server:
        assert fetch(server.address, "/").text.startswith("home ")
