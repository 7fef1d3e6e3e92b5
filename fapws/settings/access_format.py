"""The format of the access log: a text with nginx-like variables, compiled for the C core.

``combined``, ``json``, or a text such as ``$remote_addr "$request" $status``. What a client can choose is
made harmless by where it stands: within double quotes, outside of them (where a space or , ; | could
forge a field too), or in JSON, which a text that begins with ``{`` is taken for.
"""

from __future__ import annotations

from fapws.settings.core_limits import ACCESS_FIELDS_MAX, ACCESS_PARTS_MAX

COMBINED = (
    '$client_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent"'
)
JSON = (
    '{"time":"$time_iso8601","client_addr":"$client_addr","remote_addr":"$remote_addr",'
    '"remote_user":"$remote_user","forwarded_for":"$forwarded_for",'
    '"host":"$host","request_method":"$request_method","request_uri":"$request_uri",'
    '"server_protocol":"$server_protocol","status":$status,"body_bytes_sent":$body_bytes_sent,'
    '"request_time":$request_time,"http_referer":"$http_referer",'
    '"http_user_agent":"$http_user_agent","completion":"$completion"}'
)
NAMED = {"combined": COMBINED, "json": JSON}
VARIABLES = {
    "client_addr": b"C",
    "remote_addr": b"a",
    "remote_port": b"p",
    "host": b"h",
    "time_local": b"t",
    "time_iso8601": b"i",
    "msec": b"e",
    "request": b"r",
    "request_id": b"I",
    "request_method": b"m",
    "request_uri": b"u",
    "server_protocol": b"v",
    "status": b"s",
    "body_bytes_sent": b"b",
    "bytes_sent": b"B",
    "request_time": b"d",
    "completion": b"c",
    "pid": b"P",
}
"""The letters of csrc/access/line.c."""
_NUMBERS = ("status", "body_bytes_sent", "bytes_sent", "request_time", "msec", "pid")
_ALIASES = {"forwarded_for": "http_x_forwarded_for"}
_FIELD = "http_"
_USER = "remote_user"
_LITERAL, _VALUE_OF_FIELD, _USER_OF_FIELD = b"L", b"F", b"U"
_QUOTED, _NAKED, _JSON = b"q", b"n", b"j"
SIZE_MAX = 4096


def compile_format(text: str, prefix: bytes = b"") -> bytes:
    """The program of a format, for fw_set_access_format(); each line begins with ``prefix``.

    Raises ValueError saying what is wrong.
    """
    text = NAMED.get(text, text)
    if len(text) > SIZE_MAX or not text.isprintable():
        raise ValueError(f"must be one line of at most {SIZE_MAX} characters")
    json = text.startswith("{")
    parts = [_part(_LITERAL, _QUOTED, prefix)] if prefix else []
    fields: set[str] = set()
    quoted = False
    for literal, name in _split(text):
        if literal:
            parts.append(_part(_LITERAL, _QUOTED, literal.encode("utf-8")))
            quoted ^= literal.count('"') % 2 == 1
        if name:
            if json and not quoted and name not in _NUMBERS:
                raise ValueError(f"${name} must stand within quotes in JSON")
            how = _JSON if json else _QUOTED if quoted else _NAKED
            parts.append(_variable(name, how, fields))
    if not fields and all(part[:1] == _LITERAL for part in parts):
        raise ValueError("has no variable; must be combined, json, or a text with variables like $status")
    if len(parts) > ACCESS_PARTS_MAX or len(fields) > ACCESS_FIELDS_MAX:
        raise ValueError(
            f"has too many parts; {ACCESS_PARTS_MAX} are possible, {ACCESS_FIELDS_MAX} header fields"
        )
    return b"".join(parts)


def _split(text: str) -> list[tuple[str, str]]:
    """Pairs of literal text and the name of the variable behind it, which is empty at the end."""
    literal, *rest = text.split("$")
    found: list[tuple[str, str]] = []
    for piece in rest:
        if piece.startswith("{"):
            name, brace, after = piece[1:].partition("}")
            if not brace:
                raise ValueError("has a ${ without its }")
        else:
            size = next((at for at, letter in enumerate(piece) if not _in_name(letter)), len(piece))
            name, after = piece[:size], piece[size:]
        if not name:
            raise ValueError("has a $ without the name of a variable behind it")
        found.append((literal, name))
        literal = after
    return [*found, (literal, "")]


def _in_name(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter == "_")


def _variable(name: str, how: bytes, fields: set[str]) -> bytes:
    if name in VARIABLES:
        return _part(VARIABLES[name], how, b"")
    if name == _USER:
        fields.add("authorization")
        return _part(_USER_OF_FIELD, how, b"authorization")
    field = _ALIASES.get(name, name)
    bare = field[len(_FIELD) :].lower().replace("_", "-")
    if not field.startswith(_FIELD) or not bare or not all(map(_in_name, bare.replace("-", "_"))):
        known = ", ".join(f"${known}" for known in (*VARIABLES, _USER, *_ALIASES))
        raise ValueError(f"${name} is no variable; known are {known} and $http_NAME of any header field")
    fields.add(bare)
    return _part(_VALUE_OF_FIELD, how, bare.encode("ascii"))


def _part(letter: bytes, how: bytes, data: bytes) -> bytes:
    return letter + how + len(data).to_bytes(2, "big") + data
