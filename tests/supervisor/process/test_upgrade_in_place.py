"""The upgrade in place, with real processes and copies of the code that can be broken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest
from support.house import House, Load, Until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(house: House) -> Path:
    """A copy of the code, which the house runs from."""
    root = Path(house.directory / "code")
    shutil.copytree(ROOT / "fapws", root / "fapws", ignore=shutil.ignore_patterns("__pycache__"))
    house.tree = root
    return root / "fapws"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_upgrade_keeps_pid_and_sockets_and_loses_no_request(
    house: House, copy: Path, load: type[Load]
) -> None:
    house.configure(workers=2, listen=f"127.0.0.1:0, unix:{house.unix}")
    house.start()
    pid, port, workers = house.pid, house.port(), set(house.workers())
    before = len(house.master_descriptors())
    edit(copy / "__init__.py", "__version__ = ", "__version__ = 'new-' + ")
    with load(house, port) as clients, load(house, None) as others:
        answer = house.ctl("upgrade")
        assert f"upgraded in place (pid {pid})" in answer
        assert "2 workers replaced" in answer
        clients.more(20)
        others.more(20)
    clients.check()
    others.check()
    assert house.pid == pid
    assert not workers & set(house.workers())
    assert house.port() == port
    house.wait_log("upgraded in place to version new-")
    totals = house.status()["totals"]
    assert totals["requests"] >= clients.answered + others.answered, "the scoreboard was carried over"
    for _ in range(3):
        house.ctl("upgrade")
    assert len(house.master_descriptors()) == before
    house.ctl("reload")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_python_is_run_as_at_the_start(house: House, copy: Path) -> None:
    """With -I nothing that PYTHONPATH brings is run, by root for instance; nor after an upgrade."""
    seen = house.directory / "seen"
    (copy.parent / "sitecustomize.py").write_text(
        f"import os\nopen({str(seen)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
    )
    begin = (
        f"import sys; sys.path.insert(0, {str(copy.parent)!r})\n"
        "from fapws.cli.fapwsctl import main; sys.exit(main())"
    )
    options = ["-I", "-X", "faulthandler", "-W", "ignore:nothing", "-O"]
    house.program = [sys.executable, *options, "-c", begin]
    house.write_app(
        "import sys\n"
        "FLAGS = sys.flags.isolated, sys.flags.optimize, sys._xoptions, sys.warnoptions\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [repr(FLAGS).encode()]\n"
    )
    house.start()
    pid = house.pid
    for _ in range(2):
        assert f"upgraded in place (pid {pid})" in house.ctl("upgrade")
        assert eval(house.get(house.port())) == (1, 1, {"faulthandler": True}, ["ignore:nothing"])
    assert not seen.exists()
    house.ctl("stop")


def test_code_that_does_not_import_changes_nothing(house: House, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    workers = house.workers()
    edit(copy / "wsgi" / "serve.py", "class Server:", "class Server(")
    assert "SyntaxError" in house.ctl("upgrade", expect=1)
    assert house.workers() == workers
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_state_of_another_version_is_refused_beforehand(house: House, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    edit(copy / "supervisor" / "upgrade" / "handover.py", "VERSION = 1", "VERSION = 2")
    assert "cannot take over from" in house.ctl("upgrade", expect=1)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_configuration_with_mistakes_is_refused_beforehand(house: House, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.configure(listen=f"unix:{house.unix}", pool="workrs = 2")
    assert "did you mean workers?" in house.ctl("upgrade", expect=1)
    house.configure(listen=f"unix:{house.unix}")
    house.ctl("upgrade")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_application_that_does_not_load_leaves_the_new_master_the_old_workers(
    house: House, copy: Path
) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    workers = house.workers()
    house.write_app("import not_there_at_all\napplication = None\n")
    assert "not_there_at_all" in house.ctl("upgrade", expect=1)
    assert house.workers() == workers
    house.greeting("mended")
    house.ctl("reload")
    assert house.get(None).startswith(b"mended")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_pool_that_sleeps_is_woken_by_the_new_master(house: House, until: Until) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="min_workers = 0\nidle_timeout = 1s")
    house.start()
    until(lambda: not house.status()["workers"], "the worker has left")
    house.write_app("import not_there_at_all\napplication = None\n")
    house.ctl("upgrade", expect=1)
    house.greeting("woken")
    assert house.get(None).startswith(b"woken")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_stop_during_the_trial_leaves_no_child(house: House, copy: Path, until: Until) -> None:
    house.start()
    edit(
        copy / "supervisor" / "upgrade" / "new_code.py",
        "        saved = decode(text)\n",
        "        __import__('time').sleep(600)\n",
    )
    os.kill(house.pid, signal.SIGUSR2)
    until(lambda: len(house.processes()) >= 3, "master, worker, trial")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_client_that_is_connected_is_heard_by_the_new_master(house: House, copy: Path) -> None:
    house.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(house.control))
        house.status()  # it has been accepted
        house.ctl("upgrade")
        client.sendall(b'{"v": 1, "command": "status"}\n')
        assert json.loads(client.recv(65536))["generation"] == 2
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_half_a_line_of_output_is_not_lost_in_the_upgrade(house: House, copy: Path) -> None:
    house.write_app(
        "import os\n"
        "def application(environ, start_response):\n"
        "    os.write(1, b'half a line')\n"
        "    start_response('200 OK', [('Content-Length', '2')])\n"
        "    return [b'ok']\n"
    )
    house.start()
    house.get(house.port())
    house.status()  # whoever answers has read it
    house.ctl("upgrade")
    house.wait_log(r"hello/0\[\d+\]: half a line\n")
    house.ctl("stop")
