"""Large contents in blocks of memory (body_pool): what the application sees of them."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fapws._core import ffi
from support.accelerated import WITHOUT_GIL
from support.raw import Client, request
from support.server import Server

from fapws.wsgi.input import SpooledInput
from fapws.wsgi.pooled_input import PooledContent

SIZE = 1_000_000
CONTENT = random.Random(7).randbytes(SIZE // 2) + b"a line\n" * (SIZE // 14 + 1)

DIGEST = """
import hashlib
kept = []
def application(environ, start_response):
    content = environ["wsgi.input"]
    if environ["PATH_INFO"] == "/keep":
        kept.append(content)
    if environ["PATH_INFO"] == "/detach":
        kept.append(content.detach())
        digest = b"detached"
    elif environ["PATH_INFO"] == "/kept":
        try:
            digest = hashlib.sha256(kept.pop().readall()).hexdigest().encode()
        except ValueError as error:
            digest = str(error).encode()
        except AttributeError:
            digest = b"no readall"
    else:
        digest = hashlib.sha256(content.read()).hexdigest().encode()
    start_response("200 OK", [("Content-Length", str(len(digest)))])
    return [digest]
"""


def pooled(content: bytes, given_back: list[Any]) -> SpooledInput:
    memory = ffi.gc(ffi.new("char[]", content), given_back.append)
    return SpooledInput(PooledContent(memory, len(content)))


@pytest.mark.parametrize("seed", range(20))
def test_it_behaves_like_a_file_whatever_is_called(seed: int, tmp_path: Path) -> None:
    chance, content = random.Random(seed), CONTENT[:: 1 + seed]
    ours = pooled(content, [])
    (tmp_path / "oracle").write_bytes(content)
    oracle = (tmp_path / "oracle").open("rb")
    for _ in range(200):
        name, *arguments = chance.choice(
            [
                ("read", chance.choice([0, 1, 100, 65536, 300_000])),
                ("read1", chance.randrange(1, 9000)),
                ("readline",),
                ("readline", chance.randrange(100)),
                ("readlines", 1000),
                ("seek", chance.randrange(len(content) + 100)),
                ("seek", -chance.randrange(1, 100), 2),
                ("seek", -chance.randrange(1, len(content)), 1),
                ("tell",),
                ("peek", 0),
                ("readinto", 20_000),
            ]
        )
        results: list[Any] = []
        for file in (ours, oracle):
            try:
                if name == "readinto":
                    room = bytearray(20_000)
                    results.append((file.readinto(room), bytes(room)))
                elif name == "peek":
                    results.append(file.peek()[:1])
                else:
                    results.append(getattr(file, name)(*arguments))
            except (OSError, ValueError) as error:
                results.append(OSError if isinstance(error, OSError) else type(error))
        if name == "read1":  # as much as is at hand: it need not be the same
            ours.seek(oracle.tell())
            continue
        assert results[0] == results[1], (name, arguments)
    oracle.close()
    assert ours.getvalue() == content
    assert (ours.readable(), ours.seekable(), ours.writable()) == (True, True, False)
    with pytest.raises(io.UnsupportedOperation):
        ours.fileno()
    with pytest.raises(io.UnsupportedOperation):
        ours.truncate(0)


def test_closing_gives_the_memory_back_once_and_reading_is_an_error() -> None:
    given_back: list[Any] = []
    content = pooled(b"abc", given_back)
    assert content.read(1) == b"a"
    raw = content.raw
    content.close()
    content.close()
    assert len(given_back) == 1
    for call in (content.read, raw.readall, raw.tell, lambda: raw.seek(0), lambda: raw.read(1)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_memory_that_somebody_is_reading_is_given_back_when_he_has_read() -> None:
    given_back: list[Any] = []
    raw = pooled(b"abc", given_back).detach()
    with raw._reading:  # type: ignore[attr-defined]
        piece = raw._view[:2]  # type: ignore[attr-defined]
        raw.close()
        assert not given_back
        assert bytes(piece) == b"ab"
        del piece
    gc.collect()
    assert len(given_back) == 1


def upload(server: Server, target: str, content: bytes) -> str:
    with Client(server.address) as client:
        client.send(request(target, method="POST", body=content))
        return client.read().text


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_outlives_its_request_is_closed_or_stays_what_it_was() -> None:
    options = "body_memory = 100k\nbody_pool = 2m"
    with Server(DIGEST, options=options) as server:
        assert upload(server, "/keep", CONTENT) == digest(CONTENT)
        assert upload(server, "/", CONTENT[::-1]) == digest(CONTENT[::-1])
        assert upload(server, "/kept", b"") == "no readall"  # a closed BufferedReader
        assert upload(server, "/detach", CONTENT) == "detached"
        for _ in range(3):  # they do not get the memory that is still in use
            assert upload(server, "/", CONTENT[::-1]) == digest(CONTENT[::-1])
        assert upload(server, "/kept", b"") == digest(CONTENT)
        assert upload(server, "/", CONTENT) == digest(CONTENT)


def resident(server: Server) -> int:
    """Bytes of all its processes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.processes()]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc/PID/statm")
def test_many_large_uploads_at_once_arrive_whole_in_bounded_memory() -> None:
    """Ten clients want five times what the pool has."""
    contents = [bytes([65 + number]) * 4_000_000 + CONTENT for number in range(10)]
    got: dict[int, str] = {}
    with Server(DIGEST, options="body_pool = 10m\nworkers = 1") as server:

        def run(number: int) -> None:
            got[number] = upload(server, "/", contents[number])

        upload(server, "/", contents[0][:100_000])
        before = resident(server)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        grown = resident(server) - before
    assert got == {number: digest(content) for number, content in enumerate(contents)}
    # The pool, the bytes object that read() makes, and what the allocator keeps of such ones: one of a Python
    # without the GIL up to ten. On PyPy read() makes two, and what was freed lies there until a collection.
    kept = 5 if sys.implementation.name == "pypy" else 11 if WITHOUT_GIL else 3
    assert grown < 10 * 2**20 + kept * 5_000_000
