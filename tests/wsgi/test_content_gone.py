"""Content that cannot be had any more when it is its request's turn: never is it empty."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fapws._core import ffi, lib

from fapws.wsgi.handler import Handler
from fapws.wsgi.response import Fault

NOBODY = 2**40
"""A connection that the core does not have: its client has left."""


def handler_of(core: Any) -> Handler:
    server: Any = SimpleNamespace(core=core, streams=None, event=None, close=None, bases=[])
    return Handler(server, memoryview(b""))


@pytest.fixture
def core() -> Iterator[Any]:
    made = lib.fw_worker_new(ffi.new("fw_settings *", {"max_connections": 1, "accept_burst": 1}), ffi.NULL)
    assert made != ffi.NULL
    yield made
    lib.fw_worker_free(made)


@pytest.mark.parametrize("place", [lib.FW_SPOOLED, lib.FW_UNREAD, lib.FW_COMING])
def test_content_of_a_client_that_has_left_raises_in_read(core: Any, place: int) -> None:
    environ: dict[str, Any] = {"CONTENT_LENGTH": "70000"}
    response: Any = SimpleNamespace(connection=NOBODY, spooled=None)
    handler_of(core).take_content(environ, response, place, 0)
    with pytest.raises(OSError, match="left"):
        environ["wsgi.input"].read()


def test_content_that_cannot_be_had_of_a_client_that_is_there_fails_the_request() -> None:
    response: Any = SimpleNamespace(connection=NOBODY, spooled=None)
    environ: dict[str, Any] = {}
    with pytest.raises(Fault):
        handler_of(ffi.NULL).take_content(environ, response, lib.FW_SPOOLED, 0)
    assert not environ
