"""Three instances of Fapws behind a real HAProxy, as conf/cluster has them, and a rolling deployment.

python -m tests.support.cluster REQUESTS       deploys again and again until so many were answered
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.haproxy import replace_once, running
from support.house import ROOT, House, Load
from support.ports import unused_port

SHIPPED = ROOT / "conf" / "cluster"
NAMES = ("one", "two", "three")


class Cluster:
    """The instances, each in a directory of its own below the parent's."""

    def __init__(self, parent: House) -> None:
        self._parent = parent
        self._ports: dict[str, tuple[int, int]] = {}
        self.instances = [self._make(name) for name in NAMES]
        program = parent.directory / "bin" / "fapwsctl"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fapws.cli.fapwsctl "$@"\n')
        program.chmod(0o755)
        self._path = f"{program.parent}:{os.environ['PATH']}"

    def _make(self, name: str) -> House:
        (self._parent.directory / name).mkdir()
        house = House(self._parent.directory / name)
        data, status = self._ports[name] = unused_port(), unused_port()
        master = f"pidfile = {house.pidfile}\ncontrol = {house.control}\nerror_log = {house.log_file}\n"
        house.configure(1, f"127.0.0.1:{data}", master=f"{master}status = 127.0.0.1:{status}\n")
        return house

    def haproxy(self) -> str:
        """The shipped configuration, with our addresses; ``LISTENER`` stands for where it listens."""
        text = replace_once((SHIPPED / "haproxy.cfg").read_text(), "bind :80", "bind fd@LISTENER")
        for number, name in enumerate(NAMES, 1):
            data, status = self._ports[name]
            shipped = f"server {name} 127.0.0.1:888{number} port 918{number}"
            text = replace_once(text, shipped, f"server {name} 127.0.0.1:{data} port {status}")
        return text

    def start(self) -> None:
        """All of them."""
        for house in self.instances:
            house.start()

    def deploy(self, word: str, *options: str) -> subprocess.CompletedProcess[str]:
        """New code, then conf/cluster/roll.sh."""
        for house in self.instances:
            house.greeting(word)
        return self.roll(*options)

    def roll(self, *options: str) -> subprocess.CompletedProcess[str]:
        """conf/cluster/roll.sh over all instances."""
        return subprocess.run(
            [str(SHIPPED / "roll.sh"), *options, *(str(house.ini) for house in self.instances)],
            env={**self._parent.environment(), "PATH": self._path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=240,
        )

    def stop(self) -> None:
        """All of them."""
        for house in self.instances:
            house.ctl("stop")


@contextmanager
def cluster(parent: House) -> Iterator[tuple[Cluster, int]]:
    """Instances that serve, and the port of the HAProxy before them."""
    made = Cluster(parent)
    made.start()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        text = made.haproxy().replace("LISTENER", str(listener.fileno()))
        port = listener.getsockname()[1]
        with running(text, parent.directory, listener):
            parent.at = port
            yield made, port
    made.stop()


def main(requests: int) -> int:
    """Deploys until so many requests were answered; prints the books."""
    with tempfile.TemporaryDirectory(prefix="fapws-cluster-") as name:
        parent = House(Path(name))
        began, deployments = time.monotonic(), 0
        try:
            with cluster(parent) as (instances, port), Load(parent, port, 6, 4) as clients:
                while clients.answered < requests and not clients.lost:
                    deployments += 1
                    done = instances.deploy(f"code{deployments}", "-w", "1")
                    assert done.returncode == 0, done.stdout
                    clients.forget()
                    clients.more(20)
                    words = {content.split()[0] for content in clients.contents}
                    assert words == {f"code{deployments}".encode()}, words
                    print(f"{deployments} deployments, {clients.answered} answered", flush=True)
        finally:
            parent.clean()
    seconds = time.monotonic() - began
    print(
        f"{clients.sent} sent: {clients.answered} answered, {clients.raced} raced, {len(clients.lost)} lost, "
        f"{deployments} deployments of {len(NAMES)} instances in {seconds:.0f} s"
    )
    return int(bool(clients.lost) or clients.answered + clients.raced != clients.sent)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
