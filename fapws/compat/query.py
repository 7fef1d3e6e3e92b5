"""Query strings and urlencoded forms, as fapws3 gave them to programs: a dict of lists of str.

Pure. Used for ``fapws.params`` and by ``fapws._evwsgi.parse_query``.
"""

from __future__ import annotations

from fapws.percent import decode_bytes


def parse_query(query: str | bytes) -> dict[str, list[str]]:
    """``a=1&a=2&b`` as ``{"a": ["1", "2"], "b": [""]}``; the keys in the order of their first value.

    Fields are separated by ``&`` alone (WHATWG URL, application/x-www-form-urlencoded). A ``+`` is a
    space, %XX a byte, a ``%`` that is no code stays; blanks are kept. The bytes are read as UTF-8;
    those that are none become U+FFFD. Never raises for a str or bytes, in time linear to its length.
    """
    data = query.encode("utf-8", "surrogatepass") if isinstance(query, str) else query
    found: dict[str, list[str]] = {}
    if b"%" not in data:  # plain text, read at once
        for field in data.replace(b"+", b" ").decode("utf-8", "replace").split("&"):
            if field:
                key, _, text = field.partition("=")
                found.setdefault(key, []).append(text)
        return found
    for piece in data.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            found.setdefault(_unquote(name), []).append(_unquote(value))
    return found


def count_fields(data: bytes) -> int:
    """How many fields parse_query() would find at most, without reading them."""
    return data.count(b"&") + 1 if data else 0


def _unquote(data: bytes) -> str:
    return decode_bytes(data.replace(b"+", b" ")).decode("utf-8", "replace")
