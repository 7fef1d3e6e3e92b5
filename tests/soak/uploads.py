#!/usr/bin/env python3
"""Uploads of 2 GB, uploads that break off, and a spool directory without room.

    python tests/soak/uploads.py [--size 2048]

The worker's RSS may grow by 5 MB, by its highest mark. Blocks of zeros are sent from one buffer. The
content is spooled to a file, so the disk needs --size MB of room for as long as an upload lasts. The part
with a full spool directory mounts a small tmpfs in a mount namespace of its own: it needs root and
unshare(1) and is skipped otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from measuring import (
    MEGABYTE,
    Address,
    Probe,
    Prober,
    Verdict,
    figures,
    raise_descriptor_limit,
    serve,
    worker_of,
)
from support.raw import BadAnswer, Client, request
from support.server import ROOT

BLOCK = bytes(256 * 1024)
CHUNK = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK)
GROWTH_MAX = 5 * 1024
SPOOL = "/tmp"


def upload(address: Address, megabytes: int, chunked: bool, prober: Prober) -> int:
    """Sends zeros; the size that the application has read, or the status of a refusal."""
    blocks = megabytes * MEGABYTE // len(BLOCK)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {blocks * len(BLOCK)}"
    with Client(address, seconds=120) as client:
        client.send(request("/upload", framing, method="POST"))
        next_probe = 0.0
        try:
            for _ in range(blocks):
                client.send(CHUNK if chunked else BLOCK)
                if time.monotonic() > next_probe:
                    prober.ask()
                    next_probe = time.monotonic() + 0.1
            if chunked:
                client.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early answer may be there
        answer = client.read()
        return int(json.loads(answer.body)) if answer.status == 200 else answer.status


def spooled(pid: int) -> list[str]:
    """Unlinked files that the worker holds."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith(f"{SPOOL}/fapws-") and target.endswith("(deleted)"):
            found.append(target)
    return found


def nothing_spooled(pid: int) -> bool:
    """Whether the last spool file is closed soon: its request may have been answered just now."""
    deadline = time.monotonic() + 5
    while spooled(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not spooled(pid)


def large(verdict: Verdict, megabytes: int) -> None:
    """By Content-Length and chunked."""
    with serve("max_body_size = 3g") as server:
        assert isinstance(server.address, tuple)
        pid = worker_of(server.address)
        upload(server.address, 1, False, Prober(server.address))  # warm
        for chunked in (False, True):
            prober, before, started = Prober(server.address), figures(pid), time.monotonic()
            size = upload(server.address, megabytes, chunked, prober)
            after, seconds = figures(pid), time.monotonic() - started
            name = "chunked" if chunked else "Content-Length"
            verdict.check(size == megabytes * MEGABYTE, f"{name}: the application has read {size} bytes")
            grown = after.peak - before.peak
            verdict.check(
                grown < GROWTH_MAX,
                f"{name}: highest RSS grew by {grown} KB ({after.peak} KB), "
                f"{seconds:.1f} s, {after.cpu - before.cpu:.1f} CPU s",
            )
            _tell(verdict, name, prober.result())
        verdict.check(nothing_spooled(pid), "no spool file is held at the end")


def _tell(verdict: Verdict, name: str, probe: Probe) -> None:
    verdict.check(
        probe.failed == 0,
        f"{name}: {probe.asked} others were answered meanwhile, the slowest in {probe.slowest:.0f} ms",
    )


def broken_off(verdict: Verdict) -> None:
    """Clients that vanish in the middle: by an end, by a reset, all the ways."""
    with serve("max_body_size = 3g") as server:
        assert isinstance(server.address, tuple)
        pid = worker_of(server.address)
        upload(server.address, 1, False, Prober(server.address))
        before, names = figures(pid), set(os.listdir(SPOOL))
        clients = []
        for number in range(200):
            client = Client(server.address)
            framing = "Transfer-Encoding: chunked" if number % 2 else "Content-Length: 100000000"
            client.send(request("/upload", framing, method="POST"))
            client.send(CHUNK if number % 2 else BLOCK)
            clients.append(client)
        deadline = time.monotonic() + 20
        while len(spooled(pid)) < 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        verdict.check(len(spooled(pid)) == 200, f"200 uploads are spooled at once ({len(spooled(pid))})")
        new = {name for name in os.listdir(SPOOL) if name.startswith("fapws-")} - names
        verdict.check(not new, f"none of them has a name in {SPOOL} {sorted(new)[:3]}")
        for number, client in enumerate(clients):
            if number % 4 < 2:
                client.reset()
            elif number % 4 == 2:
                client.half_close()
                client.close()
            else:
                client.close()
        while figures(pid).descriptors > before.descriptors + 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        after = figures(pid)
        verdict.check(nothing_spooled(pid), "their files are gone with them")
        verdict.check(
            after.descriptors <= before.descriptors + 1,
            f"their descriptors are closed ({before.descriptors} before, {after.descriptors} after)",
        )


def no_room(verdict: Verdict) -> None:
    """A spool directory of 1 MB."""
    words = ["unshare", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=1m none {SPOOL}"
    able = shutil.which("unshare") is not None and subprocess.run(
        [*words, mount], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if str(ROOT).startswith(f"{SPOOL}/"):
        print(f"skipped: a full spool directory (this tree lies below {SPOOL})")
        return
    if not able or able.returncode:
        print("skipped: a full spool directory (mounting a tmpfs needs root and unshare)")
        return
    # The application and the server's output must not lie below the mount.
    usual, tempfile.tempdir = tempfile.tempdir, "/var/tmp"
    try:
        with serve(prefix=[*words, f'{mount} && exec "$@"', "sh"]) as server:
            assert isinstance(server.address, tuple)
            pid = worker_of(server.address)
            before = figures(pid).descriptors
            for chunked in (False, True):
                outcome = _without_room(server.address, chunked)
                name = "chunked" if chunked else "Content-Length"
                verdict.check(outcome in ("503", "closed"), f"no room, {name}: {outcome}")
            prober = Prober(server.address)
            prober.ask()
            verdict.check(prober.result().failed == 0, "no room: a request without content is answered")
            small = b"s" * 60_000
            with Client(server.address) as client:
                answer = client.get("/upload", method="POST", body=small)
            verdict.check(answer.body == b"60000", "no room: what fits in memory is taken")
            verdict.check(nothing_spooled(pid), "no room: no spool file is held")
            with Client(server.address) as client:
                answer = client.get("/upload", method="POST", body=bytes(500_000))
            verdict.check(answer.body == b"500000", "there is room again: what fits is taken")
            _written(verdict, server.address)
            verdict.check(worker_of(server.address) == pid, "no room: the worker goes on")
            verdict.check(figures(pid).descriptors <= before + 1, "no room: no descriptor is left")
    finally:
        tempfile.tempdir = usual


def _without_room(address: Address, chunked: bool) -> str:
    try:
        with Client(address, seconds=20) as client:
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {9 * MEGABYTE}"
            client.send(request("/upload", framing, method="POST"))
            client.send_pieces([CHUNK if chunked else BLOCK] * 36)
            return str(client.read().status)
    except BadAnswer as error:
        return "closed" if "ended" in str(error) else str(error)


def _written(verdict: Verdict, address: Address) -> None:
    """write() of 10 MB that nobody reads, and no room to keep it: the connection is cut."""
    with Client(address, seconds=20, receive_buffer=4096) as client:
        client.send(request("/write"))
        try:
            client.read_head()
            size = len(client.read_rest())
            outcome = f"whole, {size} bytes"
        except BadAnswer as error:
            outcome = "cut" if "ended" in str(error) else str(error)
        verdict.check(outcome == "cut", f"no room for what write() was given: {outcome}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="large uploads; see the file's first lines")
    parser.add_argument("--size", type=int, default=2048, help="MB of the large uploads")
    options = parser.parse_args()
    raise_descriptor_limit(4096)
    verdict = Verdict()
    large(verdict, options.size)
    broken_off(verdict)
    no_room(verdict)
    return int(verdict.failures > 0)


if __name__ == "__main__":
    sys.exit(main())
