"""error_log_format = json: one object a line, whatever is in the text."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fapws.supervisor.json_lines import entry
from fapws.supervisor.logs.error_log import Log


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_entry_has_time_source_and_message(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), form="json")
    log.write("hello\n")
    log.write_lines([b"one", b"two"], "blog/0[7]")
    log.close()
    first, *others = objects(tmp_path / "log")
    assert (first["source"], first["message"]) == ("master", "hello")
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert [(one["source"], one["message"]) for one in others] == [("blog/0[7]", "one"), ("blog/0[7]", "two")]


def test_entry_of_several_lines_is_one_object(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), form="json")
    log.write('reload failed:\nTraceback\n  "quoted" \\ and\ttab')
    log.close()
    (only,) = objects(tmp_path / "log")
    assert only["message"] == 'reload failed:\nTraceback\n  "quoted" \\ and\ttab'


@pytest.mark.parametrize(
    "text", ["".join(map(chr, range(0x100))), "\udc80\ud800", "\u2028\u202e", "é€😀", '"}\n{"']
)
def test_any_text_is_valid_json_on_one_line(text: str) -> None:
    line = entry("a/0[1]", text)
    assert b"\n" not in line
    assert json.loads(line.decode("utf-8"))["message"] == text


def test_any_bytes_of_a_worker_are_one_object(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), form="json")
    log.write_lines([bytes(range(256)).replace(b"\n", b""), b'","source":"master'], "a/0[1]")
    log.close()
    assert [one["source"] for one in objects(tmp_path / "log")] == ["a/0[1]", "a/0[1]"]


def test_lost_lines_are_told_as_an_object(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), form="json")
    os.dup2(os.open("/dev/full", os.O_WRONLY), log.fd)
    log.write("lost")
    os.dup2(os.open(tmp_path / "log", os.O_WRONLY | os.O_APPEND), log.fd)
    log.write("next")
    log.close()
    assert [one["message"] for one in objects(tmp_path / "log")][-2:] == [
        "1 lines before this one could not be written",
        "next",
    ]


def test_standard_error_is_then_the_masters_to_write() -> None:
    assert Log().plain
    assert not Log(form="json").plain
    assert Log(form="json").path == ""
