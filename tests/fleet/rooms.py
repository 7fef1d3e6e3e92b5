"""A network of its own for each instance, and one for the balancer and the clients.

The program goes on in namespaces that end with it (unshare of util-linux): what is mounted and linked
there, the machine never sees. Each instance has a cable to the balancer, 10.0.0.N to 10.0.0.10.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.house import wait_until

ENTERED = "FAPWS_FLEET_ROOM"
PROGRAMS = ("unshare", "nsenter", "ip", "mount")


def enter(module: str, arguments: list[str]) -> None:
    """Starts this program again inside; returns there."""
    if os.environ.get(ENTERED):
        _do("ip link set lo up")
        return
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        raise SystemExit(f"make fleet: needs root and {', '.join(PROGRAMS)} (Debian: iproute2)")
    words = ["unshare", "--net", "--mount", sys.executable, "-m", module, *arguments]
    os.execvpe(words[0], words, {**os.environ, ENTERED: "1"})


def _do(line: str) -> None:
    subprocess.run(line.split(), check=True, stdin=subprocess.DEVNULL)


class Room:
    """One instance's network: a process holds it, a cable leads there."""

    def __init__(self, number: int) -> None:
        self.cable = f"fleet{number}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.prefix = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]
        ours = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self._holder.pid}/ns/net") != ours, "it has its network")
        _do(f"ip link add {self.cable} type veth peer name eth0 netns {self._holder.pid}")
        _do(f"ip address add 10.0.0.10/32 dev {self.cable}")
        _do(f"ip link set {self.cable} up")
        _do(f"ip route add 10.0.0.{number} dev {self.cable} src 10.0.0.10")
        self.inside("ip link set lo up")
        self.inside(f"ip address add 10.0.0.{number}/32 dev eth0")
        self.inside("ip link set eth0 up")
        self.inside("ip route add 10.0.0.10 dev eth0")

    def inside(self, line: str) -> None:
        """A command in it."""
        _do(" ".join([*self.prefix, line]))

    def pull(self) -> None:
        """The cable is out: nothing arrives, nothing is refused."""
        self.inside("ip link set eth0 down")

    def close(self) -> None:
        """The network goes with its last process."""
        self._holder.kill()
        self._holder.wait()


@contextmanager
def rooms(count: int) -> Iterator[list[Room]]:
    """So many."""
    made: list[Room] = []
    try:
        for number in range(1, count + 1):
            made.append(Room(number))
        yield made
    finally:
        for room in made:
            room.close()
            subprocess.run(["ip", "link", "delete", room.cable], stderr=subprocess.DEVNULL, check=False)


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A file system of 1 MB at a directory that is made for it."""
    directory.mkdir()
    _do(f"mount -t tmpfs -o size=1m tmpfs {directory}")
    try:
        yield
    finally:
        _do(f"umount -l {directory}")


def fill(directory: Path) -> None:
    """Until nothing goes in any more."""
    descriptor = os.open(directory / "rest", os.O_WRONLY | os.O_CREAT)
    try:
        for size in (65536, 4096, 1):
            while True:
                try:
                    os.write(descriptor, b"x" * size)
                except OSError:
                    break
    finally:
        os.close(descriptor)


# ---- What the balancer sends over a cable: connections and data, told by the segments themselves ----------

ETH_P_ALL, SO_ATTACH_FILTER = 3, 26  # linux/if_ether.h, asm-generic/socket.h
SYN_OR_PSH = 0x02 | 0x08


def _filter(port: int) -> bytes:
    """Classic BPF: IPv4 without options, TCP, to this port, with SYN or PSH."""
    load_half, load_byte, equal, any_of, back = 0x28, 0x30, 0x15, 0x45, 0x06
    program = [
        (load_half, 0, 0, 12),
        (equal, 0, 7, 0x0800),
        (load_byte, 0, 0, 23),
        (equal, 0, 5, 6),
        (load_half, 0, 0, 36),
        (equal, 0, 3, port),
        (load_byte, 0, 0, 47),
        (any_of, 0, 1, SYN_OR_PSH),
        (back, 0, 0, 128),
        (back, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


class Watch:
    """When something was sent to a port over a cable."""

    def __init__(self, cable: str, port: int) -> None:
        program = _filter(port)
        buffer = ctypes.create_string_buffer(program)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        text = struct.pack("HL", len(program) // 8, ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, text)
        self._socket.bind((cable, ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self.times: list[float] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self._socket.recv(128)
            except (TimeoutError, socket.timeout):
                continue
            self.times.append(time.monotonic())

    def close(self) -> None:
        """It looks no more."""
        self._over.set()
        self._thread.join()
        self._socket.close()
