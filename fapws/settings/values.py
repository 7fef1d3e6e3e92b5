"""Texts of the INI file to values and back: numbers, yes/no, sizes, times.

Every ``parse_*`` raises ValueError whose text says what is allowed; ``format_*`` gives a text that
parses to the same value. Only ASCII digits count as digits.
"""

from __future__ import annotations

from fapws.lean import Mapping

SIZE_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
TIME_UNITS = {"ms": 1, "": 1000, "s": 1000, "m": 60_000, "h": 3_600_000}
"""Milliseconds; a bare number is seconds."""

BOOLEAN_RULE = "must be yes or no"
INTEGER_RULE = "must be a whole number"
SIZE_RULE = "must be a size in bytes, or with k, m or g behind it, such as 10m"
TIME_RULE = "must be a time in seconds, or with ms, s, m or h behind it, such as 500ms or 25s"


def parse_boolean(text: str) -> bool:
    """``yes`` or ``no``."""
    if text not in ("yes", "no"):
        raise ValueError(BOOLEAN_RULE)
    return text == "yes"


def format_boolean(value: bool) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def parse_integer(text: str) -> int:
    """A whole number without sign."""
    if not _all_digits(text):
        raise ValueError(INTEGER_RULE)
    return int(text)


def parse_size(text: str) -> int:
    """Bytes of ``512``, ``32k``, ``10m`` or ``1g``; k is 1024."""
    number, unit = _split_unit(text, SIZE_UNITS, SIZE_RULE)
    if not _all_digits(number):
        raise ValueError(SIZE_RULE)
    return int(number) * SIZE_UNITS[unit]


def format_size(size: int) -> str:
    """The shortest text of a number of bytes, ``10m`` for 10485760."""
    for unit in ("g", "m", "k"):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return str(size)


def parse_time(text: str) -> float:
    """Seconds of ``500ms``, ``25``, ``25s``, ``1.5m`` or ``1h``; counted in whole milliseconds."""
    number, unit = _split_unit(text, TIME_UNITS, TIME_RULE)
    whole, point, fraction = number.partition(".")
    if not _all_digits(whole) or (point and not _all_digits(fraction)):
        raise ValueError(TIME_RULE)
    milliseconds = round(float(number) * TIME_UNITS[unit], 6)
    if milliseconds % 1:
        raise ValueError(TIME_RULE + "; nothing finer than 1ms")
    return milliseconds / 1000


def format_time(seconds: float) -> str:
    """The text of a time: ``25s`` for 25.0, ``500ms`` for 0.5, ``1h`` for 3600.0."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0"
    for unit in ("h", "m", "s"):
        if milliseconds % TIME_UNITS[unit] == 0:
            return f"{milliseconds // TIME_UNITS[unit]}{unit}"
    return f"{milliseconds}ms"


def split_list(text: str) -> list[str]:
    """The parts of a list, separated by commas or line ends; an empty part is an error."""
    if not text.strip():
        return []
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    joined = ",".join(line.removesuffix(",") for line in lines)
    parts = [part.strip() for part in joined.split(",")]
    if "" in parts:
        raise ValueError("has an empty place in its list")
    return parts


def split_words(text: str) -> tuple[str, ...]:
    """Words as a shell takes a line apart: blanks and line ends separate, '...' and "..." hold together, a
    backslash takes the next character as it is (between '...' it is one). Nothing else is special.

    By hand instead of by shlex, whose regular expressions would stay in the master's memory.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            following = next(characters, "")
            if not following:
                raise ValueError("ends with a backslash")
            if quote and following not in '"\\':
                following = "\\" + following
            word = (word or "") + following
        elif quote:
            quote, word = ("", word) if character == quote else (quote, (word or "") + character)
        elif character in "'\"":
            quote, word = character, word or ""
        elif character in " \t\n":
            words, word = [*words, *([] if word is None else [word])], None
        else:
            word = (word or "") + character
    if quote:
        raise ValueError(f"a {quote} is not closed")
    return tuple(words if word is None else [*words, word])


def quote_words(words: tuple[str, ...]) -> str:
    """The text that split_words() takes apart into these words."""
    return " ".join(word if _is_bare(word) else "'" + word.replace("'", "'\\''") + "'" for word in words)


def _is_bare(word: str) -> bool:
    return word != "" and not set(word) & set(" \t\n'\"\\;#")


def nearest(word: str, known: list[str]) -> str:
    """The known word that a mistyped one most likely meant, or an empty text."""
    folded = word.lower().replace("-", "_")
    if folded in known:
        return folded
    import difflib  # only on the way to an error: the master keeps what it imports

    found = difflib.get_close_matches(folded, known, 1, 0.6)
    return found[0] if found else ""


def _all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _split_unit(text: str, units: Mapping[str, int], rule: str) -> tuple[str, str]:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(number) :]
    if unit not in units:
        raise ValueError(rule)
    return number, unit
