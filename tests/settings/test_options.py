"""Options of the core: what they take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fapws.settings import options
from fapws.settings.core_limits import TRUSTED_MAX
from fapws.settings.networks import packed, parse_network

OPTIONS = options.POOL_OPTIONS


def test_spool_directory_exists_and_is_written_to(tmp_path: Path) -> None:
    option = OPTIONS["spool_directory"]
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("")
    assert options.parse(option, "in", str(tmp_path)) == f"{tmp_path}/in"
    for text, message in (("", "must be a directory"), ("out", "no directory"), ("file", "not a directory")):
        with pytest.raises(ValueError, match=message):
            options.parse(option, text, str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: runs as anybody else")
def test_spool_directory_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir(0o500)
    with pytest.raises(ValueError, match="may not write"):
        options.parse(OPTIONS["spool_directory"], "in", str(tmp_path))


def test_spool_directory_is_asked_for_the_right_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.R_OK)
    with pytest.raises(ValueError, match="may not write"):
        options.parse(OPTIONS["spool_directory"], ".", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("debug", "4", "must be from 0 to 3"),
        ("debug", "yes", "whole number"),
        ("min_body_rate", "-1", "must be a size"),
        ("min_body_rate", "2g", "must be from 0 to 1g"),
        ("proxy_protocol", "v2", "yes or no"),
        ("early_hints", "1", "yes or no"),
    ],
)
def test_what_they_do_not_take(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options.parse(OPTIONS[name], text, "/")


def test_a_pool_trusts_no_more_networks_than_the_core_holds() -> None:
    many = [f"10.0.0.{number}" for number in range(TRUSTED_MAX + 1)]
    assert len(options.parse(OPTIONS["trusted_proxies"], ", ".join(many[1:]), "/")) == TRUSTED_MAX
    with pytest.raises(ValueError, match="at most 64"):
        options.parse(OPTIONS["trusted_proxies"], ", ".join(many), "/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix", (0, b"", 0)),
        ("10.0.0.0/8", (4, b"\x0a\0\0\0", 8)),
        ("0.0.0.0/0", (4, bytes(4), 0)),
        ("192.0.2.1", (4, b"\xc0\0\x02\x01", 32)),
        ("::ffff:10.0.0.0/104", (4, b"\x0a\0\0\0", 8)),
        ("2001:db8::/32", (6, b"\x20\x01\x0d\xb8" + bytes(12), 32)),
        ("::1", (6, bytes(15) + b"\1", 128)),
    ],
)
def test_a_network_as_the_core_wants_it(text: str, expected: tuple[int, bytes, int]) -> None:
    assert packed(parse_network(text)) == expected
