"""Formats of access logs in the words of ``access_format``."""

from __future__ import annotations

import re

from fapws.cli.translate.rows import CannotTake
from fapws.settings.access_format import COMBINED, compile_format

SECONDS = "durations are in seconds, as $request_time has them"

_PERCENT = re.compile(r"%\(([^)]*)\)s?|%%")
_GUNICORN = {
    "h": "$client_addr",
    "l": "-",
    "u": "$remote_user",
    "t": "[$time_local]",
    "r": "$request",
    "m": "$request_method",
    "U": "$request_uri",
    "H": "$server_protocol",
    "s": "$status",
    "B": "$body_bytes_sent",
    "b": "$body_bytes_sent",
    "f": "$http_referer",
    "a": "$http_user_agent",
    "T": "$request_time",
    "L": "$request_time",
    "M": "$request_time",
    "D": "$request_time",
    "p": "$pid",
}
_UWSGI = {
    "addr": "$client_addr",
    "user": "$remote_user",
    "method": "$request_method",
    "uri": "$request_uri",
    "proto": "$server_protocol",
    "status": "$status",
    "size": "$body_bytes_sent",
    "rsize": "$body_bytes_sent",
    "referer": "$http_referer",
    "uagent": "$http_user_agent",
    "host": "$host",
    "time": "$msec",
    "ctime": "$time_local",
    "ltime": "$time_local",
    "ftime": "$time_local",
    "epoch": "$msec",
    "secs": "$request_time",
    "msecs": "$request_time",
    "micros": "$request_time",
    "pid": "$pid",
    "cl": "$http_content_length",
}
_UNIT = {
    "remote_addr": "client_addr",
    "time_local": "time_local",
    "request_line": "request",
    "request_uri": "request_uri",
    "method": "request_method",
    "host": "host",
    "status": "status",
    "body_bytes_sent": "body_bytes_sent",
    "request_time": "request_time",
    "request_id": "request_id",
}


def of_gunicorn(text: str) -> str:
    """Raises CannotTake."""
    return _checked(_PERCENT.sub(lambda found: _percent(found, _gunicorn), text))


def of_uwsgi(text: str) -> str:
    """Raises CannotTake."""
    return _checked(_PERCENT.sub(lambda found: _percent(found, _uwsgi), text))


def of_unit(text: str) -> str:
    """Raises CannotTake."""
    return _checked(re.sub(r"\$\{?(\w+)\}?", lambda found: _unit(found[1]), text))


def _percent(found: re.Match[str], one: object) -> str:
    if found[0] == "%%":
        return "%"
    assert callable(one)
    return str(one(found[1]))


def _gunicorn(name: str) -> str:
    field = re.fullmatch(r"\{([\w-]+)\}i", name)
    if field:
        return "$http_" + field[1].lower().replace("-", "_")
    return _known(_GUNICORN, name, f"%({name})s")


def _uwsgi(name: str) -> str:
    if name.startswith("var.HTTP_"):
        return "$" + name[len("var.") :].lower()
    return _known(_UWSGI, name, f"%({name})")


def _unit(name: str) -> str:
    if name.startswith("header_"):
        return "$http_" + name[len("header_") :]
    return "$" + _known(_UNIT, name, f"${name}")


def _known(table: dict[str, str], name: str, written: str) -> str:
    if name not in table:
        raise CannotTake(f"the access log has nothing for {written}; access_format stays combined")
    return table[name]


def _checked(text: str) -> str:
    # The server's own user has a dash where it does not know one.
    if text == COMBINED:
        return "combined"
    try:
        compile_format(text)
    except ValueError as error:
        raise CannotTake(f"as access_format it {error}; access_format stays combined") from None
    return text
