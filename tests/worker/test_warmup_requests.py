"""Which responses to the pool's own requests prove that an application answers, and which do not."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fapws.settings.model import Pool
from fapws.worker.assemble import common_environ
from fapws.worker.loader import LoadError
from fapws.worker.warmup import warm_up

APPLICATION = """
class Content:
    closed = 0

    def __init__(self, *pieces):
        self.pieces = iter(pieces)

    def __iter__(self):
        return self.pieces

    def close(self):
        Content.closed += 1


def application(environ, start_response):
    BODY
"""


def tried(body: str, *requests: str) -> dict[str, Any]:
    """Makes requests of an application whose body is given; what its module holds then. Raises LoadError."""
    module: dict[str, Any] = {}
    exec(compile(APPLICATION.replace("BODY", body.replace("\n", "\n    ")), "application", "exec"), module)
    pool = Pool("shop", warmup=requests or ("GET http://shop.example/health",))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        common = common_environ(False)
        told = warm_up(module["application"], pool, (listener.fileno(),), common)
        assert listener.fileno() >= 0 and listener.getsockname()[1], "the socket is left alone"
    return {**module, "told": told}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('start_response("503 Busy", [])\nreturn [b""]', "the response was 503 Busy"),
        ('start_response("500 X", [])\nreturn Content(b"x")', "the response was 500 X"),
        ('start_response("wrong", [])\nreturn [b""]', "the response was wrong"),
        ("return [b'x']", "start_response was not called"),
        ("return []", "start_response was not called"),
        ('start_response("200 OK", [])\nreturn "text"', "must return an iterable of bytes, not str"),
        ('start_response("200 OK", [])\nreturn ["text"]', "the content must be bytes"),
        ('start_response("200 OK", [("X", 1)])\nreturn [b""]', "must be str, not int"),
        ('start_response("200 OK", [])\nreturn Content(b"a", 1 / 0)', "ZeroDivisionError"),
        ('start_response("200 OK", [])\nreturn (1 / (2 - n) for n in range(9))', "TypeError"),
        (
            'start_response("200 OK", [])\nreturn (b"%d" % (1 // (2 - n)) for n in range(9))',
            "ZeroDivisionError",
        ),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "import sys\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n"
            '    start_response("500 X", [], sys.exc_info())\nreturn [b""]',
            "ZeroDivisionError",
        ),
    ],
)
def test_response_that_no_client_should_get_is_a_failed_boot(body: str, told: str) -> None:
    with pytest.raises(LoadError) as failure:
        tried(body)
    assert told in str(failure.value)
    assert "warmup: GET http://shop.example/health: " in str(failure.value)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found", "499 X"])
def test_other_statuses_prove_that_the_application_answers(status: str) -> None:
    module = tried(f'start_response("{status}", [])\nreturn Content(b"a", b"b")')
    assert module["Content"].closed == 1


@pytest.mark.parametrize(
    ("status", "headers", "advice"),
    [
        ("200 OK", [], None),
        ("204 No Content", [("Location", "/x")], None),
        ("301 Moved", [("LOCATION", "https://shop.example/health")], "leads to, https://shop.example/health"),
        ("302 Found", [], "name a page that is there for everybody"),
        ("400 Bad Request", [], "name a host that the application takes (Django: one of ALLOWED_HOSTS)"),
        ("404 Not Found", [("Location", "/x")], "name a page that is there for everybody"),
        ("403 Forbidden", [], "name a page that is there for everybody"),
    ],
)
def test_response_that_has_tried_little_is_told_with_what_to_write(
    status: str, headers: list[tuple[str, str]], advice: str | None
) -> None:
    body = f'if environ["PATH_INFO"] != "/":\n    start_response({status!r}, {headers!r})\n    return [b""]\n'
    body += 'start_response("200 OK", [])\nreturn [b""]'
    told = tried(body, "GET http://shop.example/", "GET http://shop.example/health")["told"]
    if advice is None:
        assert told == ""
    else:
        head = f"warmup: GET http://shop.example/health: the response was {status}, so little was tried; "
        assert told.startswith(head) and told.endswith(advice) and "\n" not in told


@pytest.mark.parametrize(
    ("status", "expected", "advice"),
    [
        ("200 OK", "200", None),
        ("302 Found", "302", None),
        ("400 Bad Request", "400", None),
        ("400 Bad Request", "200", "name a host that the application takes (Django: one of ALLOWED_HOSTS)"),
        ("404 Not Found", "200", "name a page that is there for everybody, or 404 in place of 200"),
        ("302 Found", "200", "name the place that it leads to, /x, or 302 in place of 200"),
        ("204 No Content", "200", "name a page that is there for everybody, or 204 in place of 200"),
        ("500 X", "200", "was 500 X"),
    ],
)
def test_response_of_another_status_than_expected_is_a_failed_boot(
    status: str, expected: str, advice: str | None
) -> None:
    body = f"start_response({status!r}, [('Location', '/x')])\nreturn [b'']"
    request = f"GET http://shop.example/health {expected}"
    if advice is None:
        assert tried(body, request)["told"] == ""
        return
    with pytest.raises(LoadError) as failure:
        tried(body, request)
    unlike = f", not {expected}; " if advice.startswith("name") else "\n"
    assert str(failure.value).startswith(f"warmup: {request}: the response was {status}{unlike}")
    assert str(failure.value).endswith(f"{advice}\n")


def test_first_of_several_that_fails_is_named() -> None:
    body = 'start_response("500 X" if environ["PATH_INFO"] == "/b" else "200 OK", [])\nreturn [b""]'
    with pytest.raises(LoadError, match=r"warmup: HEAD https://shop\.example/b: the response was 500 X"):
        tried(body, "GET http://shop.example/a", "HEAD https://shop.example/b", "GET http://shop.example/c")


def test_route_of_a_program_with_paths_is_told_with_its_traceback() -> None:
    body = (
        "from fapws.compat.paths import Paths\n"
        "def fail(environ, start_response):\n    1 / 0\n"
        'return Paths([("/health", fail)])(environ, start_response)'
    )
    with pytest.raises(LoadError, match=r"500 Internal Server Error\n[\s\S]*ZeroDivisionError"):
        tried(body)
