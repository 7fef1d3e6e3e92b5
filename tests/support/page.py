"""What any page must be, whatever it shows: HTML whose elements are closed, in order, and accessible."""

from __future__ import annotations

import struct
import zlib
from html.parser import HTMLParser

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905


class Page(HTMLParser):
    """A page taken apart. Raises AssertionError at the first element that is not closed as it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labels: list[str] = []
        """The ids that aria-labelledby names."""
        self.headings: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        """Element, attribute, value."""
        self.elements: list[str] = []
        self.text = ""
        """Without what is in style and script."""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self._open, f"<{tag}/> outside SVG"
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> in {self._open}, at {self.getpos()}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.text += data
            if self._open and self._open[-1] in ("h1", "h2", "h3"):
                self.headings.append(data.strip())

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            elif name == "aria-labelledby":
                self.labels += (value or "").split()


def picture(png: bytes) -> tuple[int, int, int]:
    """Width, height, and how many different bytes its rows hold: a blank picture has a handful."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    packed, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    return width, height, len(set(zlib.decompress(packed)))
