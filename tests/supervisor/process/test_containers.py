"""As a container runs it: PID 1 of its own, nothing to write to, a user that nobody knows, no environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.house import ROOT, House, wait_until
from support.ports import unused_port
from support.rooted import PACKAGES, common_python, needs_proc

UID = 54321
"""Of nobody."""

APPLICATION = """
import os, sys

def application(environ, start_response):
    if environ["PATH_INFO"] == "/orphan":
        if os.fork() == 0:
            if os.fork() == 0:  # its parent leaves at once: it is PID 1's then
                os._exit(0)
            os._exit(0)
        os.wait()
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    ids = os.getuid(), os.getppid(), os.environ.get("HOME"), os.path.exists("/dev/shm")
    return [repr(ids).encode()]
"""
ROOM = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount --bind / /mnt
mount -o remount,ro,bind /mnt
mount --rbind /proc /mnt/proc
mount -t tmpfs -o mode=755 tmpfs /mnt/dev
: >/mnt/dev/null
mount --bind /dev/null /mnt/dev/null
mount -o remount,ro /mnt/dev
cd /mnt
pivot_root . mnt
umount -l mnt
exec setpriv --reuid UID --regid UID --clear-groups \\
    env -i LANG=C PATH=/usr/bin:/bin PYTHONPATH="$PACKAGES" "$@" <&- >&-
"""
"""A root that nothing can be written to, and a /dev with nothing but null: the strictest of containers."""


def can_make_rooms() -> bool:
    """Whether this machine lets us."""
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "mount --make-rprivate /"]
    programs = all(shutil.which(name) for name in ("unshare", "setpriv", "mount", "pivot_root"))
    return programs and subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0


needs_rooms = pytest.mark.skipif(
    os.geteuid() != 0 or not can_make_rooms(), reason="makes namespaces: runs as root where that is allowed"
)


@contextmanager
def room(house: House, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A program in a room of its own, and the PID that its first process has for us."""
    place = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        ROOM.replace("UID", str(UID)),
    ]
    with house.log_file.open("wb") as log:
        process = subprocess.Popen(
            [*place, "room", *words],
            env={**house.environment(), "PACKAGES": PACKAGES},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    first = 0
    try:
        first = first_child(process.pid)
        yield process, first
    finally:
        if first and process.poll() is None:
            os.kill(first, signal.SIGKILL)  # and with it all that is in the room; setpriv undoes --kill-child
        process.kill()
        process.wait(30)


def first_child(pid: int) -> int:
    """The process that unshare has forked."""
    return wait_until(lambda: children(pid), "unshare has forked")[0]


def ask(port: int, path: str, content: bytes = b"") -> bytes:
    """The content of a response; empty while nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            method = b"POST" if content else b"GET"
            head = b"%s %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (method, path.encode(), len(content))
            client.sendall(head + content)
            return b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")[2]
    except ConnectionError:
        return b""


def children(parent: int) -> list[int]:
    """Of a process, those that it has not reaped too."""
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def zombies(parent: int) -> list[int]:
    """Children of a process that it has not reaped."""
    found = []
    for number in children(parent):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            continue
        if state == "Z":
            found.append(number)
    return found


@needs_rooms
@needs_proc
@pytest.mark.parametrize("isolated", [False, True])
def test_pid_1_with_nothing_to_write_to_serves_reaps_and_stops(public_house: House, isolated: bool) -> None:
    house, port = public_house, unused_port()
    house.write_app(APPLICATION)
    other = f"[app:other]\nscript = {house.app}\nlisten = 127.0.0.1:{unused_port()}" if isolated else ""
    house.configure(
        2, f"127.0.0.1:{port}", "drain_timeout = 5s\nreload = rolling", "error_log = stderr\n", other
    )
    python = common_python()
    with room(house, python, "-m", "fapws.cli.fapwsctl", "-c", str(house.ini), "start", "-F") as (
        process,
        master,
    ):
        told = wait_until(lambda: process.poll() is not None or ask(port, "/"), "it serves")
        assert process.poll() is None, house.log()
        assert eval(told) == (UID, 1, None, False)
        wait_until(lambda: len(children(master)) == (3 if isolated else 2), "every worker is there")
        before = children(master)
        for _ in range(5):
            ask(port, "/orphan")
        assert ask(port, "/", b"x" * 1_000_000), "content that fits into memory needs no file"
        wait_until(lambda: not zombies(master), "PID 1 has reaped what was left to it")
        os.kill(before[-1], signal.SIGKILL)
        wait_until(lambda: before[-1] not in children(master), "and its own")
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: "reload done" in house.log(), "a reload")
        os.kill(master, signal.SIGTERM)
        assert process.wait(20) == 0, house.log()
    assert "Traceback" not in house.log(), house.log()
    assert not ask(port, "/")


PAGE = (ROOT / "docs" / "containers.md").read_text()


def block(kind: str) -> str:
    """The code of this kind in docs/containers.md."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


MANIFEST = (ROOT / "conf" / "cluster" / "kubernetes.yaml").read_text()


def line(text: str, pattern: str) -> str:
    """What stands in the one line of it that begins so."""
    (found,) = re.findall(rf"(?m)^ *{pattern}(.*)$", text)
    return str(found).strip()


def test_the_configuration_is_the_same_in_the_page_and_for_kubernetes_and_nomad() -> None:
    job = (ROOT / "conf" / "cluster" / "nomad.hcl").read_text()
    (mapped,) = re.findall(r"(?ms)^  fapws.ini: \|\n(.*?)^---$", MANIFEST)
    (templated,) = re.findall(r"(?ms)<<INI\n(.*?)^INI$", job)
    assert textwrap.dedent(mapped) == templated == block("ini")
    assert line(job, "kill_timeout = ") == f'"{line(MANIFEST, "terminationGracePeriodSeconds:")}s"'


def status_of(port: int, path: str) -> int:
    """Of the response to a probe; 0: nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 10.0.0.7:9117\r\nConnection: close\r\n\r\n".encode()
            )
            return int(b"".join(iter(lambda: client.recv(65536), b"")).split()[1])
    except (ConnectionError, IndexError):
        return 0


@needs_rooms
@needs_proc
def test_what_the_page_says_serves_is_probed_and_stops_in_time(public_house: House) -> None:
    """The page's configuration, command, health check and probes, but for the numbers of the ports."""
    house, data, status = public_house, unused_port(), unused_port()
    house.write_app(APPLICATION)
    text = (
        block("ini").replace("/srv/app/app.py", str(house.app)).replace("0.0.0.0:8888", f"127.0.0.1:{data}")
    )
    house.ini.write_text(text.replace("0.0.0.0:9117", f"127.0.0.1:{status}").replace("5s", "30s"))
    command = json.loads(line(block("Dockerfile"), "CMD "))
    assert command[:3] == ["fapwsctl", "-c", "/etc/fapws.ini"]
    python = common_python()
    with room(house, python, "-m", "fapws.cli.fapwsctl", "-c", str(house.ini), *command[3:]) as (
        process,
        master,
    ):
        probe = re.findall(r"(\w+)Probe:\n +httpGet: {path: (\S+), port: 9117}", MANIFEST)
        assert dict(probe) == {"liveness": "/livez", "readiness": "/readyz"}
        wait_until(lambda: process.poll() is not None or status_of(status, "/readyz") == 200, "it is ready")
        assert process.poll() is None, house.log()
        assert status_of(status, "/livez") == 200
        assert eval(ask(data, "/"))[0] == UID
        health = json.loads(line(block("Dockerfile"), "HEALTHCHECK .* CMD "))
        assert health[0] == "python3"
        words = [python, *(word.replace("9117", str(status)) for word in health[1:])]
        inside = ["nsenter", "--target", str(master), "--mount", "--pid", "--root", *words]
        assert subprocess.run(inside, check=False).returncode == 0, shlex.join(inside)
        os.kill(master, signal.SIGTERM)
        wait_until(lambda: status_of(status, "/readyz") == 503, "it is not ready any more")
        assert ask(data, "/"), "and serves on"
        os.kill(master, signal.SIGTERM)  # a second one does not wait for stop_delay
        assert process.wait(int(line(MANIFEST, "terminationGracePeriodSeconds:"))) == 0
    assert "stop_delay = 5s" in block("ini") and "preStop" not in MANIFEST
