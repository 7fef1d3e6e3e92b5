"""The control socket in the hands of a group: its members may command, and nobody else."""

from __future__ import annotations

import subprocess

from support.house import House
from support.rooted import PACKAGES, common_python, needs_proc, needs_root, other


@needs_root
@needs_proc
def test_member_of_the_control_group_may_command_and_others_may_not(public_house: House) -> None:
    house = public_house
    python = common_python()
    master = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
    house.configure(master=master)
    house.start()
    group = str(other().pw_gid)

    def asks(command: str, expect: int) -> str:
        become = f"import os, sys; os.setgroups([]); os.setgid({group}); os.setuid({other().pw_uid})\n"
        words = [
            python,
            "-c",
            f"{become}os.execv(sys.argv[1], sys.argv[1:])",
            python,
            "-m",
            "fapws.cli.fapwsctl",
        ]
        done = subprocess.run(
            [*words, "-c", str(house.ini), command],
            cwd="/",
            env={**house.environment(), "PYTHONPATH": PACKAGES},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == expect, done.stdout
        return str(done.stdout)

    assert "permission denied" in asks("reload", 4)
    assert "permission denied" in asks("stop", 4).lower()
    house.configure(master=f"{master}control_group = {group}\n")
    house.ctl("reload")
    assert house.control.stat().st_mode & 0o777 == 0o660
    assert house.control.stat().st_gid == other().pw_gid
    assert "reload done" in asks("reload", 0)
    house.configure(master=master)
    house.ctl("reload")
    assert house.control.stat().st_mode & 0o777 == 0o600
    asks("reload", 4)
    house.configure(master=f"{master}control_group = {group}\n")
    house.ctl("reload")
    assert "stopped" in asks("stop", 0)
    house.assert_nothing_is_left()
