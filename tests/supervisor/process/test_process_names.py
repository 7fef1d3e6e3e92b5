"""What ps shows of master and workers."""

from __future__ import annotations

import os

from support.house import House


def test_processes_bear_names(house: House) -> None:
    import subprocess

    house.configure(workers=2, listen=f"unix:{house.unix}")
    house.start()
    if not os.path.exists("/proc/self/cmdline"):
        return
    listed = subprocess.check_output(["ps", "ax", "-ww", "-o", "pid=,args="], text=True)
    names = dict(line.split(None, 1) for line in listed.splitlines() if len(line.split()) > 1)
    assert names[str(house.pid)].strip() == f"fapws: master {house.ini}"
    shown = {names[str(pid)].strip() for pid in house.workers()}
    assert shown == {"fapws: worker hello/0", "fapws: worker hello/1"}
    house.ctl("stop")
    house.assert_nothing_is_left()
