"""conf/proxy/: each configuration of a proxy, in front of a server with the options that its head names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.haproxy import needs_haproxy, shipped_haproxy
from support.house import wait_until
from support.nginx import needs_nginx, shipped_nginx
from support.raw import Client, request
from support.server import Server

FOLDER = Path(__file__).parents[2] / "conf" / "proxy"
APPLICATION = """
import json

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    told["content"] = len(environ["wsgi.input"].read())
    return [json.dumps(told).encode()]
"""
TALES = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6;proto=https")
EXAMPLES = [
    pytest.param(
        path.name,
        marks=[needs_nginx if path.name.startswith("nginx") else needs_haproxy],
        id=path.name,
    )
    for path in sorted(FOLDER.iterdir())
]
BROWSER = "127.0.0.2"
"""The client's address: not the one of the machine that the examples trust."""


@contextmanager
def site(name: str, directory: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    """The proxy of an example before its server; where the proxy listens, and the access log."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    options = re.findall(r"^#     (\w+ = .*)$", text, re.MULTILINE)
    assert options[0].startswith("listen = "), "the head says what goes into fapws.ini"
    log = directory / "access.log"
    unix = "listen = unix:" in options[0]
    proxy = shipped_nginx if name.startswith("nginx") else shipped_haproxy
    with (
        Server(APPLICATION, unix=unix, options="\n".join([*options[1:], f"access_log = {log}"])) as server,
        proxy(text, server.address, directory) as address,
    ):
        yield address, log


def told(client: Client) -> Any:
    """What the application has seen."""
    answer = client.read()
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_application_sees_the_client_and_no_tale(name: str, tmp_path: Path) -> None:
    with site(name, tmp_path) as (address, log), Client(address, source=(BROWSER, 0)) as client:
        for tales in ((), TALES):
            client.send(request("/a%20b?c", *tales, host="shop.example.org:8080"))
            seen = told(client)
            assert seen["REMOTE_ADDR"] == BROWSER
            assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("http", "shop.example.org:8080")
            assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/a b", "c")
        # A thread writes them, behind the responses.
        wait_until(lambda: log.read_text().count("\n") >= 2, "both requests are in the access log")
    assert [line.split(" ")[0] for line in log.read_text().splitlines()] == [BROWSER] * 2


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_client_does_not_choose_the_host_beside_its_host_field(name: str, tmp_path: Path) -> None:
    with site(name, tmp_path) as (address, _), Client(address, source=(BROWSER, 0)) as client:
        client.send(request("/", "X-Forwarded-Host: evil.example", host="shop.example.org"))
        assert told(client)["HTTP_HOST"] == "shop.example.org"


@pytest.mark.parametrize("name", EXAMPLES)
def test_content_arrives_whole(name: str, tmp_path: Path) -> None:
    size = 300_000
    with site(name, tmp_path) as (address, _), Client(address, source=(BROWSER, 0)) as client:
        client.send(request("/", method="POST", body=b"x" * size))
        assert told(client)["content"] == size


def test_every_example_is_one_of_a_proxy_that_is_tried() -> None:
    assert {path.name.split("-")[0] for path in FOLDER.iterdir()} == {"nginx", "haproxy"}
