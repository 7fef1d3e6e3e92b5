"""Runs a program for which the kernel refuses some system calls (seccomp), as a sandbox does. Linux only.

usage: python seccomp.py ERRNO CALL[,CALL...] PROGRAM [WORD...]
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {
        "accept4": 288,
        "close_range": 436,
        "epoll_create1": 291,
        "epoll_pwait": 281,
        "eventfd2": 290,
        "memfd_create": 319,
        "openat2": 437,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "sendfile": 40,
        "statx": 332,
    },
    "aarch64": {
        "accept4": 242,
        "close_range": 436,
        "epoll_create1": 20,
        "epoll_pwait": 22,
        "eventfd2": 19,
        "memfd_create": 279,
        "openat2": 437,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "sendfile": 71,
        "statx": 291,
    },
}
"""Of the system calls, by machine."""

LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS: seccomp_data.nr
JUMP_IF_EQUAL = 0x15
RETURN = 0x06
ALLOW = 0x7FFF0000
REFUSE = 0x00050000
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(numbers: list[int], error: int) -> None:
    """From now on these calls fail with this errno, in this process and all that it becomes."""
    rules = [LOAD_NUMBER]
    for number in numbers:
        rules += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | error)]
    rules.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = Program(len(rules), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    """See usage."""
    error, calls, *words = sys.argv[1:]
    known = NUMBERS[platform.machine()]
    refuse([known[call] for call in calls.split(",")], getattr(errno, error))
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
