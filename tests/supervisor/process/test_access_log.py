"""The access log of a running service: which process writes which lines, also after a rotation."""

from __future__ import annotations

import json
import os
import re
import signal
import socket

import pytest
from support.house import House, Load, Until
from support.rooted import OTHER, needs_root
from support.syslogd import syslog_place, syslogd

STAMP = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def ask(port: int, head: str, content: bytes = b"") -> bytes:
    """The whole answer to one request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(f"{head}\r\nHost: site\r\nConnection: close\r\n\r\n".encode("latin-1") + content)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture
def logged(house: House) -> House:
    """A server with an access log."""
    house.configure(pool=f"access_log = {house.access}")
    return house


def lines(house: House, count: int, until: Until) -> list[str]:
    """The access log once it has so many lines."""
    until(lambda: house.access.exists() and house.access.read_text().count("\n") >= count, f"{count} lines")
    found = house.access.read_text().splitlines()
    assert len(found) == count
    return found


def test_combined_lines_for_answers_and_refusals(logged: House, until: Until) -> None:
    logged.start()
    port = logged.port()
    size = len(ask(port, 'GET /a?b=c HTTP/1.1\r\nReferer: r\r\nUser-Agent: a"b').partition(b"\r\n\r\n")[2])
    ask(port, "GET / HTTP/1.1\r\nBad header")
    whole, refused = lines(logged, 2, until)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {STAMP} "GET /a\?b=c HTTP/1\.1" 200 {size} "r" "a\\x22b"', whole)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {STAMP} "GET / HTTP/1\.1" 400 \d+ "-" "-"', refused)
    logged.ctl("stop")


def test_last_lines_are_there_after_the_stop(logged: House, until: Until) -> None:
    logged.start()
    ask(logged.port(), "GET /last HTTP/1.1")
    logged.ctl("stop")
    assert '"GET /last HTTP/1.1" 200' in logged.access.read_text()


def test_user_of_basic_credentials_is_the_third_field(logged: House, until: Until) -> None:
    logged.start()
    ask(logged.port(), "GET /u HTTP/1.1\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    (line,) = lines(logged, 1, until)
    assert re.match(rf'127\.0\.0\.1 - Aladdin {STAMP} "GET /u HTTP/1\.1" 200 ', line)
    logged.ctl("stop")


def test_json_lines_are_json_whatever_comes(logged: House, until: Until) -> None:
    logged.configure(pool=f"access_log = {logged.access}\naccess_format = json")
    logged.start()
    port = logged.port()
    ask(port, 'GET /"\\\x7f HTTP/1.1\r\nUser-Agent: "\\\t\xe9\r\nX-Forwarded-For: 10.0.0.1')
    ask(port, 'GET /b HTTP/1.1\r\nUser-Agent: "\\\t\xe9\r\nX-Forwarded-For: 10.0.0.1\r\nReferer: x\x80')
    found = [json.loads(line) for line in lines(logged, 2, until)]
    assert found[0]["status"] == 400
    assert found[1]["status"] == 200
    assert (found[1]["http_user_agent"], found[1]["http_referer"]) == ('"\\\t\xe9', "x\x80")
    assert (found[1]["remote_addr"], found[1]["forwarded_for"]) == ("127.0.0.1", "10.0.0.1")
    assert (found[1]["host"], found[1]["completion"]) == ("site", "whole")
    logged.ctl("stop")


def test_lines_of_all_workers_stand_in_one_file_and_none_is_torn(
    logged: House, load: type[Load], until: Until
) -> None:
    logged.configure(workers=2, pool=f"access_log = {logged.access}\naccess_format = $pid $status end")
    logged.start()
    port, workers = logged.port(), set(logged.workers())
    with load(logged, port) as clients:
        clients.more(500)
        until(
            lambda: workers <= set(map(int, re.findall(r"(?m)^\d+", logged.access.read_text()))), "all serve"
        )
        logged.ctl("reload")
        clients.more(200)
    clients.check()
    logged.ctl("stop")
    found = logged.access.read_text().splitlines()
    assert len(found) == clients.answered
    assert all(re.fullmatch(r"\d+ 200 end", line) for line in found)
    assert workers < {int(line.split()[0]) for line in found}


def test_cut_answer_is_marked(logged: House, until: Until) -> None:
    logged.write_app(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '10')])\n"
        "    yield b'hello'\n    raise RuntimeError('in the middle')\n"
    )
    logged.configure(
        pool=f"access_log = {logged.access}\naccess_format = $status $body_bytes_sent $completion"
    )
    logged.start()
    ask(logged.port(), "GET / HTTP/1.1")
    assert lines(logged, 1, until) == ["200 5 cut"]
    logged.ctl("stop")


def test_address_of_the_proxy_protocol_is_the_peer(logged: House, until: Until) -> None:
    logged.configure(
        pool=f"access_log = {logged.access}\naccess_format = $remote_addr $remote_port\nproxy_protocol = yes"
    )
    logged.start()
    with socket.create_connection(("127.0.0.1", logged.port()), 30) as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while sock.recv(65536):
            pass
    assert lines(logged, 1, until) == ["192.0.2.7 4711"]
    logged.ctl("stop")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ("", "X-Forwarded-For: 6.6.6.6, 192.0.2.7"),
        ("forwarded = forwarded", 'Forwarded: for=6.6.6.6, for="[2001:db8::7]:99";proto=https'),
    ],
)
def test_the_client_behind_a_trusted_proxy_is_told(
    logged: House, until: Until, options: str, field: str
) -> None:
    (logged.directory / "files").mkdir()
    (logged.directory / "files" / "a.txt").write_text("a")
    common = f"access_log = {logged.access}\nscript_name = /blog\n{options}\n"
    own = f"static = /files:{logged.directory}/files\nready_path = /ready\nlog_ready = yes\n"
    logged.configure(pool=f"{common}{own}trusted_proxies = 127.0.0.1")
    logged.start()
    port = logged.port()
    # "/beside" is answered without the application; the core alone answers what follows, and what is no
    # request: of these it tells the peer, as fapws.ini(5) says.
    for path in ("/blog/", "/beside", "/files/a.txt", "/files/none", "/ready", "/ x"):
        ask(port, f"GET {path} HTTP/1.1\r\n{field}")
    ask(port, "GET /blog/ HTTP/1.1")
    client = "2001:db8::7" if options else "192.0.2.7"
    found = lines(logged, 7, until)
    assert [line.split(" ")[0] for line in found] == [client, client, *["127.0.0.1"] * 5]
    logged.configure(pool=f"{common}{own}trusted_proxies = 192.0.2.9\naccess_format = json")
    logged.ctl("reload")
    ask(port, f"GET /blog/ HTTP/1.1\r\n{field}")  # from whom nobody trusts
    ask(port, f"GET /files/a.txt HTTP/1.1\r\n{field}")
    for last in map(json.loads, lines(logged, 9, until)[-2:]):
        assert (last["client_addr"], last["remote_addr"]) == ("127.0.0.1", "127.0.0.1")
        assert last["forwarded_for"] == ("" if options else "6.6.6.6, 192.0.2.7")  # of files too
    logged.ctl("stop")


def test_reload_turns_the_log_on_and_off(logged: House, until: Until) -> None:
    logged.configure()
    logged.start()
    port = logged.port()
    ask(port, "GET /1 HTTP/1.1")
    logged.configure(pool=f"access_log = {logged.access}\naccess_format = $request_uri")
    logged.ctl("reload")
    ask(port, "GET /2 HTTP/1.1")
    assert lines(logged, 1, until) == ["/2"]
    logged.configure(pool=f"access_log = {logged.directory}/none/access.log")
    assert "there is no directory" in logged.ctl("reload", expect=1)
    logged.configure()
    logged.ctl("reload")
    ask(port, "GET /3 HTTP/1.1")
    logged.ctl("stop")
    assert lines(logged, 1, until) == ["/2"]


def test_log_that_cannot_be_opened_stops_the_start(logged: House) -> None:
    logged.access.mkdir()
    assert "is a directory" in logged.ctl("start", expect=6)
    logged.access.rmdir()
    os.mkfifo(logged.access)
    text = logged.ctl("start", expect=1)
    assert f"cannot open the access log {logged.access}" in text
    logged.assert_nothing_is_left()


@needs_root
def test_rotation_below_chroot_and_without_rights(public_house: House, until: Until) -> None:
    house = public_house
    (house.directory / "jail" / "tmp").mkdir(parents=True)
    house.configure(
        pool=f"user = {OTHER}\nchroot = {house.directory}/jail\n"
        f"access_log = {house.access}\naccess_format = $request_uri"
    )
    house.start()
    port = house.port()
    ask(port, "GET /old HTTP/1.1")
    assert lines(house, 1, until) == ["/old"]
    house.access.rename(house.directory / "access.log.0")
    os.kill(house.pid, signal.SIGUSR1)
    until(house.access.exists, "the new log")
    ask(port, "GET /new HTTP/1.1")
    assert lines(house, 1, until) == ["/new"]
    assert (house.directory / "access.log.0").read_text() == "/old\n"
    house.ctl("stop")


def test_access_log_to_syslog(house: House) -> None:
    house.configure(pool="access_log = syslog:local6\naccess_format = $request_uri $status")
    with syslog_place(), syslogd() as daemon:
        house.start()
        ask(house.port(), "GET /s HTTP/1.1")
        assert daemon.recv(65536) == b"<182>fapws: /s 200"
        house.ctl("stop")


def test_access_log_follows_a_syslogd_that_was_restarted(house: House, until: Until) -> None:
    house.configure(pool="access_log = syslog:local6\naccess_format = $request_uri $status")
    with syslog_place():
        with syslogd():
            house.start()
            port = house.port()
        with syslogd() as daemon:
            daemon.setblocking(False)

            def heard() -> bool:
                ask(port, "GET /s HTTP/1.1")
                try:
                    return daemon.recv(65536) == b"<182>fapws: /s 200"
                except BlockingIOError:
                    return False

            until(heard, "a line at the new syslogd")
            house.ctl("stop")
