"""What the process that calls fapwsctl or fapws passes on: ignored signals, descriptors, a full disk behind
its output, a symbolic link as current directory; and several callers at one time."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.house import House

PATIENCE = 60


def run(house: House, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command of fapwsctl with more of the caller's doing than House.ctl has."""
    options = {"cwd": house.directory, "env": house.environment(), **options}
    return subprocess.run(
        house.words(*words), stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE, check=False, **options
    )


def test_start_succeeds_although_its_caller_ignores_sigchld(house: House) -> None:
    done = run(
        house,
        "start",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("fapws: serving")
    house.ctl("stop")


def test_a_daemon_does_not_hold_what_its_caller_has_open(house: House, tmp_path: Path) -> None:
    lock = tmp_path / "deploy.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(house, "start", pass_fds=(file.fileno(),)).returncode == 0
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    house.ctl("stop")


def start_together(house: House, number: int) -> list[tuple[int, str]]:
    """Exit status and output of so many starts at one time."""
    starts = [
        subprocess.Popen(
            house.words("start"),
            cwd=house.directory,
            env=house.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(number)
    ]
    said = [process.communicate(timeout=PATIENCE)[0] for process in starts]
    return [(process.returncode, text) for process, text in zip(starts, said)]


def test_starts_at_one_time_all_end_when_it_serves(house: House) -> None:
    house.write_app("import time\ntime.sleep(0.5)\n" + house.app.read_text())
    ended = start_together(house, 4)
    said = [text for _, text in ended]
    assert [status for status, _ in ended] == [0] * 4, said
    assert sum(text.startswith("fapws: serving") for text in said) == 1, said
    assert sum(text == f"fapws: already running (pid {house.pid})\n" for text in said) == 3, said
    assert house.get(house.port()).startswith(b"hello ")
    house.ctl("stop")


def test_starts_at_one_time_of_what_cannot_start_all_fail(house: House) -> None:
    house.write_app("import time\ntime.sleep(0.5)\nraise RuntimeError('no')\n")
    ended = start_together(house, 3)
    said = [text for _, text in ended]
    assert [status for status, _ in ended] == [1] * 3, said
    house.assert_nothing_is_left()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_what_is_done_counts_although_the_answer_cannot_be_written(house: House) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        for words in (["start"], ["status"], ["-j", "status"], ["reload"], ["stop"]):
            done = run(house, *words, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 0, words
            assert done.stderr == "fapwsctl: the answer could not be written: No space left on device\n"
        assert run(house, "status", stdout=full, stderr=full).returncode == 3
    house.assert_nothing_is_left()


def test_a_link_in_the_current_directory_is_followed_anew_by_a_reload(house: House, tmp_path: Path) -> None:
    """cd /srv/app/current; fapwsctl -c fapws.ini start; then `current` leads to the next release."""
    current = tmp_path / "current"
    for name in ("one", "two"):
        release = tmp_path / name
        release.mkdir()
        (release / "hello.py").write_text(house.app.read_text().replace("hello", name))
        (release / "fapws.ini").write_text(house.ini.read_text().replace(str(house.app), "hello.py"))
    current.symlink_to("one")
    environment = {**house.environment(), "PWD": str(current)}
    words = [sys.executable, "-m", "fapws.cli.fapwsctl", "-c", "fapws.ini"]

    def ctl(command: str) -> None:
        subprocess.run([*words, command], cwd=current, env=environment, check=True, timeout=PATIENCE)

    ctl("start")
    assert house.get(house.port()).startswith(b"one ")
    current.unlink()
    current.symlink_to("two")
    ctl("reload")
    assert house.get(house.port()).startswith(b"two ")
    ctl("stop")


def test_a_climbing_path_is_climbed_as_the_kernel_does(house: House, tmp_path: Path) -> None:
    (tmp_path / "releases" / "one").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/one")
    house.ini.rename(tmp_path / "releases" / "fapws.ini")
    done = subprocess.run(
        [sys.executable, "-m", "fapws.cli.fapwsctl", "-c", "../fapws.ini", "start"],
        cwd=tmp_path / "current",
        env={**house.environment(), "PWD": str(tmp_path / "current")},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0
    house.ini = tmp_path / "releases" / "fapws.ini"
    house.ctl("reload")
    house.ctl("stop")


def test_a_current_directory_that_was_deleted_is_said(house: House, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys\n"
        f"os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        "from fapws.cli.fapws import main\n"
        "sys.exit(main(['hello.py']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=house.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("fapws: the current directory cannot be used: No such file or directory\n")


@pytest.mark.parametrize("words", [["start", "-F"], ["start"]])
def test_an_interrupt_before_it_serves_is_a_failed_start(house: House, words: list[str]) -> None:
    house.write_app(
        "import os, signal, time\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"  # the master, as Ctrl-C in its terminal would
        "time.sleep(60)\n"
    )
    assert "fapws: interrupted before it served" in house.ctl(*words, expect=130)
    house.assert_nothing_is_left()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove files anywhere: run as another user")
def test_a_locked_directory_spoils_no_graceful_stop(house: House) -> None:
    check_stop_in_locked_directory(house, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_locked_directory_of_another_user_spoils_no_graceful_stop(public_house: House) -> None:
    check_stop_in_locked_directory(
        public_house, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    )


def check_stop_in_locked_directory(house: House, prefix: list[str]) -> None:
    """pidfile, control and a unix socket lie where nothing may be removed any more."""
    house.prefix = prefix
    house.configure(listen=f"127.0.0.1:0, unix:{house.unix}")
    os.chmod(house.directory, 0o777)
    house.ctl("start")
    os.chmod(house.directory, 0o555)
    try:
        assert house.ctl("stop").startswith("fapws: stopped")
        assert "Traceback" not in house.log()
        house.ctl("status", expect=1)  # dead, but its pidfile is there
    finally:
        os.chmod(house.directory, 0o777)
    house.ctl("start")
    house.ctl("stop")
    house.assert_nothing_is_left()


def test_time_zone_of_a_pool_s_environment_is_in_force(house: House) -> None:
    house.write_app(
        "import time\n"
        "time.localtime()\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [time.strftime('%Z %z').encode()]\n"
    )
    house.configure(more="[app:hello:env]\nTZ = XYZ-3:30")
    house.start()
    assert house.get(house.port()) == b"XYZ +0330"
    house.ctl("stop")
