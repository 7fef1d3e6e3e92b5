"""The option warmup: how requests are written, and what is told of a mistake."""

from __future__ import annotations

import pytest

from fapws.settings import options
from fapws.settings.warmups import split

OPTION = options.POOL_OPTIONS["warmup"]


def test_requests_are_read_and_written() -> None:
    assert options.parse(OPTION, "", "/") == ()
    for text in (
        "GET http://a.b/x?y=1,  HEAD  https://[::1]:8/   302",
        "GET http://a.b/x?y=1\nHEAD https://[::1]:8/ 302",
    ):
        parsed = options.parse(OPTION, text, "/")
        assert parsed == ("GET http://a.b/x?y=1", "HEAD https://[::1]:8/ 302")
        assert options.parse(OPTION, options.format_value(OPTION, parsed), "/") == parsed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("GET http://a.b:80/x/?y=http://c/d", ("GET", "http", "a.b:80", "/x/?y=http://c/d", "")),
        ("GET http://a.b", ("GET", "http", "a.b", "/", "")),
        ("GET http://a.b 200", ("GET", "http", "a.b", "/", "200")),
        ("GET http://a.b?x=/y", ("GET", "http", "a.b", "/?x=/y", "")),
        ("HEAD https://[::1]:8443/%41 499", ("HEAD", "https", "[::1]:8443", "/%41", "499")),
    ],
)
def test_request_has_its_parts(text: str, parts: tuple[str, ...]) -> None:
    assert tuple(split(text)) == parts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/health", "must be GET or HEAD and a URL"),
        ("http://a.b/", "must be GET or HEAD and a URL"),
        ("GET /health", "must be GET or HEAD and a URL"),
        ("POST http://a.b/", "must be GET or HEAD and a URL"),
        ("get http://a.b/", "must be GET or HEAD and a URL"),
        ("GET ftp://a.b/", "must be GET or HEAD and a URL"),
        ("GET http:///x", "must be GET or HEAD and a URL"),
        ("GET http://joe@a.b/", "host name"),
        ("GET http://\u00e9.b/", "host name"),
        ("GET http://a.b/x y", "without blanks"),
        ("GET http://a.b/\u00e9", "without #"),
        ("GET http://a.b/x#y", "without #"),
        ("GET http://a.b/x 200 201", "the expected status, 200 to 499, or nothing, not '200 201'"),
        ("GET http://a.b/x 500", "expected status"),
        ("GET http://a.b/x 2xx", "expected status"),
        ("GET http://a.b/x \u0662\u0660\u0660", "expected status"),
        ("GET http://a.b/,,GET http://a.b/", "empty place"),
    ],
)
def test_mistakes_are_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        options.parse(OPTION, text, "/")
