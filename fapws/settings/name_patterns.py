"""Patterns of file names, such as ``*.[0-9a-f]{8,}.*``, compiled for the C core (csrc/static/names.h).

A character stands for itself; ``?`` is any one; ``[0-9a-f_]`` one of these, ``[!...]`` one of the
others; ``*`` any number of any, also none. ``{8}``, ``{8,}`` or ``{8,12}`` behind one of the first three is
how often it stands.
"""

from __future__ import annotations

from fapws.lean import NamedTuple, Union

STEPS_MAX = 63
"""As csrc/static/names.h has it."""
_ANY = frozenset(range(256))
_SPECIAL = frozenset("*?[]{}")


class _Step(NamedTuple):
    members: frozenset[int]
    kind: bytes
    """``1``: once; ``?``: once or not at all; ``*``: any number of them."""


def compile_patterns(patterns: tuple[str, ...]) -> bytes:
    """The program for all of them. Raises ValueError saying what is wrong with one."""
    return b"".join(map(_compile, patterns))


def _compile(pattern: str) -> bytes:
    if not pattern.isascii() or not pattern.isprintable() or "/" in pattern:
        raise ValueError(f"must be patterns of names, in ASCII and without a slash, not {pattern!r}")
    steps: list[_Step] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            steps.append(_Step(_ANY, b"*"))
            at += 1
            continue
        taken, at = _one(pattern, at)
        times, at = _times(pattern, at)
        steps += _repeated(taken, *times)
        if len(steps) > STEPS_MAX:
            raise ValueError(f"is too long for a pattern: {pattern!r}; {STEPS_MAX} characters are possible")
    if len(steps) > STEPS_MAX:
        raise ValueError(f"is too long for a pattern: {pattern!r}; {STEPS_MAX} characters are possible")
    return bytes([len(steps)]) + b"".join(step.kind + _bits(step.members) for step in steps)


def _one(pattern: str, at: int) -> tuple[frozenset[int], int]:
    """What one character may be, and where the pattern goes on."""
    character = pattern[at]
    if character == "?":
        return _ANY, at + 1
    if character == "[":
        return _class(pattern, at)
    if character in _SPECIAL:
        raise ValueError(f"has a {character!r} that means nothing where it stands: {pattern!r}")
    return frozenset((ord(character),)), at + 1


def _class(pattern: str, at: int) -> tuple[frozenset[int], int]:
    end = pattern.find("]", at)
    inner = pattern[at + 1 : end] if end > 0 else ""
    others = inner.startswith("!")
    inner = inner[others:]
    if not inner or set(inner) & _SPECIAL:
        raise ValueError(f"must have classes such as [0-9a-f], not as in {pattern!r}")
    members: set[int] = set()
    place = 0
    while place < len(inner):
        first = last = inner[place]
        if inner[place + 1 : place + 2] == "-" and place + 2 < len(inner):
            last = inner[place + 2]
            place += 2
        if first > last:
            raise ValueError(f"has a class in the wrong order, {first}-{last}: {pattern!r}")
        members.update(range(ord(first), ord(last) + 1))
        place += 1
    return (_ANY - members if others else frozenset(members)), end + 1


def _times(pattern: str, at: int) -> tuple[tuple[int, Union[int, None]], int]:
    """The least and the greatest number, which is None where there is none."""
    if pattern[at : at + 1] != "{":
        return (1, 1), at
    end = pattern.find("}", at)
    least, comma, most = pattern[at + 1 : max(end, at)].partition(",")
    if not (least.isdecimal() and (most.isdecimal() or not most)):
        raise ValueError(f"must have numbers such as {{8}}, {{8,}} or {{8,12}}, not as in {pattern!r}")
    low = min(int(least), STEPS_MAX + 1)
    high = low if not comma else min(int(most), STEPS_MAX + 1) if most else None
    if high is not None and high < low:
        raise ValueError(f"has numbers in the wrong order: {pattern!r}")
    return (low, high), end + 1


def _repeated(taken: frozenset[int], least: int, most: Union[int, None]) -> list[_Step]:
    steps = [_Step(taken, b"1")] * least
    if most is None:
        return [*steps, _Step(taken, b"*")]
    return steps + [_Step(taken, b"?")] * (most - least)


def _bits(members: frozenset[int]) -> bytes:
    return sum(1 << member for member in members).to_bytes(32, "little")
