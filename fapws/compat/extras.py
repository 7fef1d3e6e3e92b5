"""What fapws3 and fapws4 put into environ beyond PEP 3333."""

from __future__ import annotations

from fapws.compat.query import count_fields, parse_query
from fapws.lean import Any, Callable
from fapws.wsgi.input import EmptyInput, MemoryInput

FORM_SIZE_MAX = 2**20
"""Bytes of a form that are read into fapws.params: parsing holds all of it in memory several times."""
FORM_FIELDS_MAX = 1000
"""Fields of such a form. A larger one is left in wsgi.input, and fapws.params is the query's. Of a query as
well: of a larger one fapws.params is empty, and QUERY_STRING has it all (reading 4000 takes 5 ms)."""
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
    """Adds them in place; server_start: the server's start_response, to which the Response belongs.

    fapws.params is the query's; see read_form().
    """
    try:  # our server: a look-up costs less than half of get()
        protocol = environ["SERVER_PROTOCOL"]
        uri, query = environ["RAW_URI"], environ["QUERY_STRING"]
        host, port = environ["REMOTE_ADDR"], environ["REMOTE_PORT"]
    except KeyError:
        protocol, query = environ.get("SERVER_PROTOCOL", "HTTP/1.0"), environ.get("QUERY_STRING", "")
        uri = environ.get("RAW_URI") or environ.get("REQUEST_URI", "")
        host, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT")
    environ["REQUEST_PROTOCOL"] = protocol
    environ["fapws.major_minor"] = "1.1" if protocol == "HTTP/1.1" else protocol.rpartition("/")[2]
    environ["fapws.uri"] = uri
    environ["fapws.remote_addr"] = host
    environ["fapws.remote_port"] = int(port) if port else 0  # none on a unix socket
    if "CONTENT_TYPE" in environ:
        environ["HTTP_CONTENT_TYPE"] = environ["CONTENT_TYPE"]
    if "CONTENT_LENGTH" in environ:
        environ["HTTP_CONTENT_LENGTH"] = environ["CONTENT_LENGTH"]
    try:
        environ["fapws.raw_header"], environ["fapws.socket_fd"] = server_start.__self__.original_request()  # type: ignore
    except (AttributeError, ConnectionError):
        # Another server, or the client has left: the program is called all the same, for it may matter to
        # others.
        environ["fapws.raw_header"] = ""
        environ["fapws.socket_fd"] = NO_DESCRIPTOR
    environ["fapws.params"] = _params(query) if query else {}


def _params(query: str) -> dict[str, list[str]]:
    if query.count("&") >= FORM_FIELDS_MAX:
        return {}
    return parse_query(query.encode("latin-1"))


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
    if hasattr(content, "seekable") and not content.seekable():  # request_buffering = no
        length = environ.get("CONTENT_LENGTH", "")
        if not length.isdecimal() or int(length) > FORM_SIZE_MAX:
            return None
        content = environ["wsgi.input"] = MemoryInput(content.read())
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
    if content is None or isinstance(content, EmptyInput):
        rest["wsgi.input"] = own
    elif kind == "multipart/form-data":
        while block := content.read(_BLOCK_SIZE):
            own.write(block)
        rest["wsgi.input"] = own
