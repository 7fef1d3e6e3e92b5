"""fapws.contrib under a server that is not ours (wsgiref's), and as part of the package."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
import requests

from fapws.contrib import log, multipart, views, zip

ROOT = Path(views.__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 1000
MODULES = ("headers", "log", "multipart", "siforms.forms", "siforms.widgets", "views", "zip")


class Quiet(WSGIRequestHandler):
    """Says nothing to standard error."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running(application: Any) -> Iterator[str]:
    """wsgiref's server with the application behind the validator; its URL."""
    server = make_server("127.0.0.1", 0, validator(application), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_files_and_their_parts_end_where_they_should(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(CONTENT)
    # wsgiref sends all that read() gives, whatever Content-Length says.
    with running(views.Staticfile(tmp_path)) as url:
        assert requests.get(f"{url}/a.txt", timeout=30).content == CONTENT
        part = requests.get(f"{url}/a.txt", headers={"Range": "bytes=1000-200999"}, timeout=30)
        assert (part.status_code, part.content) == (206, CONTENT[1000:201000])
        assert requests.head(f"{url}/a.txt", timeout=30).headers["Content-Length"] == str(len(CONTENT))
        assert requests.get(f"{url}/../a.txt%00", timeout=30).status_code == 404


def test_decorators_go_together(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(CONTENT)
    lines: list[str] = []

    class Output:
        """A file of lines."""

        write = staticmethod(lines.append)

    with running(log.Log(Output())(zip.Gzip()(views.Staticfile(tmp_path)))) as url:
        answer = requests.get(f"{url}/a.txt", timeout=30)
        assert (answer.headers["Content-Encoding"], answer.content) == ("gzip", CONTENT)
        assert requests.get(f"{url}/b", timeout=30).status_code == 404
    assert ['"GET /a.txt HTTP/1.1" 200' in lines[0], '"GET /b HTTP/1.1" 404' in lines[1]] == [True, True]


def test_an_upload_is_read_as_far_as_its_length(tmp_path: Path) -> None:
    def upload(environ: Any, start_response: Any) -> list[bytes]:
        form = multipart.parse(environ, tmp_path)
        start_response("200 OK", [("Content-Type", "text/plain")])
        with form.get("f")[0].file as file:
            return [str(file.read() == CONTENT).encode()]

    with running(upload) as url:
        sent: Any = {"files": {"f": ("x", CONTENT)}, "timeout": 30}
        assert requests.post(url, **sent).text == "True"


def brought_along(module: str) -> list[str]:
    """The modules of Fapws that importing one loads, in a process of its own."""
    code = f"import sys, {module}; print(*sorted(name for name in sys.modules if name.startswith('fapws')))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_brings_nothing_of_the_server_along(name: str) -> None:
    loaded = brought_along(f"fapws.contrib.{name}")
    assert all(module == "fapws" or module.startswith("fapws.contrib") for module in loaded)


def test_the_package_alone_imports_nothing() -> None:
    assert brought_along("fapws.contrib") == ["fapws", "fapws.contrib"]


def test_setuptools_finds_the_folder() -> None:
    setuptools = pytest.importorskip("setuptools", reason="builds the package: runs where setuptools is")
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("an installed package: runs in the source tree")
    found = setuptools.find_packages(str(ROOT), include=["fapws", "fapws.*"])
    assert {"fapws.contrib", "fapws.contrib.siforms"} <= set(found)
