"""conf/samples/cgi: its scripts, run through fapws.contrib.cgiapp."""

from __future__ import annotations

from pathlib import Path

import requests
from support.samples import running


def test_cgi_runs_a_shell_and_a_python_script(tmp_path: Path, browser: requests.Session) -> None:
    with running("cgi/run_cgi.py", tmp_path) as server:
        answer = browser.get(server.url + "/cgi-bin/hello.sh?name=Zo", timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "Hello from a shell script" in answer.text
        assert "QUERY_STRING=name=Zo\n" in answer.text
        form = browser.post(server.url + "/cgi-bin/form.py", data={"name": "Zoë <3"}, timeout=10)
        assert (form.status_code, "Hello Zoë &lt;3!" in form.text) == (200, True)
        assert browser.get(server.url + "/cgi-bin/nothing", timeout=10).status_code == 404
