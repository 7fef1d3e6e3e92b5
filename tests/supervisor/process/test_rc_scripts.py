"""The start scripts of OpenBSD and FreeBSD and the lines for log rotation, against a real server.

rc.subr is a stand-in (tests/supervisor/rc) that calls what the manual pages say, in their order.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.house import House

ROOT = Path(__file__).resolve().parents[3]
STAND_INS = Path(__file__).parent / "rc"
KSH = next(filter(None, map(shutil.which, ("ksh", "mksh", "oksh"))), "")


class Script:
    """A copy of a shipped script that finds our rc.subr and our fapwsctl."""

    def __init__(self, house: House, system: str, name: str = "rc-fapws") -> None:
        self.house = house
        self.notes = house.directory / "notes"
        self.signals = house.directory / "notes.signals"
        self.run_directory = house.directory / "var" / "run" / "fapws"
        self.run_directory.parent.mkdir(parents=True, exist_ok=True)
        self.rc_conf = house.directory / "rc.conf"
        self.ctl = house.directory / "fapwsctl"
        self.ctl.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fapws.cli.fapwsctl "$@"\n')
        self.ctl.chmod(0o755)
        # A copy: a clone may stand in a path that a shell takes apart.
        subr = shutil.copy(STAND_INS / f"{system}.subr", house.directory)
        text = (ROOT / "conf" / "rc.d" / system / "fapws").read_text()
        for shipped, ours in (
            ("/usr/local/bin/fapwsctl", str(self.ctl)),
            ("/etc/rc.d/rc.subr", str(subr)),
            ("/etc/rc.subr", str(subr)),
            ("-c /etc/fapws.ini", f"-c {house.ini}"),
            ("/usr/local/etc/fapws.ini", str(house.ini)),
            ("/var/run/fapws", str(self.run_directory)),
        ):
            text = text.replace(shipped, ours)
        self.path = house.directory / name
        self.path.write_text(text)
        self.path.chmod(0o755)
        self.shell = KSH if system == "openbsd" else "/bin/sh"

    def set_flags(self, flags: str) -> None:
        """What `rcctl set fapws flags` does: the script's own are replaced."""
        text = self.path.read_text()
        self.path.write_text(re.sub(r"^daemon_flags=.*$", f'daemon_flags="{flags}"', text, flags=re.M))

    def run(self, *words: str, expect: int = 0) -> str:
        """What a call prints; the notes begin anew with it."""
        return self._run([self.shell, str(self.path), *words], expect)

    def at_boot_or_shutdown(self, command: str, expect: int = 0) -> str:
        """What FreeBSD's rc(8) gets from the script, which it sources."""
        return self._run(["/bin/sh", str(STAND_INS / "freebsd.rc"), str(self.path), command], expect)

    def _run(self, words: list[str], expect: int) -> str:
        self.notes.write_text("")
        self.signals.write_text("")
        done = subprocess.run(
            words,
            env={**self.house.environment(), "RC_NOTES": str(self.notes), "RC_CONF": str(self.rc_conf)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{self.house.log()}"
        return done.stdout

    def called(self) -> list[str]:
        """The functions that rc.subr called, in their order."""
        return self.notes.read_text().splitlines()

    def signalled(self) -> set[int]:
        """The processes that rc.subr found by pexp and would have sent a signal."""
        return {int(line.split()[1]) for line in self.signals.read_text().splitlines()}


@pytest.mark.skipif(not KSH, reason="needs a Korn shell: ksh, mksh or oksh")
def test_openbsd_script_through_a_day(house: House) -> None:
    script = Script(house, "openbsd")
    script.run("check", expect=1)
    script.run("start")
    assert script.called() == ["rc_check", "rc_configtest", "rc_start", "rc_check"]
    script.run("check")
    script.run("start")
    assert script.called() == ["rc_check"]
    house.greeting("second")
    script.run("reload")
    assert script.called() == ["rc_check", "rc_configtest", "rc_reload"]
    assert house.get(house.port()).startswith(b"second ")
    good = house.ini.read_text()
    house.ini.write_text(good + "nonsense = 1\n")
    assert "nonsense" in script.run("reload", expect=1)
    assert "nonsense" in script.run("restart", expect=1)
    script.run("check")
    house.ini.write_text(good)
    former = house.pid
    script.run("restart")
    assert house.pid != former
    script.run("stop")
    assert script.called() == ["rc_check", "rc_stop", "rc_check"]
    house.assert_nothing_is_left()
    script.run("stop")


@pytest.mark.skipif(not KSH, reason="needs a Korn shell: ksh, mksh or oksh")
def test_openbsd_start_of_a_broken_application_fails(house: House) -> None:
    house.write_app("import nothing_of_this_name\napplication = None\n")
    assert "nothing_of_this_name" in Script(house, "openbsd").run("start", expect=1)
    house.assert_nothing_is_left()


def second_service(house: House, directory: Path) -> Path:
    """The configuration of a service beside the house's own, with other.pid and other.sock."""
    other = directory / "other.ini"
    text = house.ini.read_text().replace(str(house.pidfile), f"{directory}/other.pid")
    other.write_text(text.replace(str(house.control), f"{directory}/other.sock"))
    return other


@pytest.mark.skipif(not KSH, reason="needs a Korn shell: ksh, mksh or oksh")
def test_openbsd_stop_of_one_service_signals_no_other(house: House, tmp_path: Path) -> None:
    one, other = Script(house, "openbsd"), Script(house, "openbsd", "rc-other")
    other.set_flags(f"-c {second_service(house, tmp_path)}")
    other.run("start")
    try:
        one.run("start")
        former, neighbour = house.pid, int((tmp_path / "other.pid").read_text())
        one.run("stop")
        assert one.signalled() == {former}
        other.run("check")
    finally:
        other.run("stop")
    assert other.signalled() == {neighbour}


@pytest.mark.skipif(not KSH, reason="needs a Korn shell: ksh, mksh or oksh")
def test_openbsd_script_starts_after_a_boot_that_emptied_var_run(house: House) -> None:
    script = Script(house, "openbsd")
    house.ini.write_text(
        house.ini.read_text().replace(str(house.pidfile), f"{script.run_directory}/fapws.pid")
    )
    assert not script.run_directory.exists()
    script.run("start")
    assert (script.run_directory / "fapws.pid").exists()
    script.run("stop")


@pytest.mark.skipif(not KSH, reason="needs a Korn shell: ksh, mksh or oksh")
@pytest.mark.parametrize(
    "flags",
    ["-c /etc/fapws.ini", "-c/etc/fapws.ini", "-j  -c  /etc/fapws.ini -t 9", "-t 9 -c /etc/fapws.ini"],
)
def test_pattern_of_the_openbsd_script_is_the_title_of_its_own_master(flags: str, tmp_path: Path) -> None:
    text = (ROOT / "conf/rc.d/openbsd/fapws").read_text()
    head = text[text.index("# The file after -c") : text.index("# /etc/rc empties")]
    script = tmp_path / "pattern"
    script.write_text(f"daemon_flags='{flags}'\n{head}\nprintf '%s' \"${{pexp}}\"\n")
    pattern = subprocess.run(
        [KSH, str(script)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    for title in (
        "python3.11: fapws: master /etc/fapws.ini (python3.11)",
        "python3: fapws: master /etc/fapws.ini",
    ):
        assert re.fullmatch(pattern, title), pattern
    for title in (
        "python3.11: fapws: worker blog/0 (python3.11)",
        "python3.11: fapws: master /etc/fapws.ini.shop (python3.11)",
        "python3.11: fapws: master /etc/fapws_ini (python3.11)",
        "python3.11: fapws: master /srv/etc/fapws.ini (python3.11)",
    ):
        assert not re.fullmatch(pattern, title), title


def test_freebsd_script_through_a_day(house: House) -> None:
    script = Script(house, "freebsd")
    script.rc_conf.write_text("")
    assert "Set fapws_enable to YES" in script.run("start", expect=1)
    script.run("onestart")
    assert "or use 'onestop'" in script.run("stop", expect=1)
    script.run("onestop")
    script.rc_conf.write_text("fapws_enable=YES\n")
    script.run("start")
    assert script.called() == ["fapws_configtest", "fapws_run start"]
    assert "hello/0" in script.run("status")
    script.run("configtest")
    house.greeting("second")
    script.run("reload")
    assert house.get(house.port()).startswith(b"second ")
    house.log_file.unlink()
    script.run("reopen")
    assert house.log_file.exists()
    good = house.ini.read_text()
    house.ini.write_text(good + "nonsense = 1\n")
    script.run("reload", expect=1)
    script.run("restart", expect=1)
    house.ini.write_text(good)
    assert house.workers()
    script.run("restart")
    script.run("stop")
    house.assert_nothing_is_left()
    assert "unknown directive" in script.run("explode", expect=1)


def test_freebsd_profiles_are_services_of_their_own(house: House, tmp_path: Path) -> None:
    script = Script(house, "freebsd")
    other = second_service(house, tmp_path)
    script.rc_conf.write_text(
        "fapws_enable=YES\nfapws_profiles='shop blog'\n"
        f"fapws_shop_config={house.ini}\nfapws_blog_config={other}\n"
    )
    try:
        script.run("start")
        assert house.pid != int((tmp_path / "other.pid").read_text())
        script.run("stop", "shop")
        assert not house.pidfile.exists()
        assert (tmp_path / "other.pid").exists()
        script.run("status", expect=1)
        script.run("status", "blog")
        assert "fapws_moon_config is not set" in script.run("start", "moon", expect=1)
    finally:
        script.run("stop")
    assert not (tmp_path / "other.pid").exists()


def test_freebsd_profiles_start_at_boot_and_stop_at_shutdown(house: House, tmp_path: Path) -> None:
    script = Script(house, "freebsd")
    script.rc_conf.write_text(
        "fapws_enable=YES\nfapws_profiles='shop blog'\n"
        f"fapws_shop_config={house.ini}\nfapws_blog_config={second_service(house, tmp_path)}\n"
    )
    try:
        script.at_boot_or_shutdown("faststart")
        assert house.pidfile.exists()
        assert (tmp_path / "other.pid").exists()
    finally:
        script.at_boot_or_shutdown("faststop")
    assert not house.pidfile.exists()
    assert not (tmp_path / "other.pid").exists()


def test_freebsd_boot_goes_on_behind_a_service_that_fails(house: House) -> None:
    script = Script(house, "freebsd")
    script.rc_conf.write_text(
        f"fapws_enable=YES\nfapws_profiles='moon shop'\nfapws_shop_config={house.ini}\n"
    )
    try:
        assert "fapws_moon_config is not set" in script.at_boot_or_shutdown("faststart", expect=1)
        assert house.pidfile.exists()
    finally:
        script.at_boot_or_shutdown("faststop", expect=1)
    assert not house.pidfile.exists()


# ---- Rotation -------------------------------------------------------------------------------------


def test_command_of_the_newsyslog_and_logrotate_lines_reopens(house: House) -> None:
    """And cron has nothing to mail when the service is stopped."""
    house.start()
    script = Script(house, "freebsd")
    typed = []
    patterns = (("newsyslog/openbsd.conf", r'"(/.*)"$'), ("logrotate/fapws", r"postrotate\n\s+(/.*)\n"))
    for name, pattern in patterns:
        text = (ROOT / "conf" / name).read_text()
        commands = set(re.findall(pattern, text, re.M))
        assert len(commands) == 1
        command = commands.pop().replace("/usr/local/bin/fapwsctl", str(script.ctl))
        command = command.replace("/etc/fapws.ini", str(house.ini))
        house.log_file.unlink()
        subprocess.run(["/bin/sh", "-c", command], env=house.environment(), check=True, timeout=60)
        assert house.log_file.exists()
        typed.append(command)
    house.ctl("stop")
    for command in typed:
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=house.environment(), capture_output=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_freebsd_newsyslog_line_has_its_fields() -> None:
    lines = (ROOT / "conf/newsyslog/freebsd.conf").read_text().splitlines()
    (line,) = [line for line in lines if line and not line.startswith("#")]
    path, owner, mode, count, size, when, flags, pidfile, signal = line.split()
    assert path.endswith("*.log")
    assert "G" in flags, "a pattern of names"
    assert (owner, mode, int(count) > 0, size, signal) == ("root:wheel", "640", True, "*", "30")
    assert re.fullmatch(r"@T\d\d", when)
    assert pidfile.endswith(".pid")


@pytest.mark.skipif(not shutil.which("logrotate"), reason="needs logrotate")
def test_logrotate_takes_the_file_while_it_runs_and_while_it_is_stopped(house: House, tmp_path: Path) -> None:
    house.start()
    script = Script(house, "freebsd")
    text = (ROOT / "conf/logrotate/fapws").read_text()
    text = text.replace("/var/log/fapws/*.log", str(house.log_file))
    text = text.replace("/usr/local/bin/fapwsctl -c /etc/fapws.ini", f"{script.ctl} -c {house.ini}")
    (tmp_path / "rotate").write_text(text)
    (tmp_path / "rotate").chmod(0o644)
    words = ["logrotate", "-f", "-s", str(tmp_path / "state"), str(tmp_path / "rotate")]
    for number in (1, 2):
        done = subprocess.run(words, env=house.environment(), capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(list(house.directory.glob("error.log.*"))) == number
        house.ctl("stop")


@pytest.mark.parametrize("system", ["openbsd", "freebsd"])
def test_scripts_are_good_shell(system: str) -> None:
    path = ROOT / "conf" / "rc.d" / system / "fapws"
    assert os.access(path, os.X_OK)
    for shell in {"/bin/sh", KSH} - {""}:
        subprocess.run([shell, "-n", str(path)], check=True, timeout=60)
