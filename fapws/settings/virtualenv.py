"""Virtual environments: where their packages are, and whether they belong to this Python.

A package built for one Python version does not work in another, so a virtualenv must be made by the
same implementation and the same major.minor version that runs Fapws.
"""

from __future__ import annotations

import os
import sys

_CONFIG_FILE = "pyvenv.cfg"
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}


def check_virtualenv(path: str) -> None:
    """Raises ValueError if a directory is no virtualenv of the running Python; the text names
    both."""
    facts = _read_facts(path)
    # virtualenv and uv write version_info, the standard library's venv writes version.
    version = ".".join((facts.get("version") or facts.get("version_info") or "").split(".")[:2])
    ours = f"{_our_name()} {_our_version()}"
    name = _IMPLEMENTATIONS.get(facts.get("implementation", "").lower(), _our_name())
    if version and (name, version) != (_our_name(), _our_version()):
        raise ValueError(f"is a virtualenv of {name} {version}, but Fapws runs on {ours}")
    if not os.path.isdir(site_packages(path)):
        raise ValueError(f"is no virtualenv of {ours}: there is no {site_packages(path)}")


def site_packages(path: str) -> str:
    """The directory of a virtualenv's packages for the running Python."""
    interpreter = "pypy" if sys.implementation.name == "pypy" else "python"
    return os.path.join(path, "lib", interpreter + _our_version(), "site-packages")


def _our_name() -> str:
    return _IMPLEMENTATIONS.get(sys.implementation.name, sys.implementation.name)


def _our_version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _read_facts(path: str) -> dict[str, str]:
    try:
        with open(os.path.join(path, _CONFIG_FILE), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"is no virtualenv: {_CONFIG_FILE} cannot be read ({error})") from None
    pairs = (line.partition("=") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
