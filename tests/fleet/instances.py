"""Three instances of Fapws, as the heads of the files in conf/cluster/ want them, and roll.sh over them."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from support.house import ROOT, House
from support.ports import unused_port

SHIPPED = ROOT / "conf" / "cluster"
NAMES = ("one", "two", "three")

APPLICATION = """\
import os, time

SLOW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow")

def application(environ, start_response):
    if environ["CONTENT_LENGTH" if "CONTENT_LENGTH" in environ else "REQUEST_METHOD"] not in ("GET", "0"):
        environ["wsgi.input"].read()
    if os.path.exists(SLOW):
        time.sleep(1)
    told = "NAME WORD %s %s" % (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"])
    body = told.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
"""Says who it is, which code, and whose request it takes it for."""


class Place(NamedTuple):
    """Where a fleet is: the files say 10.0.0.N, 8888, 9117, 9118, and 10.0.0.10 for the balancer."""

    network: str = "10.0.0."
    balancer: str = "10.0.0.10"
    data: int = 8888
    status: int = 9117
    agent: int = 9118

    def put(self, text: str) -> str:
        """A shipped text with these addresses."""
        text = text.replace("10.0.0.10", self.balancer).replace("10.0.0.", self.network)
        for shipped, ours in ((8888, self.data), (9117, self.status), (9118, self.agent)):
            text = re.sub(rf"\b{shipped}\b", str(ours), text)
        return text


def here() -> Place:
    """On this machine, without a network of its own: Linux has all of 127.0.0.0/8."""
    return Place("127.0.0.", "127.0.0.1", unused_port(), unused_port(), unused_port())


def asked_for(number: int, place: Place) -> tuple[str, str]:
    """What the head of haproxy.cfg wants in [fapws] and in the pool of an instance."""
    head = (SHIPPED / "haproxy.cfg").read_text().partition("\nglobal\n")[0]
    lines = re.findall(r"(?m)^#     (.*)$", head)
    assert lines[0] == "[fapws]" and "[app:shop]" in lines
    text = place.put("\n".join(lines[1:]).replace("10.0.0.N", f"10.0.0.{number}"))
    master, _, pool = text.partition("[app:shop]\n")
    return master, pool


class Fleet:
    """The instances, each in a directory of its own below the parent's."""

    def __init__(
        self, parent: House, place: Place, *, by_socket: bool = False, pool: str = "", master: str = ""
    ) -> None:
        self.parent = parent
        self.place = place
        self._by_socket = by_socket
        self._pool = pool
        self._master = master
        self.instances = [self._make(number, name) for number, name in enumerate(NAMES, 1)]
        self.program = parent.directory / "fapwsctl"
        environment = f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={ROOT} FAPWS_TEST_HOUSE={parent.directory}"
        self.program.write_text(
            f'#!/bin/sh\nexec env {environment} {sys.executable} -m fapws.cli.fapwsctl "$@"\n'
        )
        self.program.chmod(0o755)

    def _make(self, number: int, name: str) -> House:
        (self.parent.directory / name).mkdir()
        house = House(self.parent.directory / name)
        house.ini = house.directory / f"{name}.ini"
        self._configure(house, number)
        return house

    def _configure(self, house: House, number: int) -> None:
        master, pool = asked_for(number, self.place)
        listen, *options = pool.splitlines()
        own = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
        house.configure(
            1,
            listen.partition(" = ")[2],
            pool="\n".join([*options, self._pool]),
            master=f"{own}{master}{self._master}\n",
            more=self._second_pool(house) if self._by_socket else "",
        )

    @staticmethod
    def _second_pool(house: House) -> str:
        """What the backend "here" of haproxy.cfg wants."""
        return (
            f"[app:here]\nscript = {house.app}\nlisten = unix:{house.unix}?mode=600\n"
            "trusted_proxies = unix\nproxy_protocol = yes\n"
        )

    def code(self, word: str) -> None:
        """New code for all."""
        for name, house in zip(NAMES, self.instances):
            house.write_app(APPLICATION.replace("NAME", name).replace("WORD", word))

    def start(self, word: str = "first") -> None:
        """All of them, at the same time."""
        self.code(word)
        with ThreadPoolExecutor(len(self.instances)) as pool:
            list(pool.map(House.start, self.instances))

    def stop(self) -> None:
        """All of them, at the same time."""
        with ThreadPoolExecutor(len(self.instances)) as pool:
            list(pool.map(lambda house: house.ctl("stop"), self.instances))

    def roll(
        self, *words: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """conf/cluster/roll.sh with these options and instances."""
        return subprocess.run(
            [str(SHIPPED / "roll.sh"), "-p", str(self.program), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=240,
        )

    def files(self) -> list[str]:
        """Of all instances, as roll.sh takes them on this machine."""
        return [str(house.ini) for house in self.instances]
