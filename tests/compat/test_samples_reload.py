"""The samples from an INI file: asked, reloaded, asked again."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from support.raw import fetch
from support.samples import SAMPLES
from support.server import Server

CASES = {
    "cgi/run_cgi.py": ("/", "cgi-bin"),
    "defer/defer.py": ("/", ""),
    "django/guestbook.py": ("/", "<form"),
    "flask/shop.py": ("/", "<"),
    "hello/hello.py": ("/", "Hello"),
    "hello/hello_world.py": ("/hello", "Hello world!!"),
    "hello_unixsocket/hello_unixsocket.py": ("/", "Hello "),
    "http_cmd/http_cmd.py": ("/squares", ""),
    "iter/iter.py": ("/count?to=3", "1\n2\n3\n"),
    "timers/timers.py": ("/", ""),
    "wsgi_wiki/wiki.py": ("/", "<"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sample_serves_before_and_behind_a_reload(name: str, tmp_path: Path) -> None:
    target, text = CASES[name]
    folder = shutil.copytree(SAMPLES / name.partition("/")[0], tmp_path / "sample")
    program = folder / name.partition("/")[2]
    env = {"SECRET_KEY": "for this test", "ORDERS": "orders.txt", "WIKI": "wiki"}
    with Server(program, directory=folder, env=env, options="workers = 1", name=program.stem) as server:
        for _ in range(2):
            answer = fetch(server.address, target)
            assert answer.status == 200 and text in answer.text
            mark = server.mark()
            os.kill(server.pid, signal.SIGHUP)
            server.wait_log("reload done", 60, since=mark)
        assert fetch(server.address, target).status == 200
        assert server.stop() == 0
        assert "Traceback" not in server.log
