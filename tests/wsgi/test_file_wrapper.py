"""wsgi.file_wrapper: the system sends plain files alone; of all others their own read() is asked."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accelerated import skip_where_there_is_none
from support.raw import Client, fetch, request
from support.server import Server

APPLICATION = """
import gzip, io, os, tempfile

HELD = {}


class Upper(io.FileIO):
    def read(self, size=-1):
        return super().read(size).upper()

    def readinto(self, room):
        data = super().read(len(room)).upper()
        room[: len(data)] = data
        return len(data)


class UpperBuffered(io.BufferedReader):
    def read(self, size=-1):
        return super().read(size).upper()


def shadowed(path):
    file = open(path, "rb")
    left = [b"shadow"]
    file.read = lambda size: left.pop() if left else b""
    return file


def temporary(path):
    file = tempfile.NamedTemporaryFile()
    file.write(open(path, "rb").read())
    file.seek(0)
    return file


KINDS = {
    "plain": lambda path: open(path, "rb"),
    "raw": lambda path: open(path, "rb", buffering=0),
    "random": lambda path: open(path, "r+b"),
    "temporary": temporary,
    "upper": Upper,
    "behind": lambda path: io.BufferedReader(Upper(path)),
    "upper_buffered": lambda path: UpperBuffered(io.FileIO(path)),
    "shadowed": shadowed,
    "gzip": lambda path: io.BufferedReader(gzip.open(path)),
    "gzip_raw": gzip.open,
}


def application(environ, start_response):
    kind, _, path = environ["PATH_INFO"][1:].partition("/")
    if kind == "swap":
        HELD["file"].close()
        other, number = os.open("/" + path, os.O_RDONLY), HELD["number"]
        if other != number:  # a lower one was free by now
            os.dup2(other, number)
            os.close(other)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    file = KINDS["plain" if kind == "held" else kind]("/" + path)
    if kind == "held":
        HELD.update(file=file, number=file.fileno())
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](file)
"""


@pytest.fixture(scope="module", params=["0", "1"], ids=["accelerated", "pure"])
def files(request: pytest.FixtureRequest) -> Iterator[Server]:
    skip_where_there_is_none(request.param)
    with Server(APPLICATION, env={"FAPWS_PURE": request.param}) as running:
        yield running


SIZES = [5, 70_000, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["plain", "raw", "random", "temporary"])
def test_plain_files_are_sent_as_they_are(files: Server, tmp_path: Path, kind: str, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    answer = fetch(files.address, f"/{kind}{path}")
    assert answer.body == path.read_bytes()
    assert answer.head.get("Content-Length") == str(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["upper", "behind", "upper_buffered"])
def test_what_has_a_read_of_its_own_is_read(files: Server, tmp_path: Path, kind: str, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcde" * (size // 5))
    assert fetch(files.address, f"/{kind}{path}").body == path.read_bytes().upper()


def test_a_method_of_the_instance_is_asked(files: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    assert fetch(files.address, f"/shadowed{path}").body == b"shadow"


@pytest.mark.parametrize("kind", ["gzip", "gzip_raw"])
def test_a_decompressor_is_asked(files: Server, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.gz"
    content = os.urandom(100_000)
    path.write_bytes(gzip.compress(content))
    assert fetch(files.address, f"/{kind}{path}").body == content


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="there is no /proc: runs on Linux")
@pytest.mark.parametrize("kind", ["plain", "raw"])
@pytest.mark.parametrize(
    "path", ["/proc/cpuinfo", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"]
)
def test_files_whose_size_is_not_theirs_are_read(files: Server, kind: str, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"there is no {path} here")
    body = fetch(files.address, f"/{kind}{path}").body
    assert len(body) > 10
    if "cpuinfo" not in path:
        assert body == Path(path).read_bytes()


def test_a_file_closed_in_the_middle_is_sent_whole(files: Server, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * (24 << 20))
    second.write_bytes(b"2" * (24 << 20))
    with Client(files.address, receive_buffer=65536) as client:
        client.send(request(f"/held{first}"))
        head = client.read_head()
        assert head.get("Content-Length") == str(24 << 20)
        assert fetch(files.address, f"/swap{second}").body == b"ok"
        body = client.read_rest()
    assert len(body) == 24 << 20
    assert body.count(b"1") == len(body)
