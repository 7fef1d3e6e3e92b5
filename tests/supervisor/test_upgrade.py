"""The upgrade in place, with real processes and copies of the code that can be broken."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fapws.settings.model import Address, Config, Pool
from fapws.settings.source import Source
from fapws.supervisor.control.status import Death, LastReload
from fapws.supervisor.core.children import Child, Children
from fapws.supervisor.core.turn import State
from fapws.supervisor.listen.bind import Listener
from fapws.supervisor.listen.listeners import Key
from fapws.supervisor.logs.error_log import Log
from fapws.supervisor.process.scoreboard import Score
from fapws.supervisor.process.signals import Signals
from fapws.supervisor.process.systemd import Service
from fapws.supervisor.upgrade import handover, new_code
from fapws.supervisor.upgrade.handover import Saved, SavedWorker
from fapws.supervisor.upgrade.steps import Upgrading

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(house: Any) -> Path:
    """A copy of the code, which the house runs from."""
    root = Path(house.directory / "code")
    shutil.copytree(ROOT / "fapws", root / "fapws", ignore=shutil.ignore_patterns("__pycache__"))
    plain = house.environment
    house.environment = lambda: {**plain(), "PYTHONPATH": str(root)}
    return root / "fapws"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_upgrade_keeps_pid_and_sockets_and_loses_no_request(house: Any, copy: Path, load: Any) -> None:
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


def test_python_is_run_as_at_the_start(house: Any, copy: Path) -> None:
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


def test_code_that_does_not_import_changes_nothing(house: Any, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    workers = house.workers()
    edit(copy / "wsgi" / "serve.py", "class Server:", "class Server(")
    assert "SyntaxError" in house.ctl("upgrade", expect=1)
    assert house.workers() == workers
    assert house.get(None).startswith(b"hello")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_state_of_another_version_is_refused_beforehand(house: Any, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    edit(copy / "supervisor" / "upgrade" / "handover.py", "VERSION = 1", "VERSION = 2")
    assert "cannot take over from" in house.ctl("upgrade", expect=1)
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_configuration_with_mistakes_is_refused_beforehand(house: Any, copy: Path) -> None:
    house.configure(listen=f"unix:{house.unix}")
    house.start()
    house.configure(listen=f"unix:{house.unix}", pool="workrs = 2")
    assert "did you mean workers?" in house.ctl("upgrade", expect=1)
    house.configure(listen=f"unix:{house.unix}")
    house.ctl("upgrade")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_application_that_does_not_load_leaves_the_new_master_the_old_workers(house: Any, copy: Path) -> None:
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


def test_code_that_fails_after_the_exec_keeps_the_old_workers_and_obeys(
    house: Any, copy: Path, until: Any
) -> None:
    house.configure(workers=2, listen=f"unix:{house.unix}")
    process = house.foreground()
    good = (copy / "supervisor" / "upgrade" / "new_code.py").read_text()
    edit(
        copy / "supervisor" / "upgrade" / "new_code.py",
        "saved: Saved = decode(text)",
        "raise RuntimeError('late')",
    )
    process.send_signal(signal.SIGUSR2)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    assert any(b"the upgrade failed, the old workers serve on" in line for line in lines)
    assert any(b"RuntimeError: late" in line for line in lines)
    assert house.get(None).startswith(b"hello")
    (copy / "supervisor" / "upgrade" / "new_code.py").write_text(good)
    process.send_signal(signal.SIGUSR2)
    house.wait_log("reload done: generation 2, 2 workers replaced")
    assert house.get(None).startswith(b"hello")
    edit(
        copy / "supervisor" / "upgrade" / "new_code.py",
        "saved: Saved = decode(text)",
        "raise RuntimeError('late')",
    )
    process.send_signal(signal.SIGUSR2)
    assert any(b"RuntimeError: late" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    house.assert_nothing_is_left()


def test_pool_that_sleeps_is_woken_by_the_new_master(house: Any, until: Any) -> None:
    house.configure(listen=f"unix:{house.unix}", pool="min_workers = 0\nidle_timeout = 1s")
    house.start()
    until(lambda: not house.status()["workers"], "the worker has left")
    house.write_app("import not_there_at_all\napplication = None\n")
    house.ctl("upgrade", expect=1)
    house.greeting("woken")
    assert house.get(None).startswith(b"woken")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_signal_that_was_caught_before_the_exec_is_obeyed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    leapt: list[str] = []
    monkeypatch.setattr(new_code, "leap", lambda text, _: leapt.append(text))
    master = Upgrading()
    master._signals = Signals()
    master._signals.install()
    master._log = Log()
    master._workers = SimpleNamespace(finish_lines=lambda: None)  # type: ignore[assignment]
    master._save = saved  # type: ignore[method-assign]
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        master._leap()
        assert not leapt
        assert master._signals.take() == {signal.SIGTERM}
        master._leap()
        assert leapt
    finally:
        master._signals.restore()


def test_stop_during_the_trial_leaves_no_child(house: Any, copy: Path, until: Any) -> None:
    house.start()
    edit(
        copy / "supervisor" / "upgrade" / "new_code.py",
        "        saved = decode(text)\n",
        "        time.sleep(600)\n",
    )
    os.kill(house.pid, signal.SIGUSR2)
    until(lambda: len(house.processes()) == 3, "master, worker, trial")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_client_that_is_connected_is_heard_by_the_new_master(house: Any, copy: Path) -> None:
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


def test_half_a_line_of_output_is_not_lost_in_the_upgrade(house: Any, copy: Path) -> None:
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
    assert re.search(r"hello/0\[\d+\]: half a line\n", house.log())
    house.ctl("stop")


# ---- The text ------------------------------------------------------------------------------------


def saved() -> Saved:
    address = Address("unix:/s", "unix", path="/s")
    pool = Pool("blog", listen=(address,), env=(("A", "ä"),))
    child = Child(1, "blog", 0, 1, "serving", 1.0, 2.0, float("inf"), 25.0)
    return Saved(
        state=State(Config("/x.ini", (pool,)), Children((child,)), asleep=frozenset(("blog",))),
        source=Source("/x.ini"),
        workers=(SavedWorker(1, "blog", 0, 4711, 7, 0, 10, "off"),),
        open={Key("unix", "/s", 0, ""): Listener(5, address, "unix:/s", 1024, (1, 2))},
        lifeline=3,
        lifeline_writer=4,
        board=6,
        pidfile=-1,
        control=8,
        control_inode=(3, 4),
        clients=(9,),
        began=0.5,
        gone={"blog": Score(requests=3)},
        deaths=(Death(1.0, "blog", 0, 4710, "x"),),
        service=Service("@x", 1.5),
        last_reload=LastReload(2.0, False, "why"),
        other_clients=(11,),
    )


def test_what_is_handed_over_comes_out_as_it_went_in() -> None:
    assert handover.decode(handover.encode(saved())) == saved()


def test_fields_that_a_newer_version_adds_or_drops_do_no_harm() -> None:
    text = handover.encode(saved()).replace('"script_name": "", ', '"no_more": 1, ')
    assert "no_more" in text
    assert handover.decode(text) == saved()


def test_code_that_does_not_know_of_queues_of_slots_refuses_them() -> None:
    plain = saved()
    (key, listener), *_ = plain.open.items()
    split = plain._replace(open={**plain.open, key._replace(owner="blog", slot=1): listener._replace(fd=12)})
    assert '"version": 1' in handover.encode(plain)
    assert '"version": 2' in handover.encode(split), "it would take the queues for one and lose the others"
    assert handover.decode(handover.encode(split)) == split
