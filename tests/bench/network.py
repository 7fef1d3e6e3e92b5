"""A network of the bench's own, so that figures do not depend on how the host is set up.

With BBR as congestion control, timers pace what a server sends, and streams and files take twice
as long in one round as in the next. Reno sends at once. The host is left as it is: servers and
clients run in a network namespace that has nothing but a loopback interface.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
WANTED = "reno"
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


def enter() -> str:
    """Move this process, and with it those that it will start, into a namespace of its own.

    Returns what is in force from now on, in words for the report.
    """
    try:
        _unshare()
        _loopback_up()
        CONTROL.write_text(WANTED)
    except OSError as error:
        return f"{control()}, of the host's own network ({error.strerror}: no namespace with {WANTED})"
    return f"{control()}, in a network namespace"


def control() -> str:
    try:
        return CONTROL.read_text().strip()
    except OSError:
        return "unknown"


def _unshare() -> None:
    """As root, else as the root of a user namespace in which we keep our own number."""
    user, group = os.getuid(), os.getgid()
    try:
        _call_unshare(CLONE_NEWNET)
    except PermissionError:
        _call_unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _call_unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _loopback_up() -> None:
    """netdevice(7): struct ifreq is a name of 16 bytes and a union, here the flags."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh22x", b"lo", 0)
        _, flags = struct.unpack("16sh22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
