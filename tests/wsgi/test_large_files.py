"""Files beyond what 32 bits can count; 32-bit systems have them too. The files are sparse, and no more of
them is read than it takes to see whether the right bytes come."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.raw import Client, request
from support.server import Server

MIB = 1 << 20
GIB = 1 << 30
SIZE = 5 * GIB


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """5 GiB, in which 8 MiB, 4 GiB and 4 GiB + 8 MiB are marked."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for at, mark in ((8 * MIB, b"early"), (4 * GIB, b"beyond"), (4 * GIB + 8 * MIB, b"wrong")):
            file.seek(at)
            file.write(mark)
        file.truncate(SIZE)
    return path


def test_a_file_of_5_gib_is_given_from_its_beginning_on(server: Server, sparse: Path) -> None:
    with Client(server.address) as client:
        client.send(request(f"/file?path={sparse}"))
        assert client.read_head().get("Content-Length") == str(SIZE)
        content = bytearray()
        while len(content) < 16 * MIB:
            content += client.read_piece()
        assert content.index(b"early") == 8 * MIB, "a rest that was cut to 32 bits goes on elsewhere"
        assert b"beyond" not in content and b"wrong" not in content


def test_bytes_beyond_4_gib_are_those_that_stand_there(server: Server, sparse: Path) -> None:
    start, length = 4 * GIB - MIB, 2 * MIB
    with Client(server.address) as client:
        body = client.get(f"/file?path={sparse}&start={4 * GIB}&length=6").body
        assert body == b"beyond", "a small one, in one write"
        body = client.get(f"/file?path={sparse}&start={start}&length={length}").body
        assert len(body) == length
        assert body.index(b"beyond") == MIB
        client.assert_open()
