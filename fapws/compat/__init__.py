"""What programs with PATHS or fapws._evwsgi need and a plain WSGI application does not even import."""

from __future__ import annotations


def convert_to_bytes(given: object) -> bytes:
    """bytes as they are, anything else as its text in UTF-8; fapws3's function for both Pythons."""
    return given if isinstance(given, bytes) else str(given).encode("utf-8")
