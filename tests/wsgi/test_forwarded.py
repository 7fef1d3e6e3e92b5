"""What a trusted proxy says about the client, through real sockets and a real proxy (docs/http.md, "Behind a
proxy"). The rules themselves: test_forwarded_parts.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.haproxy import haproxy, needs_haproxy
from support.raw import Client, fetch, request
from support.server import Address, Server

APPLICATION = """
import json
from wsgiref.validate import validator


@validator
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    plain = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [json.dumps(plain).encode()]
"""
FLASK = """
from flask import Flask, jsonify, request

application = Flask(__name__)


@application.get("/<path:rest>")
def show(rest):
    return jsonify(
        url=request.url, remote=request.remote_addr, secure=request.is_secure, host=request.host
    )
"""
TOLD = (
    "X-Forwarded-For: 6.6.6.6, 192.0.2.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: www.example.org",
)
TALE = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example")
FORWARDED_TALE = ("Forwarded: for=6.6.6.6;proto=https;host=evil.example",)
WITH_HOST = "\nforwarded = x-forwarded-for, x-forwarded-proto, x-forwarded-host"
"""For a proxy that sets all three."""


def seen_by(address: Address, *fields: str) -> Any:
    """The environ of one request."""
    answer = fetch(address, "/a%20b?c", *fields)
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def trusting() -> Iterator[Server]:
    """It trusts the machine itself and one network."""
    with Server(APPLICATION, options="trusted_proxies = 127.0.0.1, 10.0.0.0/8" + WITH_HOST) as running:
        yield running


def test_a_trusted_proxy_is_believed(trusting: Server) -> None:
    seen = seen_by(trusting.address, *TOLD)
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("192.0.2.7", "")
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["HTTP_HOST"] == seen["SERVER_NAME"] == "www.example.org"
    assert seen["SERVER_PORT"] == "443"
    assert seen["PATH_INFO"] == "/a b"


def test_without_being_named_the_host_is_not_taken_over() -> None:
    """nginx hands the client's X-Forwarded-Host on unless told otherwise."""
    with Server(APPLICATION, options="trusted_proxies = 127.0.0.1") as server:
        seen = seen_by(server.address, *TOLD)
    assert (seen["REMOTE_ADDR"], seen["SERVER_PORT"]) == ("192.0.2.7", "443")
    assert seen["wsgi.url_scheme"] == "https"
    assert (seen["HTTP_HOST"], seen["HTTP_X_FORWARDED_HOST"]) == ("localhost", "www.example.org")


def test_a_trusted_proxy_that_says_nothing_is_the_client(trusting: Server) -> None:
    seen = seen_by(trusting.address)
    assert seen["REMOTE_ADDR"] == "127.0.0.1" and seen["REMOTE_PORT"]
    assert (seen["wsgi.url_scheme"], seen["SERVER_PORT"]) == ("http", str(trusting.port))
    assert (seen["HTTP_HOST"], seen["SERVER_NAME"]) == ("localhost", "127.0.0.1")


def test_field_lines_are_one_list(trusting: Server) -> None:
    lines = ("192.0.2.9", "192.0.2.7:99", "10.1.1.1")
    seen = seen_by(trusting.address, *(f"X-Forwarded-For: {line}" for line in lines))
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("192.0.2.7", "99")
    assert seen["HTTP_X_FORWARDED_FOR"] == ", ".join(lines)
    seen = seen_by(trusting.address, "X-Forwarded-Proto: https", "X-Forwarded-Proto: http")
    assert seen["wsgi.url_scheme"] == "http"


def test_each_request_of_a_connection_stands_alone(trusting: Server) -> None:
    with Client(trusting.address) as client:
        for number in (1, 2, 0, 3, 0):
            fields = [f"X-Forwarded-For: 192.0.2.{number}", "X-Forwarded-Proto: https"] if number else []
            seen = json.loads(client.get("/", *fields).body)
            assert seen["REMOTE_ADDR"] == (f"192.0.2.{number}" if number else "127.0.0.1")
            assert seen["wsgi.url_scheme"] == ("https" if number else "http")


def test_a_name_with_an_underscore_is_not_taken_for_the_field(trusting: Server) -> None:
    seen = seen_by(trusting.address, "X_Forwarded_For: 6.6.6.6", "X-Forwarded_Proto: https")
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")


def test_what_the_proxy_does_not_set_is_the_clients_tale(trusting: Server) -> None:
    plain = seen_by(trusting.address)
    seen = seen_by(trusting.address, *FORWARDED_TALE)
    assert seen.pop("HTTP_FORWARDED").startswith("for=6.6.6.6")
    assert {**seen, "REMOTE_PORT": ""} == {**plain, "REMOTE_PORT": ""}


def test_malformed_values_change_nothing_and_are_no_error(trusting: Server) -> None:
    mark = trusting.mark()
    for value in ("", ",", "a@b", '"', "\xff", "1.2.3.4.5", "[::1", "unknown", "x" * 8000, "," * 8000):
        seen = seen_by(
            trusting.address,
            f"X-Forwarded-For: {value}",
            f"X-Forwarded-Proto: {value}",
            f"X-Forwarded-Host: {value} !",
        )
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http"), value
        assert seen["HTTP_HOST"] == "localhost", value
    assert "Traceback" not in trusting.log_since(mark)


@pytest.mark.parametrize("options", ["trusted_proxies = 127.0.0.2, unix", "workers = 1"])
@pytest.mark.parametrize("fields", [TOLD, TALE, FORWARDED_TALE])
def test_from_others_the_fields_are_fields_and_nothing_else(options: str, fields: tuple[str, ...]) -> None:
    with Server(APPLICATION, options=options) as server:
        plain, seen = seen_by(server.address), seen_by(server.address, *fields)
    for line in fields:
        name, _, value = line.partition(": ")
        assert seen.pop("HTTP_" + name.upper().replace("-", "_")) == value
    assert {**seen, "REMOTE_PORT": ""} == {**plain, "REMOTE_PORT": ""}


def test_forwarded_instead_of_the_others() -> None:
    told = 'Forwarded: for="_x, for=6.6.6.6, for="[2001:db8::7]:99";host="www.example.org:444";proto=https'
    with Server(APPLICATION, options="trusted_proxies = 127.0.0.0/8\nforwarded = Forwarded") as server:
        seen = seen_by(server.address, told, *TALE)
        assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == ("2001:db8::7", "99")
        assert (seen["wsgi.url_scheme"], seen["SERVER_PORT"]) == ("https", "444")
        assert (seen["HTTP_HOST"], seen["SERVER_NAME"]) == ("www.example.org:444", "www.example.org")
        lines = ("Forwarded: for=192.0.2.1;proto=https", "Forwarded: for=127.0.0.9;proto=http")
        seen = seen_by(server.address, *lines)
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.1", "https")
        seen = seen_by(server.address, *TALE)
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize("trusted", ["unix", "127.0.0.1, ::/0, 0.0.0.0/0"])
def test_a_unix_socket_is_trusted_by_its_own_name(trusted: str) -> None:
    with (
        Server(APPLICATION, options=f"trusted_proxies = {trusted}" + WITH_HOST, unix=True) as server,
        Client(server.address) as client,
    ):
        client.send(request("/", *TOLD, host="inner:81"))
        seen = json.loads(client.read().body)
        client.send(request("/", TOLD[0], host="inner:81"))
        only_address = json.loads(client.read().body)
    believed = trusted == "unix"
    assert seen["REMOTE_ADDR"] == only_address["REMOTE_ADDR"] == ("192.0.2.7" if believed else "")
    assert seen["wsgi.url_scheme"] == ("https" if believed else "http")
    assert seen["SERVER_NAME"] == ("www.example.org" if believed else "inner")
    assert seen["SERVER_PORT"] == ("443" if believed else "81")
    assert (only_address["SERVER_NAME"], only_address["SERVER_PORT"]) == ("inner", "81")


def test_ipv6_peers() -> None:
    with Server(APPLICATION, options="trusted_proxies = ::1", bind="[::1]:0") as server:
        assert seen_by(server.address, *TOLD)["REMOTE_ADDR"] == "192.0.2.7"


def test_it_goes_with_a_script_name() -> None:
    options = "trusted_proxies = 127.0.0.1\nscript_name = /a b" + WITH_HOST
    with Server(APPLICATION, options=options) as server:
        seen = json.loads(fetch(server.address, "/a%20b/c", *TOLD).body)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/a b", "/c")
    assert (seen["REMOTE_ADDR"], seen["HTTP_HOST"]) == ("192.0.2.7", "www.example.org")


def test_only_pools_that_trust_load_it() -> None:
    source = "import sys\n\n\ndef application(environ, start_response):\n"
    source += "    start_response('200 OK', [('X-Loaded', str('fapws.wsgi.forwarded' in sys.modules))])\n"
    source += "    return [b'']\n"
    for options, loaded in (("workers = 1", "False"), ("trusted_proxies = unix", "True")):
        with Server(source, options=options) as server:
            assert fetch(server.address).head.get("X-Loaded") == loaded


# ---- A real proxy --------------------------------------------------------------------------------

X_RULES = (
    "option forwardfor",
    "http-request set-header X-Forwarded-Proto https",
    "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
)
FORWARDED_RULES = (
    r'http-request add-header Forwarded "for=%[src];host=\"%[req.hdr(host)]\";proto=https;by=_us"',
)


@needs_haproxy
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("rules", [X_RULES, FORWARDED_RULES], ids=["x-forwarded", "forwarded"])
def test_flask_behind_haproxy(rules: tuple[str, ...], unix: bool, tmp_path: Path) -> None:
    """HAProxy is trusted, its client 127.0.0.1 is not: it comes from another address of the machine."""
    options = "trusted_proxies = unix" if unix else "trusted_proxies = 127.0.0.9"
    options += "\nforwarded = forwarded" if rules is FORWARDED_RULES else WITH_HOST
    words = "" if unix else "source 127.0.0.9"
    tales = dict(line.split(": ", 1) for line in (TALE if rules is X_RULES else FORWARDED_TALE))
    with (
        Server(FLASK, options=options, unix=unix) as server,
        haproxy(server.address, tmp_path, *rules, words=words) as (host, port),
        requests.Session() as browser,
    ):
        browser.trust_env = False
        browser.headers["Host"] = "shop.example.org:8443"
        for headers in ({}, tales):
            seen = browser.get(f"http://{host}:{port}/a%20b?c=d", headers=headers, timeout=30).json()
            assert seen == {
                "url": "https://shop.example.org:8443/a%20b?c=d",
                "remote": "127.0.0.1",
                "secure": True,
                "host": "shop.example.org:8443",
            }


@needs_haproxy
def test_two_haproxies_in_a_row(tmp_path: Path) -> None:
    """The first speaks to the client and to the second, which adds only the address."""
    (tmp_path / "near").mkdir()
    with (
        Server(APPLICATION, options="trusted_proxies = 127.0.0.8/31" + WITH_HOST) as server,
        haproxy(server.address, tmp_path / "near", "option forwardfor", words="source 127.0.0.9") as near,
        haproxy(near, tmp_path, *X_RULES, words="source 127.0.0.8") as address,
    ):
        seen = seen_by(address, "X-Forwarded-For: 127.0.0.8, 6.6.6.6", *TALE[1:])
    assert seen["HTTP_X_FORWARDED_FOR"] == "127.0.0.8, 6.6.6.6, 127.0.0.1, 127.0.0.8"
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "https")
    assert (seen["HTTP_HOST"], seen["SERVER_PORT"]) == ("localhost", "443")
