"""fapws --static: a folder without any application."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.server import Server, server_command
from support.static_site import Site


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_bytes(b"index")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"file")
    return tmp_path


def test_folder_is_all_that_is_served(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    with Server("--", arguments=["--static", f"/={root}"]) as server:
        site = Site(server, root, root / "no.log")
        assert site.ask("/").content == b"index"
        assert site.ask("/sub/a.txt", "Range: bytes=1-2").content == b"il"
        assert site.ask("/sub/none").status == 404
        assert site.ask("/sub/a.txt", method="POST").status == 405
        assert site.ask("/", method="HEAD").status == 200
        assert "serving static on" in server.serving_line


def test_other_paths_are_404(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    words = [f"--static=/a={root}", "--static", f"/b={root}/sub"]
    with Server("--", arguments=words) as server:
        site = Site(server, root, root / "no.log")
        assert site.ask("/a/").content == b"index"
        assert site.ask("/b/a.txt").content == b"file"
        for path, method in (
            ("/", "GET"),
            ("/c", "POST"),
            ("/a/none", "GET"),
            ("/ab", "GET"),
            ("*", "OPTIONS"),
        ):
            reply = site.ask(path, method=method)
            assert (reply.status, reply.content) == (404, b"404 Not Found\n")
            assert reply.fields["content-type"] == "text/plain; charset=utf-8"
        assert site.ask("/c", method="HEAD").content == b""


def test_section_of_folders_alone(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    ini = tmp_path / "fapws.ini"
    ini.write_text(f"[app:files]\nstatic = /:{root}/sub\nlisten = 127.0.0.1:0\nstatic_fallthrough = yes\n")
    with Server("--", bind="127.0.0.1:0", arguments=["-c", str(ini)]) as server:
        site = Site(server, root, root / "no.log")
        assert site.ask("/a.txt").content == b"file"
        assert site.ask("/none").status == 404


@pytest.mark.parametrize("value", ["/srv", "x=/", "/=/nowhere/at/all"])
def test_mistake_is_told(value: str) -> None:
    done = subprocess.run(
        [*server_command(), "--static", value], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"fapws: --static {value}: must be")
