"""Responses made of a header section alone.

    from fapws.contrib import headers

    def old(environ, start_response):
        return headers.redirect(start_response, "/new", permanent=True)

    PATHS = [("/old", old)]

redirect() percent-encodes what a URI cannot hold, so a location may come from a user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

# RFC 3986 section 2: reserved and unreserved characters, and % for what is encoded already.
_URI_CHARACTERS = ":/?#[]@!$&'()*+,;=-._~%"


def redirect(
    start_response: Callable[..., Any], location: str | bytes, permanent: object = None
) -> list[bytes]:
    """Sends the client elsewhere: 302, or 301 if permanent; returns the empty content.

    location is text, or bytes in UTF-8; what a URI cannot hold (RFC 3986) is percent-encoded as UTF-8, and
    a % stays as it is. Raises ValueError if it holds control characters, which could end the field.
    """
    headers = [("Location", encode_location(location)), ("Content-Type", "text/html")]
    headers.append(("Content-Length", "0"))
    start_response("301 Moved Permanently" if permanent else "302 Found", headers)
    return []


def encode_location(location: str | bytes) -> str:
    """A location as the field wants it (RFC 9110 section 10.2.2). Raises ValueError."""
    if isinstance(location, bytes):
        location = location.decode("utf-8")
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in location):
        raise ValueError(f"a location must not hold control characters: {location!r}")
    return quote(location, safe=_URI_CHARACTERS)
