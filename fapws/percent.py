"""Percent-decoding (RFC 3986 section 2.1), as fw_percent_decode() of the core does it too."""

from __future__ import annotations

_HEX = frozenset("0123456789abcdefABCDEF")


def decode(text: str) -> str:
    """Each %XX becomes the character of that number; a ``%`` that begins no code stays.

    For bytes that were read as latin-1, so that a character is a byte.
    """
    first, *pieces = text.split("%")
    decoded = [first]
    for piece in pieces:
        digits = piece[:2]
        if len(digits) == 2 and _HEX.issuperset(digits):
            decoded.append(chr(int(digits, 16)) + piece[2:])
        else:
            decoded.append("%" + piece)
    return "".join(decoded)


def decode_bytes(data: bytes) -> bytes:
    """The same for bytes."""
    return decode(data.decode("latin-1")).encode("latin-1") if b"%" in data else data
