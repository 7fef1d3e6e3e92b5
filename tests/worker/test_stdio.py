"""A worker's standard output and error, when nobody reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fapws.worker.stdio import StandardStreams


def test_worker_that_nobody_reads_loses_lines_and_no_time() -> None:
    program = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from fapws.worker.stdio import StandardStreams
reader, writer = os.pipe()
keep = os.dup(2)
os.dup2(writer, 1); os.dup2(writer, 2)
streams = StandardStreams("")
streams.install()
for number in range(10_000):
    print("line", number, "x" * 50)
lost = streams._streams[0].lost
os.read(reader, 65536)
print("again")
sys.stderr.write("and here\\n")
said = os.read(reader, 65536)
os.write(keep, repr((lost, said)).encode())
"""
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=60, check=True)
    lost, said = eval(done.stderr)
    assert 8000 < lost < 10_000
    told = b"fapws: %d log lines were lost here: there was no room for them\n" % lost
    assert said.lstrip(b"\n") == told + b"again\nand here\n"


def test_output_moves_to_the_log_when_its_reader_is_gone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    (tmp_path / "log").touch()
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        streams = StandardStreams(str(tmp_path / "log"))
        os.close(reader)
        streams.write_error(b"said to nobody\n")
        os.write(2, b"by C code\n")
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for fd in (*saved, writer):
            os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"said to nobody\nby C code\n"
