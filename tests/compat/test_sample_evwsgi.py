"""The samples in fapws3's form, each under a master and as ``python program.py``."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from support.raw import Client, fetch
from support.samples import PATIENCE, SAMPLES, running, wait_for
from support.server import Server

HOW = pytest.mark.parametrize("how", ["fapws", "python"])
"""Under a master, and as ``python program.py``."""


# ---- hello ---------------------------------------------------------------------------------------


@HOW
def test_hello_world_in_fapws3s_form(how: str, tmp_path: Path, browser: requests.Session) -> None:
    with running("hello/hello_world.py", tmp_path, how) as server:
        url = server.url
        assert browser.get(url + "/hello", timeout=30).text == "Hello world!!"
        table = browser.get(url + "/env?a=<b>", timeout=30).text
        assert "<td>QUERY_STRING<td>a=&lt;b&gt;" in table or "<td>QUERY_STRING<td>a=%3Cb%3E" in table
        assert "<td>SCRIPT_NAME<td>/env\n" in table
        assert "<p>" not in browser.get(url + "/form", timeout=30).text
        answer = browser.post(url + "/form", data={"name": "Zoë <3"}, timeout=30)
        assert "<p>Hello Zoë &lt;3!" in answer.text
        assert browser.get(url + "/plain", timeout=30).text == "Hello from an object\n"
        source = browser.get(url + "/source", timeout=30).content
        assert source == (SAMPLES / "hello/hello_world.py").read_bytes()
        assert browser.get(url + "/", timeout=30).status_code == 404


@HOW
def test_hello_unixsocket_serves_a_path(how: str, tmp_path: Path) -> None:
    with running("hello_unixsocket/hello_unixsocket.py", tmp_path, how, unix=True) as server:
        assert fetch(server.address).text == "Hello somebody on this machine!\n"


def test_hello_unixsocket_under_its_ini_file(tmp_path: Path) -> None:
    folder = shutil.copytree(SAMPLES / "hello_unixsocket", tmp_path / "sample")
    with IniServer(folder) as server:
        assert (folder / "hello.sock").stat().st_mode & 0o777 == 0o660
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--unix-socket", "hello.sock", "http://localhost/"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.stdout == "Hello somebody on this machine!\n", done.stderr + server.log


class IniServer(Server):
    """``fapws -c fapws.ini`` in a folder; the file alone says where."""

    def __init__(self, folder: Path) -> None:
        super().__init__("", unix=True, directory=folder)

    def _words(self) -> list[str]:
        return ["-c", "fapws.ini"]


# ---- iter ----------------------------------------------------------------------------------------


@HOW
def test_iter_sends_pieces_as_they_come(how: str, tmp_path: Path) -> None:
    with running("iter/iter.py", tmp_path, how) as server:
        whole = fetch(server.address, "/pieces")
        assert (whole.framing, whole.body) == ("length", "one\ntwo\ntrois\u00a0!\n".encode())
        counted = fetch(server.address, "/count?to=5")
        assert (counted.framing, counted.text) == ("chunked", "1\n2\n3\n4\n5\n")
        assert fetch(server.address, "/count?to=x").text.endswith("10\n")
        assert fetch(server.address, "/alphabet").text == "abcdefghijklmnopqrstuvwxyz"
        server.wait_log("alphabet: closed")


@HOW
def test_iter_endless_ends_with_its_client_and_holds_nobody_up(how: str, tmp_path: Path) -> None:
    with running("iter/iter.py", tmp_path, how) as server:
        with Client(server.address, receive_buffer=4096) as client:
            client.send(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.read_head()
            client.read_until(10_000)
            assert fetch(server.address, "/count?to=1").text == "1\n"
        server.wait_log("endless: stopped after [0-9]+ pieces")


# ---- timers and defer ----------------------------------------------------------------------------


def told(server: Server) -> dict[str, int]:
    """The report's numbers."""
    return {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", fetch(server.address).text)}


@HOW
def test_timers_run_stop_and_start_again(how: str, tmp_path: Path) -> None:
    with running("timers/timers.py", tmp_path, how, SECONDS="0.05") as server:
        wait_for(lambda: (got := told(server))["measured"] >= 2 and got["countdown"] == 0, "beats")
        assert re.search(r"\d\d:\d\d:\d\d \d+\.\d\d", fetch(server.address).text)

        assert fetch(server.address, "/stop").status == 405
        assert fetch(server.address, "/stop", method="POST").status == 200
        stopped = told(server)
        enough = stopped["beats"] + 5
        later = wait_for(lambda: (got := told(server))["beats"] >= enough and got, "five more beats")
        assert later["measured"] == stopped["measured"], "stop_timer(0) stops the first timer"
        assert later["countdown"] == 0, "the second one ended itself"

        assert fetch(server.address, "/restart", method="POST").status == 200
        wait_for(lambda: told(server)["measured"] > stopped["measured"], "the first timer runs again")


@HOW
def test_defer_answers_first_and_works_later(how: str, tmp_path: Path, browser: requests.Session) -> None:
    with running("defer/defer.py", tmp_path, how, ORDERS=str(tmp_path / "orders.txt")) as server:
        orders = ["tea", "cake", "tea", "thé vert"]
        answer = browser.post(server.url, data={"order": orders}, timeout=30)
        assert answer.status_code == 202
        # Four lines to write, and one sum, because the others are equal to it.
        assert answer.text == "accepted: 4, waiting: 5\n"
        page = wait_for(
            lambda: "waiting: 0" in (text := fetch(server.address).body.decode()) and text,
            "the queue runs dry",
        )
        assert page == "1 cake\n2 tea\n1 thé vert\nadded up: 1, waiting: 0\n"
        assert (tmp_path / "orders.txt").read_text(encoding="utf-8").split("\n")[:-1] == orders


# ---- http_cmd ------------------------------------------------------------------------------------


@HOW
def test_http_cmd_accepts_one_method_more(how: str, tmp_path: Path) -> None:
    with running("http_cmd/http_cmd.py", tmp_path, how) as server:

        def ask(method: str) -> tuple[int, str | None]:
            answer = fetch(server.address, "/squares", method=method)
            return answer.status, answer.head.get("X-Cache")

        assert ask("PURGE") == (404, None)
        assert [ask("GET"), ask("GET")] == [(200, "miss"), (200, "hit")]
        assert [ask("PURGE"), ask("PURGE"), ask("GET")] == [(204, None), (404, None), (200, "miss")]
        assert ask("DELETE") == (405, None)
        assert ask("FROBNICATE")[0] in (405, 501), "not in the list"
        assert fetch(server.address, "/squares").text.startswith("1\n4\n9\n")
