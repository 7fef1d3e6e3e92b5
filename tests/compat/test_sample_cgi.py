"""conf/samples/cgi: its scripts, run through fapws.contrib.cgiapp."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import requests
from support.samples import running


def test_cgi_runs_a_shell_and_a_python_script(tmp_path: Path, browser: requests.Session) -> None:
    # form.py asks for python3, which a machine with another Python need not have under that name.
    python3 = tmp_path / "bin" / "python3"
    python3.parent.mkdir()
    python3.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n", encoding="utf-8")
    python3.chmod(0o755)
    path = f"{python3.parent}:{os.environ['PATH']}"
    with running("cgi/run_cgi.py", tmp_path, PATH=path) as server:
        answer = browser.get(server.url + "/cgi-bin/hello.sh?name=Zo", timeout=30)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "Hello from a shell script" in answer.text
        assert "QUERY_STRING=name=Zo\n" in answer.text
        form = browser.post(server.url + "/cgi-bin/form.py", data={"name": "Zoë <3"}, timeout=30)
        assert (form.status_code, "Hello Zoë &lt;3!" in form.text) == (200, True)
        assert browser.get(server.url + "/cgi-bin/nothing", timeout=30).status_code == 404
