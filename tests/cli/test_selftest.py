"""``fapws --selftest``: it runs, tells what it saw and nothing private, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.tree import TREE, clean_environment

from fapws.cli import selftest
from fapws.cli.selftest import places
from fapws.cli.selftest.checks import CHECKS, Scene
from fapws.cli.selftest.report import FAIL, LEFT, PASS, Row, conclusion, hide, line
from fapws.cli.selftest.service import Clock, Failed, LeftOut

STAND_INS = TREE / "tests" / "supervisor" / "process" / "rc"
KSH = next(filter(None, map(shutil.which, ("ksh", "mksh", "oksh"))), "")
SECRET = "a word of the environment"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(PYTHONPATH=str(TREE), FAPWS_TEST_SECRET=SECRET)
    return subprocess.run(
        [sys.executable, "-m", "fapws", *words],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> str:
    """A short run: each check once, and hardly any endurance."""
    done = command("--selftest=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_check_passes_or_says_why_it_was_left_out(report: str) -> None:
    rows = re.findall(r"^(pass|FAIL|left out) +([\w., ]+?)  +(\S.*) \(\d+\.\d s\)$", report, re.M)
    assert [name for _, name, _ in rows] == [name for name, _ in CHECKS]
    left = {name for result, name, _ in rows if result == LEFT}
    assert left <= {"rc.d", "endurance"}, report
    assert f"{len(CHECKS) - len(left)} passed, 0 failed, {len(left)} left out in " in report


def test_report_tells_the_system_and_nothing_private(report: str) -> None:
    for fact in ("fapws", "system", "python", "libuv", "polling", "processors"):
        assert re.search(rf"^  {fact} +\S", report, re.M), fact
    for private in (SECRET, str(TREE), "/tmp/", os.path.expanduser("~") + "/", socket.gethostname() + "\n"):
        assert private not in report, private


def test_nothing_is_left_behind(report: str) -> None:
    """Neither of the short run's processes nor of its files; others may run one at the same time."""
    assert "passed" in report
    mine = [
        name for name in os.listdir("/tmp")
        if name.startswith("fapws-selftest-") and os.stat(f"/tmp/{name}").st_uid == os.geteuid()
    ]  # fmt: skip
    assert all(os.path.exists(f"/tmp/{name}/fapws.pid") for name in mine)


@pytest.mark.parametrize("value", ["0", "-1", "x", "", "nan", "inf", "90000"])
def test_a_wrong_time_is_refused(value: str) -> None:
    from fapws.settings.command_line import parse_arguments
    from fapws.settings.problems import UsageError

    with pytest.raises(UsageError, match="seconds"):
        parse_arguments([f"--selftest={value}"], "/")


def test_the_option_is_the_servers_and_not_the_programs() -> None:
    from fapws.settings.command_line import parse_arguments

    assert parse_arguments(["--selftest"], "/")[-2:] == ("selftest", 100.0)
    assert parse_arguments(["--selftest=2.5"], "/")[-2:] == ("selftest", 2.5)
    assert parse_arguments(["app.py", "--", "--selftest"], "/").action == ""


def test_a_check_that_fails_is_told_and_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(scene: Scene) -> str:
        raise Failed(f"{scene.directory}/x is not there\nand more")

    def breaks(scene: Scene) -> str:
        raise ZeroDivisionError("by nought")

    def leaves_out(scene: Scene) -> str:
        raise LeftOut("not here")

    checks = (("one", fails), ("two", breaks), ("three", leaves_out), ("four", lambda scene: "fine"))
    monkeypatch.setattr(selftest, "CHECKS", checks)
    assert selftest.run(1) == 1
    said = capsys.readouterr().out
    assert re.search(r"^FAIL +one +DIR/x is not there \(\d+\.\d s\)\n +and more$", said, re.M), said
    assert re.search(r"^FAIL +two +ZeroDivisionError: by nought", said, re.M)
    assert "1 passed, 2 failed, 1 left out in " in said


def test_a_system_on_which_everything_hangs_is_told_in_bounded_time(tmp_path: Path) -> None:
    now = time.monotonic()
    over = Clock(now, now - 1)
    row = selftest._row("late", lambda scene: "never", Scene(str(tmp_path), over))
    assert (row.result, row.text) == (LEFT, "the time was over")
    assert over.left() == 1.0, "what has begun may end"


def test_what_was_begun_in_the_time_that_was_asked_for_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last command of the endurance run, and the stop behind it."""
    seen: list[float] = []

    def last(scene: Scene) -> str:
        scene.clock.until = time.monotonic()
        seen.append(scene.clock.left())
        return "fine"

    monkeypatch.setattr(selftest, "CHECKS", (("last", last),))
    assert selftest.run(0.01) == 0
    assert seen[0] > 20


def test_lines_of_the_report() -> None:
    rows = [Row(PASS, "a", "fine", 0.1), Row(FAIL, "b", "x", 1)]
    assert line(rows[0]) == "pass      a                    fine (0.1 s)"
    assert conclusion(rows, 9.6) == "\n1 passed, 1 failed, 0 left out in 10 s"
    assert hide(f"{sys.prefix}/x at {socket.gethostname()}", "/nowhere/at/all").startswith("PYTHON/x at ")


STAND_IN_PATHS = {"openbsd": "/etc/rc.d/rc.subr", "freebsd": "/etc/rc.subr"}


@pytest.mark.parametrize("system", ["openbsd", "freebsd"])
def test_rc_check_runs_the_shipped_script_as_a_service_of_another_name(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the stand-in of rc.subr; on those systems themselves under theirs."""
    if system == "openbsd" and not KSH:
        pytest.skip("needs a Korn shell: ksh, mksh or oksh")
    subr = shutil.copy(STAND_INS / f"{system}.subr", tmp_path)
    text = (TREE / "conf" / "rc.d" / system / "fapws").read_text().replace(STAND_IN_PATHS[system], str(subr))
    (tmp_path / "rc.conf").write_text("fapws_enable=NO\nfapws_config=/nowhere\nfapws_profiles='no such'\n")
    monkeypatch.setenv("RC_NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("RC_CONF", str(tmp_path / "rc.conf"))
    now = time.monotonic()
    scene = Scene(str(tmp_path), Clock(now, now + 120))
    rc = next(rc for rc in places.SYSTEMS if rc.system == system)
    flagless = {name: tuple(word for word in getattr(rc, name) if word != "-f") for name in ("start", "stop")}
    try:
        told = places.run_rc(
            scene, rc._replace(shell=KSH or "ksh", **flagless) if "-f" in rc.start else rc, text
        )
    finally:
        scene.take_down()
    assert told == f"{system}'s script: start, check, reload, stop under the system's rc.subr"


def test_rc_check_names_what_it_lacks(tmp_path: Path) -> None:
    now = time.monotonic()
    if not any(sys.platform.startswith(rc.system) for rc in places.SYSTEMS):
        with pytest.raises(LeftOut, match=r"has no rc\.subr"):
            places.rc_script(Scene(str(tmp_path), Clock(now, now)))
    assert "PROVIDE" in places._shipped("freebsd")
