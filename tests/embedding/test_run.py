"""``fapws.run(application)``: the program becomes the master, and goes on when the server has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.program import Program
from support.raw import fetch
from support.server import ROOT

import fapws
from fapws.embedding.run import address, as_text
from fapws.settings.problems import ConfigError

APPLICATION = """
import atexit, os, signal, sys
import fapws

atexit.register(lambda: print("the program's end in", os.getpid(), flush=True))

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %s" % (os.getpid(), ascii(sys.argv).encode())]
"""


def program(folder: Path, call: str) -> Program:
    """The application, and this call where the program is the main one."""
    path = folder / "program.py"
    path.write_text(f"{APPLICATION}\nif __name__ == '__main__':\n    {call}\n", encoding="utf-8")
    return Program(path, directory=folder)


def run_it(text: str) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself."""
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ---- serving -------------------------------------------------------------------------------------------


def test_workers_serve_the_programs_own_application(tmp_path: Path) -> None:
    with program(tmp_path, "fapws.run(app, port=0, workers=2)") as server:
        assert "2 workers" in server.serving_line
        pid, words = fetch(server.address, "/").text.split(" ", 1)
        assert int(pid) != server.pid
        assert words == ascii([str(tmp_path / "program.py")])
        assert server.stop(signal.SIGTERM) == 0


def test_the_programs_end_comes_once_and_after_the_server(tmp_path: Path) -> None:
    call = "print('status', fapws.run(app, port=0, workers=2), flush=True)"
    with program(tmp_path, call) as server:
        fetch(server.address, "/")
        assert server.stop() == 0
        last = server.log.splitlines()[-2:]
        assert last == ["status 0", f"the program's end in {server.pid}"]
        assert server.log.count("the program's end") == 1


def test_a_reload_renews_the_workers(tmp_path: Path) -> None:
    with program(tmp_path, "fapws.run(app, port=0)") as server:
        before = fetch(server.address, "/").text
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("reload done: generation 2")
        assert fetch(server.address, "/").text != before


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with program(tmp_path, "fapws.run(app, port=0)") as server:
        before = int(fetch(server.address, "/").text.split()[0])
        os.kill(before, signal.SIGKILL)
        server.wait_log("SIGKILL")
        assert int(fetch(server.address, "/").text.split()[0]) != before


def test_an_upgrade_in_place_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with program(tmp_path, "fapws.run(app, port=0)") as server:
        os.kill(server.pid, signal.SIGUSR2)
        server.wait_log(
            r"upgrade failed: the application is in the memory of the program that called fapws\.run\(\)"
        )
        assert "Traceback" not in server.log
        assert fetch(server.address, "/").status == 200


def test_options_are_those_of_an_ini_file(tmp_path: Path) -> None:
    call = "fapws.run(app, 'unix:s', max_body_size='1k', env_nothing=None)"
    done = run_it(f"{APPLICATION}\n{call}")
    assert done.returncode == 1
    assert "env_nothing" in done.stderr
    options = f"max_body_size='1k', error_log='{tmp_path}/log', access_log=False"
    call = f"fapws.run(app, 'unix:{tmp_path}/s', {options})"
    done_path = tmp_path / "program.py"
    done_path.write_text(f"{APPLICATION}\n{call}\n", encoding="utf-8")
    server = Program(done_path, unix=True, directory=tmp_path)
    with server:
        at = str(tmp_path / "s")
        assert fetch(at, "/").status == 200
        assert fetch(at, "/", method="POST", body=b"x" * 2000).status == 413
        assert server.stop() == 0
    assert (tmp_path / "log").exists()
    assert not (tmp_path / "no").exists()


# ---- a program that goes on ------------------------------------------------------------------------------


def test_from_the_prompt_of_an_interactive_python_and_back_to_it() -> None:
    lines = [
        "import fapws, os, signal, sys",
        "NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)",
        "former = [signal.getsignal(number) for number in NUMBERS]",
        "def app(environ, start_response):",
        "    start_response('200 OK', [])",
        "    return [b'from the prompt']",
        "",
        "print('status', fapws.run(app, port=0))",
        "print('again', fapws.run(app, port=0))",
        "print('handlers', [signal.getsignal(number) for number in NUMBERS] == former)",
    ]
    python = subprocess.Popen(
        [sys.executable, "-i", "-q", "-u"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert python.stdin is not None and python.stdout is not None
        python.stdin.write("\n".join(lines) + "\n")
        python.stdin.close()
        for said in ("status 0", "again 0"):
            line = python.stdout.readline().lstrip(">. ")  # PyPy prompts here too
            assert line.startswith("fapws: serving app on http://127.0.0.1:"), line
            host, port = line.split("http://")[1].split(" ")[0].split(":")
            assert fetch((host, int(port)), "/").text == "from the prompt"
            python.send_signal(signal.SIGINT)
            assert python.stdout.readline().strip(">. \n") == said
        assert python.stdout.readline().strip(">. \n") == "handlers True"
        python.wait(30)
    finally:
        python.kill()
        python.wait(10)
        if python.stdout is not None:
            python.stdout.close()


def test_the_descriptors_of_a_program_are_as_before(tmp_path: Path) -> None:
    call = (
        "before = sorted(os.listdir('/proc/self/fd')); fapws.run(app, port=0);"
        " print('same', sorted(os.listdir('/proc/self/fd')) == before, flush=True)"
    )
    with program(tmp_path, call) as server:
        assert server.stop() == 0
        assert "same True" in server.log


# ---- what cannot be --------------------------------------------------------------------------------------


def test_what_cannot_be_called_is_no_application() -> None:
    with pytest.raises(TypeError, match=r"'hello' is no WSGI application"):
        fapws.run("hello")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["app", "script", "autoreload"])
def test_an_option_that_has_no_meaning_here_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} "):
        fapws.run(print, **{name: "x"})


def test_wrong_options_are_told_at_once_and_bind_nothing() -> None:
    with pytest.raises(ConfigError, match=r"(?s)max_body_sise.*did you mean max_body_size"):
        fapws.run(print, port=0, max_body_sise=1)


def test_an_address_that_is_taken_raises(tmp_path: Path) -> None:
    with program(tmp_path, "fapws.run(app, port=0)") as server:
        done = run_it(f"import fapws\nfapws.run(print, port={server.port})")
        assert done.returncode == 1
        assert "CannotServe" in done.stderr
        assert str(server.port) in done.stderr


def test_a_thread_is_told_that_signals_need_the_main_one() -> None:
    text = (
        "import fapws, threading\n"
        "def work():\n"
        "    try: fapws.run(print)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    assert "CannotServe fapws.run() needs the main thread" in run_it(text).stdout


def test_an_application_that_fails_in_the_worker_raises(tmp_path: Path) -> None:
    done = run_it("import fapws\nfapws.run(print, port=0, user='nobody-has-this-name')")
    assert done.returncode == 1
    assert "nobody-has-this-name" in done.stderr


# ---- words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("127.0.0.1", 8888, "127.0.0.1:8888"),
        ("", "8888", ":8888"),
        ("::1", 80, "[::1]:80"),
        ("[::1]", 80, "[::1]:80"),
        ("unix:/run/s", 8888, "unix:/run/s"),
        ("fd:3", 8888, "fd:3"),
    ],
)
def test_addresses_are_written_as_listen_has_them(host: str, port: int | str, text: str) -> None:
    assert address(host, port) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), (3, "3"), (["a", 1], "a, 1"), (None, ""), ("10m", "10m")],
)
def test_values_are_written_as_an_ini_file_has_them(value: object, text: str) -> None:
    assert as_text(value) == text


def test_fapws_has_no_other_names_than_before() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        fapws.runn  # type: ignore[attr-defined]  # noqa: B018
