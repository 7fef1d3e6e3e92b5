"""What workers print: made into whole lines of bounded length."""

from __future__ import annotations

import os

import pytest

from fapws.supervisor.logs.worker_output import LINE_MAX, Output


def test_output_becomes_whole_lines_of_bounded_length() -> None:
    reader, writer = os.pipe()
    lines: list[bytes] = []
    output = Output(reader, lines.extend)
    assert not output.drain()
    os.write(writer, b"one\ntwo\nthr")
    assert output.drain()
    assert lines == [b"one", b"two"]
    os.write(writer, b"ee\n\n" + b"x" * (2 * LINE_MAX + 5))
    output.drain()
    assert lines[2:4] == [b"three", b""]
    assert [len(line) for line in lines[4:]] == [LINE_MAX, LINE_MAX]
    os.close(writer)
    output.take_last_words()
    assert lines[-1] == b"xxxxx"
    assert output.fd == -1


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
def test_children_that_go_on_printing_do_not_hold_the_master() -> None:
    lines: list[bytes] = []
    output = Output(os.open("/dev/zero", os.O_RDONLY), lines.extend)
    output.take_last_words()
    assert lines[-1] == b"(what more it has printed is lost: it was too much to be read at once)"
    assert output.fd == -1
