"""Conditional and partial requests: RFC 9110 sections 13 and 14, decided without touching a file."""

from __future__ import annotations

import calendar
import email.utils
import re
from typing import Any, NamedTuple

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)-(\d*)\s*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')
_DATE_MAX = 64
"""Characters; HTTP dates have 29 to 33."""
_DIGITS_MAX = 18
"""Digits of an offset; a longer one lies behind the end of any file."""


class Version(NamedTuple):
    """What identifies the content of a file at a time."""

    etag: str
    """With its quotation marks; strong."""
    modified: float
    """Seconds since 1970."""
    size: int


class Span(NamedTuple):
    """Part of a content, in bytes."""

    start: int
    size: int


def http_date(seconds: float) -> str:
    """A time as RFC 9110 section 5.6.7 writes it, in any locale."""
    return email.utils.formatdate(int(seconds), usegmt=True)


def parse_date(text: str) -> int | None:
    """Seconds since 1970 of an HTTP date in any of its three forms; None if it is none."""
    try:
        parts = email.utils.parsedate_tz(text[:_DATE_MAX])
        # asctime() has no zone, and means UTC all the same.
        return None if parts is None else calendar.timegm(parts[:9]) - (parts[9] or 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_tags(field: str) -> list[tuple[bool, str]]:
    """The entity tags of If-Match or If-None-Match as (weak, tag with its quotation marks)."""
    return [(bool(weak), tag) for weak, tag in _TAG.findall(field)]


def precondition(environ: dict[str, Any], version: Version) -> int:
    """The status that the preconditions of GET or HEAD ask for: 200, 304 or 412 (section 13.2.2)."""
    match, unmodified = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_UNMODIFIED_SINCE")
    if match is not None:
        if match.strip() != "*" and (False, version.etag) not in parse_tags(match):
            return 412
    elif unmodified is not None:
        date = parse_date(unmodified)
        if date is not None and int(version.modified) > date:
            return 412
    none_match, since = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MODIFIED_SINCE")
    if none_match is not None:
        # Weak comparison: the tag counts, not its W/ (section 13.1.2).
        known = none_match.strip() == "*" or version.etag in [tag for _, tag in parse_tags(none_match)]
        return 304 if known else 200
    if since is not None:
        date = parse_date(since)
        if date is not None and int(version.modified) <= date:
            return 304
    return 200


def wanted_span(environ: dict[str, Any], version: Version, now: float) -> Span | None:
    """The range that GET asks for; None for the whole content, which is also sent for several ranges.

    Raises ValueError if it lies behind the end: 416.
    """
    field = environ.get("HTTP_RANGE")
    if field is None or environ.get("REQUEST_METHOD") != "GET":
        return None
    match = _RANGE.fullmatch(field)
    if match is None or not (match[1] or match[2]) or not _unchanged(environ, version, now):
        return None
    first, last = _number(match[1]), _number(match[2])
    if first is None:
        suffix = min(last or 0, version.size)
        if last == 0:
            raise ValueError("a suffix of no bytes")
        return Span(version.size - suffix, suffix) if suffix else None
    if last is not None and last < first:
        return None
    if first >= version.size:
        raise ValueError("the range begins behind the end")
    end = version.size if last is None else min(last + 1, version.size)
    return Span(first, end - first)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS_MAX else int(10**_DIGITS_MAX)


def _unchanged(environ: dict[str, Any], version: Version, now: float) -> bool:
    """If-Range: whether the part belongs to the version that the client has (section 13.1.5)."""
    field = environ.get("HTTP_IF_RANGE")
    if field is None:
        return True
    field = field.strip()
    if '"' in field:
        return parse_tags(field) == [(False, version.etag)]
    # A date is a strong validator only when a second has passed since (section 8.8.2.2).
    return parse_date(field) == int(version.modified) and now - version.modified >= 1
