"""fapws.contrib.headers: where a client is sent."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from support.plain import ask
from support.raw import fetch
from support.server import Server

from fapws.contrib.headers import redirect

SCRIPT = """
from fapws.contrib import headers

def old(environ, start_response):
    return headers.redirect(start_response, "/new?from=\\u00e9", permanent=True)

PATHS = [("/old", old), ("/new", lambda environ, start_response: environ["QUERY_STRING"])]
"""


def to(location: str, *permanent: Any) -> Any:
    return ask(lambda environ, start_response: redirect(start_response, location, *permanent))


@pytest.mark.parametrize(
    ("permanent", "status"),
    [([], "302 Found"), ([None], "302 Found"), ([False], "302 Found"), ([True], "301 Moved Permanently")],
)
def test_a_redirect_is_302_unless_it_is_permanent(permanent: list[Any], status: str) -> None:
    answer = to("/there", *permanent)
    assert (answer.status, answer.get("Location"), answer.body) == (status, "/there", b"")


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\t", "\x7f", "\x85", "\r\nSet-Cookie: a=b"])
def test_a_location_that_could_end_the_field_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        to(f"/there{character}")


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/é", "/%C3%A9"),
        ("/a b", "/a%20b"),
        ("/%C3%A9?a=%20b&c=d#e", "/%C3%A9?a=%20b&c=d#e"),
        ("https://user@example.org:8080/;a=b,c'(*)!~", "https://user@example.org:8080/;a=b,c'(*)!~"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("/😀", "/%F0%9F%98%80"),
        ("", ""),
    ],
)
def test_what_a_uri_cannot_hold_is_encoded(location: str, sent: str) -> None:
    assert to(location).get("Location") == sent


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError):
        to("/\ud800")


def test_a_browser_follows() -> None:
    with Server(SCRIPT) as server:
        answer = requests.get(f"{server.url}/old", timeout=30)
        assert [step.status_code for step in answer.history] == [301]
        assert answer.text == "from=%C3%A9"
        assert fetch(server.address, "/old").body == b""
