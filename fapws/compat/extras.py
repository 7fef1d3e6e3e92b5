"""What fapws3 and fapws4 put into environ beyond PEP 3333."""

from __future__ import annotations

from fapws.lean import Any, Callable
from fapws.query import count_fields, parse_query

FORM_SIZE_MAX = 2**20
"""Bytes of a form that are read into fapws.params: parsing holds all of it in memory several times."""
FORM_FIELDS_MAX = 1000
"""Fields of such a form. A larger one is left in wsgi.input, and fapws.params is the query's."""
NO_DESCRIPTOR = -1
"""fapws.socket_fd where there is none: the client has left, or the server is another one."""
_BLOCK_SIZE = 65536
_FORM_TYPE = "application/x-www-form-urlencoded"
_URI_KEYS = (
    "REQUEST_METHOD",
    "REQUEST_PROTOCOL",
    "SERVER_PROTOCOL",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_URI",
    "RAW_URI",
    "fapws.uri",
    "fapws.major_minor",
    "fapws.params",
)
_HEADER_KEYS = ("CONTENT_TYPE", "CONTENT_LENGTH", "fapws.raw_header")


def add_extras(environ: dict[str, Any], server_start: Callable[..., Any]) -> None:
    """Adds them in place; server_start: the server's start_response, to which the Answer belongs.

    fapws.params is the query's; see read_form().
    """
    protocol = environ.get("SERVER_PROTOCOL", "HTTP/1.0")
    environ["REQUEST_PROTOCOL"] = protocol
    environ["fapws.major_minor"] = protocol.rpartition("/")[2]
    environ["fapws.uri"] = environ.get("RAW_URI") or environ.get("REQUEST_URI", "")
    environ["fapws.remote_addr"] = environ.get("REMOTE_ADDR", "")
    environ["fapws.remote_port"] = int(environ.get("REMOTE_PORT") or 0)  # none on a unix socket
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if key in environ:
            environ["HTTP_" + key] = environ[key]
    _ask_server(environ, getattr(server_start, "__self__", None))
    query = environ.get("QUERY_STRING", "")
    environ["fapws.params"] = parse_query(query.encode("latin-1")) if query else {}


def _ask_server(environ: dict[str, Any], answer: Any) -> None:
    environ["fapws.raw_header"] = ""
    environ["fapws.socket_fd"] = NO_DESCRIPTOR
    if hasattr(answer, "raw_head"):
        try:
            environ["fapws.raw_header"] = answer.raw_head()
            environ["fapws.socket_fd"] = answer.socket_fd()
        except ConnectionError:
            pass  # the client has left; the program is called all the same, for it may matter to others


def read_form(environ: dict[str, Any]) -> dict[str, list[str]] | None:
    """The fields of a POST with an urlencoded form; None for other requests and forms that are too large.

    wsgi.input is at its start again afterwards. Raises OSError.
    """
    if environ.get("REQUEST_METHOD") != "POST":
        return None
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        return None
    content = environ["wsgi.input"]
    if not hasattr(content, "seek"):
        return {}  # the shared empty one
    data = content.read(FORM_SIZE_MAX + 1)
    content.seek(0)
    if len(data) > FORM_SIZE_MAX or count_fields(data) > FORM_FIELDS_MAX:
        return None
    return parse_query(data)


def fill(environ: Any, given: dict[str, Any], form: dict[str, list[str]] | None) -> None:
    """Hands an environ to a program's Environ in three parts; see fapws.base.Environ."""
    rest = dict(given)
    headers = {key: rest.pop(key) for key in given if key[:5] == "HTTP_" or key in _HEADER_KEYS}
    uri = {key: rest.pop(key) for key in _URI_KEYS if key in rest}
    if form is not None:
        rest["fapws.params"] = form
    _feed(environ.get("wsgi.input"), rest, headers.get("CONTENT_TYPE", ""))
    environ.update_headers(headers)
    environ.update_uri(uri)
    environ.update_from_request(rest)


def _feed(own: Any, rest: dict[str, Any], content_type: str) -> None:
    """What a program's Environ put into wsgi.input to be written, as fapws3 did it: it gets a form with
    files and stays there, also when there is no content. Other content comes as it always does."""
    if not hasattr(own, "write") or hasattr(own, "read"):
        return
    content = rest.get("wsgi.input")
    kind = content_type.partition(";")[0].strip().lower()
    if content is None or not hasattr(content, "seek"):  # the shared empty one
        rest["wsgi.input"] = own
    elif kind == "multipart/form-data":
        while block := content.read(_BLOCK_SIZE):
            own.write(block)
        rest["wsgi.input"] = own
