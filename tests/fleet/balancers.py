"""A real HAProxy, nginx or Caddy before a fleet, with the file of conf/cluster/, but for the addresses.

quick: it asks the instances more often than the file says, so that a test need not wait.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.haproxy import needs_haproxy, replace_once, running
from support.house import wait_until
from support.nginx import needs_nginx, running_nginx
from support.ports import unused_port

from fleet.instances import NAMES, SHIPPED, Fleet

CADDY = shutil.which("caddy")
needs_caddy = pytest.mark.skipif(CADDY is None, reason="caddy is not installed: runs where it is, and in CI")


@contextmanager
def haproxy(fleet: Fleet, directory: Path, backend: str = "machines", quick: bool = False) -> Iterator[int]:
    """Its port; ``here`` is the backend with unix sockets and PROXY headers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        text = (SHIPPED / "haproxy.cfg").read_text()
        text = replace_once(text, "    bind :80", f"    bind fd@{listener.fileno()}")
        text = replace_once(text, "    default_backend machines", f"    default_backend {backend}")
        text = quickened(fleet.place.put(text), quick)
        for number, (name, house) in enumerate(zip(NAMES, fleet.instances), 1):
            text = replace_once(text, f"unix@/run/fapws/{name}.sock", f"unix@{house.unix}")
            status = f"{fleet.place.network}{number} port {fleet.place.status}"
            text = replace_once(text, f"127.0.0.1 port 918{number}", status)
        with running(text, directory, listener):
            yield listener.getsockname()[1]


@contextmanager
def nginx(fleet: Fleet, directory: Path, quick: bool = False) -> Iterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        text = quickened(fleet.place.put((SHIPPED / "nginx.conf").read_text()), quick)
        text = replace_once(text, "listen 80;", f"listen 127.0.0.1:{port};")
        with running_nginx(text, directory, listener, errors=True):
            yield port


@contextmanager
def caddy(fleet: Fleet, directory: Path, quick: bool = False) -> Iterator[int]:
    """Its port."""
    assert CADDY is not None
    port = unused_port()
    text = quickened(fleet.place.put((SHIPPED / "Caddyfile").read_text()), quick)
    text = replace_once(text, "\n:80 {", f"\n:{port} {{")
    path = directory / "Caddyfile"
    path.write_text("{\n\tadmin off\n}\n" + text)
    homes = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with (directory / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [CADDY, "run", "--config", str(path), "--adapter", "caddyfile"],
            env={**os.environ, **homes},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: process.poll() is not None or listens(port), "Caddy listens")
        assert process.poll() is None, (directory / "caddy.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def quickened(text: str, quick: bool) -> str:
    """The text, with shorter intervals of checks, and after failures, if that is wanted."""
    assert "500ms" in text or "fail_timeout=10s" in text
    return text.replace("500ms", "100ms").replace("fail_timeout=10s", "fail_timeout=1s") if quick else text


def listens(port: int) -> bool:
    """Whether somebody does."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


BALANCERS: dict[str, Callable[[Fleet, Path], AbstractContextManager[int]]] = {
    "haproxy": haproxy,
    "nginx": nginx,
    "caddy": caddy,
}
MARKS = {"haproxy": needs_haproxy, "nginx": needs_nginx, "caddy": needs_caddy}
