"""A configuration that another process reads, while this one goes on."""

from __future__ import annotations

import os
import select
from typing import Any

import pytest

from fapws.settings.apart import read_apart
from fapws.settings.model import Config, Pool
from fapws.settings.problems import ConfigError, ToldError

SOON = 10.0
CONFIG = Config("", (Pool("blog"),))


class Asked:
    """A source that is read only when somebody has said so over a pipe."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def __call__(self) -> Config:
        if not select.select([self.reader], [], [], SOON)[0]:
            raise ToldError("nobody said so")
        return CONFIG

    def say_so(self) -> None:
        os.write(self.writer, b"!")


@pytest.fixture
def asked() -> Any:
    source = Asked()
    yield source
    os.close(source.reader)
    os.close(source.writer)


def test_caller_does_something_while_another_process_reads(asked: Any) -> None:
    assert read_apart(asked, asked.say_so) == CONFIG


def test_mistake_is_told_whatever_is_done_meanwhile() -> None:
    def wrong() -> Config:
        raise ToldError("blog.ini:2: unknown key")

    source: Any = wrong
    with pytest.raises(ConfigError, match=r"blog\.ini:2: unknown key"):
        read_apart(source, lambda: None)


def test_reader_is_not_left_behind_by_a_failure_meanwhile(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    born: list[int] = []
    fork = os.fork

    def noted() -> int:
        born.append(fork())
        return born[-1]

    def fail() -> None:
        asked.say_so()
        raise ImportError("no module named fapws.supervisor")

    monkeypatch.setattr(os, "fork", noted)
    with pytest.raises(ImportError):
        read_apart(asked, fail)
    with pytest.raises(ChildProcessError):
        os.waitpid(born[0], os.WNOHANG)
