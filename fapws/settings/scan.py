"""The bytes of an INI file to sections and entries with line numbers; knows no option.

The rules are configparser's with interpolation off, ``=`` as the only delimiter, case kept and
comments (``;`` or ``#``) only on lines of their own. A line indented deeper than its key continues
the value; a blank line inside such a value is kept. Written anew, because configparser knows no
line numbers, stops at the first mistake and would stay in the master's memory.
"""

from __future__ import annotations

from fapws.lean import NamedTuple
from fapws.settings.problems import Problem

_BLANKS = " \t\r\f\v"
_COMMENTS = (";", "#")


class Entry(NamedTuple):
    """One ``key = value``; the lines of a longer value are joined by ``\\n``."""

    key: str
    value: str
    line: int


class Section(NamedTuple):
    """One ``[name]`` with its entries in file order; no key twice."""

    name: str
    line: int
    entries: list[Entry]


class Scan(NamedTuple):
    """What a file holds, and the lines that are neither section nor entry nor comment."""

    sections: list[Section]
    problems: list[Problem]


def scan(data: bytes, file: str) -> Scan:
    """Reads the bytes of an INI file (UTF-8); file is its name for messages."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Scan([], [Problem(file, line, "", "", "", "is not UTF-8 text")])
    reader = _Reader(file)
    for number, line_text in enumerate(text.split("\n"), 1):
        reader.feed(number, line_text)
    return reader.result()


class _Reader:
    """Takes lines in order; the entry that may still be continued is kept apart."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._sections: dict[str, Section] = {}
        self._problems: list[Problem] = []
        self._section: Section | None = None
        self._lines: list[str] = []
        """Value of the open entry, which is the last one of the section; empty: none is open."""
        self._indent = 0

    def feed(self, number: int, text: str) -> None:
        stripped = text.strip(_BLANKS)
        if stripped.startswith(_COMMENTS):
            return
        indent = len(text) - len(text.lstrip(_BLANKS))
        if self._lines and (not stripped or indent > self._indent):
            self._lines.append(stripped)
            return
        if not stripped:
            return
        self._close_entry()
        self._indent = indent
        if stripped.startswith("["):
            self._begin_section(number, stripped)
        else:
            self._begin_entry(number, stripped)

    def result(self) -> Scan:
        self._close_entry()
        return Scan(list(self._sections.values()), self._problems)

    def _begin_section(self, number: int, text: str) -> None:
        name = text[1:-1]
        if not text.endswith("]") or not name or "[" in name or "]" in name:
            self._report(number, "a section is written [name], alone on its line", text)
            self._section = Section("", number, [])
            return
        first = self._sections.get(name)
        self._section = Section(name, number, [])
        if first is None:
            self._sections[name] = self._section
        else:
            self._report(number, f"section begins again; it has begun in line {first.line}")

    def _begin_entry(self, number: int, text: str) -> None:
        key, delimiter, value = text.partition("=")
        key, value = key.rstrip(_BLANKS), value.lstrip(_BLANKS)
        if not delimiter or not key:
            self._report(number, "is neither [section] nor key = value nor a comment", text)
        elif self._section is None:
            self._report(number, "stands before the first [section]", text)
        else:
            same = [entry.line for entry in self._section.entries if entry.key == key]
            if same:
                self._report(number, f"is set again; it is set in line {same[0]}", key)
            self._section.entries.append(Entry(key, "", number))
            self._lines = [value]

    def _close_entry(self) -> None:
        if self._lines and self._section is not None:
            entries = self._section.entries
            entry = entries.pop()
            if all(entry.key != earlier.key for earlier in entries):
                entries.append(entry._replace(value="\n".join(self._lines).strip(_BLANKS + "\n")))
        self._lines = []

    def _report(self, number: int, message: str, what: str = "") -> None:
        name = self._section.name if self._section else ""
        self._problems.append(Problem(self._file, number, name, what, "", message))
