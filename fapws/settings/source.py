"""Where a master's configuration comes from: data, so that an upgraded master can read it again."""

from __future__ import annotations

from fapws.lean import NamedTuple
from fapws.settings.model import Config


class Source(NamedTuple):
    """The INI file of fapwsctl, or the command line of fapws. Calling it reads it."""

    path: str = ""
    """Absolute path of the INI file; empty: the command line says it."""
    words: tuple[str, ...] = ()
    """Of ``fapws``, without the program's name."""
    directory: str = ""
    """Where its relative paths start."""

    def __call__(self) -> Config:
        """The configuration as it is now. Raises ConfigError."""
        if self.path:
            from fapws.settings.ini import read

            return read(self.path)
        from fapws.settings.command_line import configuration, parse_arguments

        return configuration(parse_arguments(list(self.words), self.directory), self.directory)()
