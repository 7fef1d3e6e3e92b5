"""What can be wrong with a configuration, told all at once."""

from __future__ import annotations

from fapws.lean import NamedTuple


class Problem(NamedTuple):
    """One mistake; what is not known is empty (line: 0)."""

    file: str
    line: int
    section: str
    key: str
    value: str
    """As written; empty for environment values, which may be secret."""
    message: str

    def text(self) -> str:
        """``conf/x.ini:12: [app:blog] workrs = 2: unknown key, did you mean workers?``"""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        first_line, more, _ = self.value.partition("\n")
        setting = f"{self.key} = {first_line}{' ...' if more else ''}".rstrip() if self.value else self.key
        subject = " ".join(part for part in (f"[{self.section}]" if self.section else "", setting) if part)
        return f"{place}{subject}: {self.message}" if subject else f"{place}{self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used; str() has a line for each problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line))

    def __str__(self) -> str:
        return "\n".join(problem.text() for problem in self.problems)


class UsageError(Exception):
    """Words of a command line that make no sense; str() is the reason."""


class ToldError(ConfigError):
    """The same, of which another process has told only the text."""

    def __init__(self, text: str) -> None:
        super().__init__([])
        self._text = text

    def __str__(self) -> str:
        return self._text
