"""The sites of this folder inside wsgiref.validate: it raises on whatever fapws does against PEP 3333."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.raw import Client, chunked, request
from support.server import Server

SITES = Path(__file__).parent / "sites"

WRAPPED = """
from wsgiref.validate import validator

import {site}

application = validator({site}.application)
"""

TARGETS = {
    "bottle_site": [
        "/",
        "/json?q=1",
        "/stream",
        "/where",
        "/cookies",
        "/file/big.bin",
        "/file/none",
        "/boom",
    ],
    "falcon_site": ["/media", "/where", "/cookies", "/streams/rows", "/streams/sized", "/files/page.html"],
    "flask_files": [
        "/where",
        "/file/big.bin",
        "/whole/empty",
        "/tagged",
        "/closing?n=1",
        "/cookie",
        "/nowhere",
    ],
    "django_site": ["/page/", "/tagged/", "/stream/", "/file/big.bin", "/where/", "/move/", "/cookies/"],
}
CONTENT = {
    "bottle_site": "/echo",
    "falcon_site": "/content",
    "flask_files": "/stream",
    "django_site": "/read/",
}


@pytest.mark.parametrize("site", sorted(TARGETS))
def test_the_validator_finds_nothing(folder: Path, site: str) -> None:
    env = {"FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": "", "PYTHONPATH": str(SITES)}
    with Server(WRAPPED.format(site=site), env=env, name="validated") as server:
        with Client(server.address) as client:
            for target in TARGETS[site]:
                for method in ("GET", "HEAD"):
                    answer = client.get(target, method=method)
                    assert answer.status < 500 or target == "/boom", server.log
            for content in (b"small", b"large" * 50_000):
                assert client.get(CONTENT[site], method="POST", body=content).status == 200, server.log
                client.send(request(CONTENT[site], "Transfer-Encoding: chunked", method="POST"))
                client.send(chunked([content]))
                assert client.read().status == 200, server.log
        log = server.log
    # The second is what the validator writes when an iterator was not closed.
    assert "AssertionError" not in log, log
    assert "garbage collected without being closed" not in log, log
