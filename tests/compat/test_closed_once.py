"""An iterable whose response ends early is closed once, not again by the generator around it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

from fapws.compat.responses import Chain
from fapws.contrib.cgiapp import _closing


class Part:
    """Content that counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"one", b"two"])

    def __next__(self) -> bytes:
        return b"more"

    def close(self) -> None:
        self.closed += 1


class Endless(Part):
    """Its own iterator, as a file wrapper is: it has the close() that a delegating generator would call."""

    def __iter__(self) -> Iterator[bytes]:
        return self


def test_part_of_a_list() -> None:
    part = Endless()
    chain = Chain(["<", part, ">"])
    pieces = iter(chain)
    assert [next(pieces), next(pieces)] == ["<", b"more"]
    chain.close()
    del chain, pieces
    gc.collect()
    assert part.closed == 1


def test_page_that_a_cgi_script_redirects_to() -> None:
    for part in (Part(), Endless()):
        pieces = _closing(part)
        next(pieces)
        pieces.close()
        assert part.closed == 1
