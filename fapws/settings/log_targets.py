"""Where a log may go: ``stderr``, ``off``, a file, or ``syslog:FACILITY``."""

from __future__ import annotations

STDERR = "stderr"
OFF = "off"
_SYSLOG = "syslog"
FACILITIES = {
    "user": 1,
    "daemon": 3,
    **{f"local{number}": 16 + number for number in range(8)},
}
"""By the numbers of RFC 5424 6.2.1; the others belong to the system's own programs."""


def parse_syslog(text: str) -> str:
    """``syslog:daemon`` of ``syslog`` or ``syslog:daemon``; empty: it is not about syslog.

    Raises ValueError for a facility that is unknown.
    """
    word, colon, facility = text.partition(":")
    if word != _SYSLOG:
        return ""
    if not colon:
        facility = "daemon"
    if facility not in FACILITIES:
        raise ValueError(f"must be syslog: and one of {', '.join(FACILITIES)}")
    return f"{_SYSLOG}:{facility}"


def facility_of(target: str) -> int:
    """The facility's number of a target that ``parse_syslog`` gave; -1: it is another one."""
    word, _, facility = target.partition(":")
    return FACILITIES[facility] if word == _SYSLOG and facility else -1
