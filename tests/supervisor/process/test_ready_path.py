"""ready_path: a balancer that sees only the pool's own address asks it whether to send clients there."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from support.haproxy import haproxy, needs_haproxy
from support.house import PATIENCE, House, Until


def configure(house: House, *more: str) -> None:
    house.configure(pool="\n".join(("ready_path = /healthz", f"access_log = {house.access}", *more)))


def test_path_tells_whether_clients_may_be_sent_and_is_not_in_the_log(house: House, until: Until) -> None:
    configure(house)
    house.start()
    where = ("127.0.0.1", house.port())
    assert _closing(where, "/healthz")[:2] == (200, "ready\n")
    assert _closing(where, "/other")[1].startswith("hello ")
    house.ctl("drain")
    until(lambda: _closing(where, "/healthz")[0] == 503, "the worker has heard of it")
    status, content, head = _closing(where, "/healthz")
    assert (status, content) == (503, "not ready\n")
    assert "\r\nConnection: close" in head
    assert _closing(where, "/other")[0] == 200, "it serves on"
    house.ctl("reload")
    assert _closing(where, "/healthz")[0] == 503, "new workers know it from their start"
    house.ctl("undrain")
    until(lambda: _closing(where, "/healthz")[0] == 200, "the worker has heard of it")
    assert house.status()["totals"]["requests"] == 2
    house.ctl("stop")
    assert re.findall(r'"GET (\S+) ', house.access.read_text()) == ["/other", "/other"]
    house.assert_nothing_is_left()


def test_log_ready_logs_it(house: House, until: Until) -> None:
    configure(house, "log_ready = yes")
    house.start()
    assert _closing(("127.0.0.1", house.port()), "/healthz")[0] == 200
    house.ctl("drain")
    until(lambda: _closing(("127.0.0.1", house.port()), "/healthz")[0] == 503, "the worker has heard of it")
    house.ctl("stop")
    told = re.findall(r'"GET /healthz HTTP/1.1" (\d+) (\d+) ', house.access.read_text())
    assert [*dict.fromkeys(told)] == [("200", "6"), ("503", "10")]
    assert told.count(("503", "10")) == 1


@pytest.mark.parametrize("bad", ["healthz", "/a b", "/x?y", "/x#y", "/\u00e9"])
def test_path_that_no_request_could_have_is_a_mistake(house: House, bad: str) -> None:
    house.configure(pool=f"ready_path = {bad}")
    assert "ready_path" in house.ctl("configtest", expect=6)


@needs_haproxy
@pytest.mark.parametrize(
    "check",
    [
        "option httpchk GET /healthz",
        "option httpchk\n    http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host x",
    ],
    ids=["HTTP/1.0 without Host", "HTTP/1.1 with Host"],
)
def test_haproxy_looks_away_from_a_drained_server(
    house: House, tmp_path: Path, check: str, until: Until
) -> None:
    configure(house)
    house.start()
    words = "check inter 100ms fall 1 rise 1"
    with haproxy(("127.0.0.1", house.port()), tmp_path, words=words, backend=check) as front:
        until(lambda: _closing(front, "/")[0] == 200, "HAProxy sends clients")
        house.ctl("drain")
        until(lambda: _closing(front, "/")[0] == 503, "HAProxy has no server")
        served = house.status()["totals"]["requests"]
        assert _closing(front, "/")[0] == 503
        assert house.status()["totals"]["requests"] == served, "and sends none"
        house.ctl("undrain")
        until(lambda: _closing(front, "/")[0] == 200, "HAProxy sends clients again")
    house.ctl("stop")


def _closing(where: tuple[str, int], path: str) -> tuple[int, str, str]:
    """Status, content and head, on a connection that the client wants closed."""
    with socket.create_connection(where, PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    head, _, content = answer.partition("\r\n\r\n")
    return int(head.split()[1]), content, head
