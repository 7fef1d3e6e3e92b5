"""A disk that is slow: a file system of large files that answers reads at so many bytes a second.

usage: python tests/bench/slow_disk.py FOLDER MEGABYTES_A_SECOND     (root; Linux; until its input ends)

One read after the other, as from a disk. The kernel's FUSE protocol is spoken to /dev/fuse itself, so nothing
needs to be installed. Every name that ends with .bin is a file of SIZE bytes that nobody has read before;
what the kernel has cached of one is not asked for again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import sys
import time

SIZE = 64 << 20
READ_MAX = 1 << 20
HEADER = struct.Struct("<IIQQIIII")
REPLY = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 27, 29, 36, 38, 42
NO_REPLY = (FORGET, INTERRUPT, BATCH_FORGET)
ROOT = 1
MONTH_AGO = int(time.time()) - 30 * 86400
VALID = 3600  # seconds


class SlowDisk:
    """Answers one request of the kernel after the other."""

    def __init__(self, descriptor: int, bytes_a_second: float) -> None:
        self._fd = descriptor
        self._rate = bytes_a_second
        self._nodes: dict[bytes, int] = {}
        self.read = 0
        """Bytes that the kernel has asked for."""

    def serve_one(self) -> None:
        message = os.read(self._fd, READ_MAX + 4096)
        _, code, unique, node, *_ = HEADER.unpack_from(message)
        answer = self._answer(code, node, message[HEADER.size :])
        if code in NO_REPLY:
            return
        error = 0
        if isinstance(answer, int):
            error, answer = answer, b""
        os.write(self._fd, REPLY.pack(REPLY.size + len(answer), -error, unique) + answer)

    def _answer(self, code: int, node: int, given: bytes) -> bytes | int:
        if code == INIT:
            major, minor, ahead, _ = struct.unpack_from("<IIII", given)
            return struct.pack(
                "<IIIIHHIIHHI28x", major, min(minor, 31), ahead, 1, 16, 12, READ_MAX, 1, 0, 0, 0
            )
        if code == LOOKUP:
            name = given.rstrip(b"\0")
            if not name.endswith(b".bin"):
                return errno.ENOENT
            found = self._nodes.setdefault(name, len(self._nodes) + 2)
            return struct.pack("<QQQQII", found, 0, VALID, VALID, 0, 0) + self._attributes(found)
        if code == GETATTR:
            return struct.pack("<QII", VALID, 0, 0) + self._attributes(node)
        if code in (OPEN, OPENDIR):
            return struct.pack("<QII", node, 2, 0)
        if code == READ:
            _, offset, size = struct.unpack_from("<QQI", given)
            size = max(0, min(size, SIZE - offset))
            time.sleep(size / self._rate)
            self.read += size
            return bytes(size)
        if code == STATFS:
            return struct.pack("<QQQQQIIII24x", 1, 1, 1, 1, 1, 4096, 255, 4096, 0)
        return 0 if code in (FLUSH, RELEASE, RELEASEDIR, DESTROY) else errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
        size = 0 if node == ROOT else SIZE
        times = (MONTH_AGO, MONTH_AGO, MONTH_AGO, 0, 0, 0)
        return ATTRIBUTES.pack(node, size, size // 512, *times, mode, 1, 0, 0, 0, 4096, 0)


def mount(folder: str) -> int:
    """A descriptor that speaks for the file system at folder. Raises OSError."""
    descriptor = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={READ_MAX}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"slow", os.fsencode(folder), b"fuse.slow", 6, options.encode()):  # nosuid, nodev
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    return descriptor


def main() -> None:
    folder, rate = sys.argv[1], float(sys.argv[2]) * 1e6
    disk = SlowDisk(mount(folder), rate)
    print("mounted", flush=True)
    try:
        while True:
            ready, _, _ = select.select([disk._fd, sys.stdin], [], [])
            if sys.stdin in ready and not os.read(0, 4096):
                break
            if disk._fd in ready:
                disk.serve_one()
    finally:
        print(f"read {disk.read}", flush=True)
        ctypes.CDLL(None).umount2(os.fsencode(folder), 2)


if __name__ == "__main__":
    main()
