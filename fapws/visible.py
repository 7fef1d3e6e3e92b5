"""Text from applications and clients on its way to a log or a terminal: no character of it is obeyed there.

An escape sequence in the text of an exception would move the reader's cursor, rename the window or
hide lines. Control characters are written as ``\\x1b``, and those that turn the direction of writing as
``\\u202e``.
"""

from __future__ import annotations

_TAB, _LINE_FEED = 9, 10
_CONTROLS = (*range(32), *range(127, 160))
_MARKS = (0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Direction of writing, and two that some take for the end of a line."""
_LINE = {
    **{code: f"\\x{code:02x}" for code in _CONTROLS if code != _TAB},
    **{code: f"\\u{code:04x}" for code in _MARKS},
}
_LINES = {code: text for code, text in _LINE.items() if code != _LINE_FEED}
_HARMLESS = bytes((_TAB, *range(32, 127)))


def visible(text: str) -> str:
    """Of one or several lines."""
    return text.translate(_LINES)


def visible_line(text: str) -> str:
    """Of what must stay one line."""
    return text.translate(_LINE)


def visible_octets(line: bytes) -> bytes:
    """Of one line in UTF-8, or of whatever else it is."""
    if not line.translate(None, _HARMLESS):
        return line
    return line.decode("utf-8", "backslashreplace").translate(_LINE).encode("utf-8")
