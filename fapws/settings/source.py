"""Where a master's configuration comes from: data, so that an upgraded master can read it again."""

from __future__ import annotations

import os

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

    def held_in_memory(self) -> str:
        """Why another program cannot read it; empty: it can."""
        return ""

    def __call__(self) -> Config:
        """The configuration as it is now. Raises ConfigError."""
        if self.path:
            from fapws.settings.ini import read

            return read(self.path)
        from fapws.settings.command_line import configuration, parse_arguments

        return configuration(parse_arguments(list(self.words), self.directory), self.directory)()


def absolute(path: str) -> str:
    """A path that a command was given, from the root. Raises OSError if the current directory is gone."""
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(working_directory(path), path))


def working_directory(*paths: str) -> str:
    """Where relative paths start: the current directory by the name that the shell knows it by (POSIX
    ``pwd -L``), so that a symbolic link in it, such as the ``current`` of a deployment, is followed anew at
    each reload.

    The kernel's name of it where PWD is not that, and where one of ``paths`` climbs: the kernel climbs from
    where the link leads. Raises OSError if it was deleted.
    """
    physical = os.getcwd()
    named = os.environ.get("PWD", "")
    if not os.path.isabs(named) or any(".." in path.split("/") for path in (named, *paths)):
        return physical
    try:
        return named if os.path.samefile(named, physical) else physical
    except OSError:
        return physical
