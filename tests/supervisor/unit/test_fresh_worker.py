"""The first lines of a worker in a Python of its own: what they make of files that do not fit the master."""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fapws import messages
from fapws.settings.model import Pool
from fapws.settings.plain import plain
from fapws.supervisor.process import fresh_worker, scoreboard
from fapws.worker.spec import WorkerSpec

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("of_row", "of_tally"), [(8, None), (0, 8), (0, -8)])
def test_files_of_another_version_are_told_to_the_master(
    tmp_path: Path, of_row: int, of_tally: int | None
) -> None:
    """A row of the scoreboard, or a tally, of another size is that of another release."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    board = scoreboard.Scoreboard()
    row = board.take("p")
    spec = WorkerSpec(Pool("p"), 0, 1, (), theirs.fileno(), -1, None, None, False)
    *place, length = row.place()
    *tally, size = row.tally_place()
    known = {
        "spec": plain(spec),
        "place": (*place, length + of_row),
        "tally": None if of_tally is None else (*tally, size + of_tally),
        "path": sys.path,
        "argv": [],
    }
    needs = tmp_path / "needs"
    needs.write_bytes(marshal.dumps(known))
    with needs.open("rb") as file:
        words = [sys.executable, fresh_worker.__file__, str(ROOT), str(file.fileno()), str(board.fd_of("p"))]
        fds = (theirs.fileno(), file.fileno(), board.fd_of("p"))
        done = subprocess.run([*words, "-"], pass_fds=fds, timeout=60, stderr=subprocess.PIPE)
    theirs.close()
    (said,) = messages.Decoder(messages.FROM_WORKER).feed(ours.recv(65536))
    ours.close()
    assert isinstance(said, messages.Failed)
    assert "of another version than the running master" in said.reason
    assert (done.returncode, done.stderr) == (1, b"")
    board.give_back(row)


def test_row_lies_where_its_place_says(tmp_path: Path) -> None:
    board = scoreboard.Scoreboard()
    rows = [board.take("p") for _ in range(40)]
    for row in rows:
        row.buffer()[:4] = row.number.to_bytes(4, "little")
    for row in rows:
        offset, size, start, length = row.place()
        page = os.pread(board.fd_of("p"), size, offset)
        assert len(page) == size
        assert length == scoreboard.SCORE_SIZE
        assert int.from_bytes(page[start : start + 4], "little") == row.number
    board.close()
