"""The option warmup: how requests are written, and what is told of a mistake."""

from __future__ import annotations

import pytest

from fapws.settings import options
from fapws.settings.warmups import split

OPTION = options.POOL_OPTIONS["warmup"]


def test_requests_are_read_and_written() -> None:
    assert options.parse(OPTION, "", "/") == ()
    for text in (
        "GET http://a.b/x?y=1,  HEAD  https://[::1]:8/",
        "GET http://a.b/x?y=1\nHEAD https://[::1]:8/",
    ):
        parsed = options.parse(OPTION, text, "/")
        assert parsed == ("GET http://a.b/x?y=1", "HEAD https://[::1]:8/")
        assert options.parse(OPTION, options.format_value(OPTION, parsed), "/") == parsed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("GET http://a.b:80/x/?y=http://c/d", ("GET", "http", "a.b:80", "/x/?y=http://c/d")),
        ("GET http://a.b", ("GET", "http", "a.b", "/")),
        ("GET http://a.b?x=/y", ("GET", "http", "a.b", "/?x=/y")),
        ("HEAD https://[::1]:8443/%41", ("HEAD", "https", "[::1]:8443", "/%41")),
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
        ("GET http://a.b/\u00e9", "without blanks"),
        ("GET http://a.b/x#y", "without blanks"),
        ("GET http://a.b/,,GET http://a.b/", "empty place"),
    ],
)
def test_mistakes_are_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        options.parse(OPTION, text, "/")
