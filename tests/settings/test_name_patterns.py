"""Patterns of names: the language, and that C takes what Python compiles."""

from __future__ import annotations

import re

import pytest

from fapws.settings.name_patterns import STEPS_MAX, compile_patterns

STEP = 33


def _as_regex(program: bytes) -> re.Pattern[bytes]:
    """A program read back: another way to match, for what the core is compared with."""
    count, steps = program[0], program[1:]
    assert len(steps) == count * STEP
    text = b""
    for at in range(0, len(steps), STEP):
        kind, bits = steps[at : at + 1], int.from_bytes(steps[at + 1 : at + STEP], "little")
        members = b"".join(b"\\x%02x" % byte for byte in range(256) if bits >> byte & 1)
        text += b"[" + members + b"]" + {b"1": b"", b"?": b"?", b"*": b"*"}[kind]
    return re.compile(text, re.DOTALL)


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("a.css", ["a.css"], ["axcss", "a.css2", "A.css", ""]),
        ("*", ["", "x", "a.b.c"], []),
        ("*.css", [".css", "a.css", "a.b.css"], ["acss", "a.css.map"]),
        ("?.js", ["a.js", "..js"], [".js", "ab.js"]),
        ("[a-c_]x", ["ax", "cx", "_x"], ["dx", "-x", "x"]),
        ("[!a-c]x", ["dx", "-x"], ["ax", "x"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[-a]", ["a", "-"], ["b"]),
        ("[a-c-e]", ["a", "b", "c", "-", "e"], ["d"]),
        ("a{3}", ["aaa"], ["aa", "aaaa"]),
        ("a{0}b", ["b"], ["ab"]),
        ("[ab]{1,2}", ["a", "ba"], ["", "aba"]),
        ("?{2,}", ["ab", "abcdef"], ["a"]),
        (
            "*.[0-9a-f]{8,}.*",
            ["app.0123abcd.js", "app.0123456789abcdef.min.css", ".deadbeef."],
            ["app.js", "app.0123abc.js", "app.0123ABCD.js", "app-0123abcd.js", "app.0123abcd"],
        ),
    ],
)
def test_language(pattern: str, fits: list[str], others: list[str]) -> None:
    regex = _as_regex(compile_patterns((pattern,)))
    assert [name for name in fits if not regex.fullmatch(name.encode())] == []
    assert [name for name in others if regex.fullmatch(name.encode())] == []


def test_patterns_stand_one_behind_the_other() -> None:
    assert compile_patterns(()) == b""
    assert compile_patterns(("a", "bc")) == compile_patterns(("a",)) + compile_patterns(("bc",))


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("a/b", "without a slash"),
        ("\u00e9", "in ASCII"),
        ("a\tb", "in ASCII"),
        ("a]", "means nothing"),
        ("{2}", "means nothing"),
        ("*{2}", "means nothing"),
        ("a{2}{3}", "means nothing"),
        ("a}", "means nothing"),
        ("[abc", "classes such as"),
        ("[]", "classes such as"),
        ("[!]", "classes such as"),
        ("[a*]", "classes such as"),
        ("[b-a]", "wrong order"),
        ("a{}", "numbers such as"),
        ("a{,2}", "numbers such as"),
        ("a{x}", "numbers such as"),
        ("a{2", "numbers such as"),
        ("a{-1}", "numbers such as"),
        ("a{1,2,3}", "numbers such as"),
        ("a{3,2}", "numbers in the wrong order"),
        ("a" * (STEPS_MAX + 1), "too long"),
        ("a{64}", "too long"),
        ("a{999999999999}", "too long"),
        ("a{1,64}", "too long"),
    ],
)
def test_mistakes_are_told(pattern: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        compile_patterns((pattern,))


def test_longest_pattern() -> None:
    assert compile_patterns(("a" * STEPS_MAX,))[0] == STEPS_MAX
    assert compile_patterns(("a" * (STEPS_MAX - 1) + "*",))[0] == STEPS_MAX
