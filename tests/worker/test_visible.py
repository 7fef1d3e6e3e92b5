"""Control characters of applications and clients are shown, not obeyed."""

from __future__ import annotations

import pytest

from fapws.visible import visible, visible_line, visible_octets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, caf\u00e9 \u2603 and\ta tab", None),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("over\rwritten\x08\x7f\0", r"over\x0dwritten\x08\x7f\x00"),
        ("\x9b31m of eight bits\x85", r"\x9b31m of eight bits\x85"),
        ("turned \u202eround\u2066\u2028", r"turned \u202eround\u2066\u2028"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str | None) -> None:
    assert visible(text) == visible_line(text) == (shown or text)
    assert visible_octets(text.encode()).decode() == (shown or text)


def test_line_feed_is_one_only_where_lines_may_be() -> None:
    assert visible("a\nb") == "a\nb"
    assert visible_line("a\nb") == "a\\x0ab"
    assert visible_octets(b"a\nb") == b"a\\x0ab"


def test_octets_that_are_no_text_are_shown_too() -> None:
    assert visible_octets(b"\xff\x9b31m caf\xc3\xa9") == b"\\xff\\x9b31m caf\xc3\xa9"
