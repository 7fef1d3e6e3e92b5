"""A Staticfile among the routes of an old program: the core sends its files, the program the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server import Server
from support.static_site import Site

SCRIPT = """
from fapws.contrib.views import Staticfile

def page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"page " + environ["PATH_INFO"].encode("latin-1")]

PATHS = [{routes}]
"""
PROGRAM = """
import fapws._evwsgi as evwsgi
from fapws import base
from fapws.contrib import views

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/static", views.Staticfile({root!r}, maxage=60)))
evwsgi.run()
"""
BY_CORE = "x-content-type-options"
"""Staticfile does not send it."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = Path(tmp_path.resolve()) / "files"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "index.html").write_bytes(b"index")
    (root / "a.css").write_bytes(b"p {}")
    (root / "b.css.gz").write_bytes(b"packed")
    return root


@contextmanager
def _served(routes: str, root: Path, options: str = "") -> Iterator[Site]:
    with Server(SCRIPT.replace("{routes}", routes), options=options) as server:
        yield Site(server, root, root / "no.log")


def _by_core(site: Site, path: str) -> bool:
    reply = site.ask(path)
    assert (reply.status, reply.content) == (200, b"p {}")
    assert reply.fields["content-type"] == "text/css; charset=utf-8"
    return BY_CORE in reply.fields


def test_files_are_the_cores_and_the_rest_is_the_programs(root: Path) -> None:
    with _served(f"('/page', page), ('/static', Staticfile({str(root)!r}, maxage=60))", root) as site:
        assert _by_core(site, "/static/a.css")
        reply = site.ask("/static/a.css", "Range: bytes=0-1")
        assert (reply.status, reply.content, reply.fields["cache-control"]) == (206, b"p ", "max-age=60")
        assert site.ask("/static/folder/").content == b"index"
        packed = site.ask("/static/b.css.gz")
        assert packed.fields["content-encoding"] == "gzip" and BY_CORE not in packed.fields
        for path, status, method in (
            ("/static/none", 404, "GET"),
            ("/static/folder", 301, "GET"),
            ("/static/.hidden", 404, "GET"),
            ("/staticX", 404, "GET"),
            ("/static/a.css", 405, "POST"),
        ):
            reply = site.ask(path, method=method)
            assert reply.status == status, path
            assert b"<title>" in reply.content, "Staticfile's own page"
        assert site.ask("/page/x").content == b"page /x"


def test_without_maxage_nothing_is_said_of_it(root: Path) -> None:
    with _served(f"('/static/', Staticfile({str(root)!r}))", root) as site:
        assert _by_core(site, "/static/a.css")
        assert "cache-control" not in site.ask("/static/a.css").fields


@pytest.mark.parametrize(
    "routes",
    [
        "('/static/a', Staticfile({root!r})), ('/static', Staticfile({root!r}))",
        "('/sta', page), ('/static', Staticfile({root!r}))",
        "('/static', lambda environ, start: Staticfile({root!r})(environ, start))",
        "('/static', type('Own', (Staticfile,), {{}})({root!r}))",
        "('/static', Staticfile({root!r} + '/../link'))",
        "('/st%61tic', Staticfile({root!r})), ('/static', page)",
    ],
)
def test_what_is_not_plain_stays_the_programs(root: Path, routes: str) -> None:
    (root.parent / "link").symlink_to(root)
    with _served(routes.format(root=str(root)), root) as site:
        assert BY_CORE not in site.ask("/static/a.css").fields


def test_programs_own_classes_hear_of_each_request(root: Path) -> None:
    own = f"('/static', Staticfile({str(root)!r}))]\nfrom fapws import base\n"
    own += "class Start_response(base.Start_response):\n    pass\nPATHS = [*PATHS"
    with _served(own, root) as site:
        assert not _by_core(site, "/static/a.css")


def test_operators_folder_counts_first(root: Path) -> None:
    (root / "folder" / "a.css").write_bytes(b"operator's")
    options = f"static = /static:{root}/folder"
    with _served(f"('/static', Staticfile({str(root)!r})), ('/more', page)", root, options) as site:
        assert site.ask("/static/a.css").content == b"operator's"
        assert site.ask("/more").content == b"page "


def test_program_of_fapws3(root: Path) -> None:
    with Server(PROGRAM.format(root=str(root))) as server:
        site = Site(server, root, root / "no.log")
        assert _by_core(site, "/static/a.css")
        assert site.ask("/static/none").status == 404
