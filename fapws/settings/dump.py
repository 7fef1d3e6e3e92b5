"""``fapwsctl dump``: every option's value in force, and where it comes from."""

from __future__ import annotations

from fapws.lean import Any
from fapws.settings import ini
from fapws.settings.build import MASTER_SECTION
from fapws.settings.model import Config, Limits, Pool
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS, Option, default_of, format_value
from fapws.settings.scan import scan

Values = dict[str, dict[str, str]]
"""By option: ``value`` as it would be written in the INI file, and ``origin``."""

DEFAULT = "default"


def describe(config: Config, path: str) -> dict[str, Values]:
    """The sections of a configuration that was read from this file, with all their options."""
    with open(path, "rb") as file:
        sections = scan(file.read(ini.SIZE_MAX), path).sections
    lines = {(s.name, entry.key): entry.line for s in sections for entry in s.entries}

    def origin(section: str, option: Option, value: Any) -> str:
        line = lines.get((section, option.name))
        if line is None and option.shared:
            line = lines.get((MASTER_SECTION, option.name))
        if line is not None:
            return f"{path}:{line}"
        return DEFAULT if value == default_of(option) else "script"

    described: dict[str, Values] = {MASTER_SECTION: {}}
    for name, option in MASTER_OPTIONS.items():
        value = getattr(config, name)
        told = {"value": format_value(option, value), "origin": origin(MASTER_SECTION, option, value)}
        described[MASTER_SECTION][name] = told
    for pool in config.pools:
        section = f"app:{pool.name}"
        described[section] = {}
        for name, option in POOL_OPTIONS.items():
            value = _value(pool, name)
            told = {"value": format_value(option, value), "origin": origin(section, option, value)}
            described[section][name] = told
        described[f"{section}:env"] = {
            key: {"value": value, "origin": f"{path}:{lines[f'{section}:env', key]}"}
            for key, value in pool.env
        }
    return described


def _value(pool: Pool, name: str) -> Any:
    return getattr(pool.limits if name in Limits._fields else pool, name)


def render(described: dict[str, Values]) -> str:
    """For people: sections as in the file, the origin behind each value."""
    blocks = []
    for section, values in described.items():
        if not values:
            continue
        lines = [f"{name} = {told['value']}".rstrip() for name, told in values.items()]
        width = min(max(map(len, lines)), 48)
        rows = [f"{line.ljust(width)}  ; {told['origin']}" for line, told in zip(lines, values.values())]
        blocks.append("\n".join([f"[{section}]", *rows]))
    return "\n\n".join(blocks)
