"""A server that preloads, and what tests look at there."""

from __future__ import annotations

import subprocess

from support.house import House

PRELOAD = "preload = yes\n"
APP = """
import os, random, sys

IMPORTED_BY = os.getpid()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = {"pid": os.getpid(), "parent": os.getppid(), "imported by": IMPORTED_BY, "word": "GREETING",
            "number": random.random(), "zygote": "fapws.worker.zygote" in sys.modules}
    return [repr(told).encode()]
"""


def app(word: str = "hello") -> str:
    """An application that tells of its process."""
    return APP.replace("GREETING", word)


def started(house: House, workers: int = 2, pool: str = "", text: str = "") -> int:
    """Starts it; its port."""
    house.write_app(text or app())
    house.configure(workers=workers, pool=PRELOAD + pool)
    house.start()
    return house.port()


def zygotes(house: House) -> list[int]:
    """PIDs of the processes that preload."""
    return [zygote["pid"] for zygote in house.told()["zygotes"]]


def kept(house: House) -> list[int]:
    """Those of them that can be gone back to."""
    return [zygote["pid"] for zygote in house.told()["zygotes"] if zygote["kept_for"]]


def workers(house: House) -> list[int]:
    """PIDs of the workers that serve."""
    return [worker["pid"] for worker in house.told()["workers"] if worker["state"] == "serving"]


def full_without(house: House, pid: int, count: int) -> bool:
    """Whether so many serve, and this one is none of them."""
    now = workers(house)
    return len(now) == count and pid not in now


def title(pid: int) -> str:
    """As ps shows it; empty: there is no such process."""
    return _ps("args=", [pid]).strip()


def parents(house: House) -> set[int]:
    """Of the workers that serve."""
    return {int(line) for line in _ps("ppid=", workers(house)).split()}


def _ps(what: str, pids: list[int]) -> str:
    command = ["ps", "-ww", "-o", what, "-p", ",".join(map(str, pids))]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
