"""read(): the INI file as the master uses it, or every mistake in it at once."""

from __future__ import annotations

import os

from fapws.lean import Any, Mapping, MappingProxyType
from fapws.settings import source
from fapws.settings.build import build
from fapws.settings.model import Config
from fapws.settings.problems import ConfigError, Problem
from fapws.settings.scan import scan

__all__ = ["Config", "ConfigError", "Problem", "read"]

SIZE_MAX = 2**20
"""Bytes; a larger file is no configuration, and /dev/zero would never end."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def read(path: str, overrides: Mapping[str, Any] = _NOTHING, look: bool = True) -> Config:
    """The configuration in an INI file. Raises ConfigError with all problems; touches nothing.

    overrides (option name to value, from the command line) take the place of what every pool says.
    Relative paths in the file start at its directory. If a script has settings of its own that are
    not plain values, it is run for them in a short-lived child (fapws.compat.script.script_settings).
    look: False leaves the scripts alone, for a caller that only wants to know what the file itself says.
    """
    try:
        absolute = source.absolute(path)
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError([Problem(path, 0, "", "", "", error.strerror or str(error))]) from None
    if len(data) > SIZE_MAX:
        raise ConfigError([Problem(path, 0, "", "", "", f"is larger than {SIZE_MAX} bytes")])
    return build(scan(data, path), path, absolute, os.path.dirname(absolute), overrides, look)
