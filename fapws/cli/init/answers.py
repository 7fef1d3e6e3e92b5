"""What ``fapws init`` knows when it writes."""

from __future__ import annotations

from typing import Any, NamedTuple


class Answers(NamedTuple):
    """Said as options, asked for, or found."""

    directory: str
    """Absolute."""
    app: str = ""
    """``package.module:callable``, or ``file.py``, perhaps with ``:callable``."""
    listen: str = "127.0.0.1:8888"
    workers: str = "2"
    user: str = ""
    name: str = ""
    """Of the pool and the service."""
    static: str = ""
    """``PATH:FOLDER``."""
    system: str = ""
    """A key of files.SYSTEMS."""
    environment: tuple[tuple[str, str], ...] = ()
    virtualenv: str = ""
    warmup: str = ""
    hosts: tuple[str, ...] = ()
    """Of the site, as clients ask for them; one that begins with a dot has those below it, too."""
    runs_as: str = ""
    """Whose service it is: the one who writes the files; empty: root's."""

    def with_answer(self, name: str, value: str) -> Answers:
        """With what one of the questions is answered by."""
        said: dict[str, Any] = {name: value}
        return self._replace(**said)
