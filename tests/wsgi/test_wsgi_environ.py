"""What an application finds in its environ (PEP 3333 "environ Variables", docs/http.md, "environ")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.raw import Client, fetch, request
from support.server import Address, Server

BEHAVIOURS = Path(__file__).parent / "apps" / "behaviours.py"


@pytest.fixture(scope="module")
def unix_server() -> Iterator[Server]:
    """The same behind a unix socket."""
    with Server(BEHAVIOURS, unix=True) as running:
        yield running


def environ_of(address: Address, target: str = "/environ", *fields: str, **more: Any) -> Any:
    """The environ of one request."""
    answer = fetch(address, target, *fields, **more)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_required_variables(server: Server) -> None:
    with Client(server.address) as client:
        client.send(request("/environ/a%20b?c=d", host="example.com:99"))
        seen = json.loads(client.read().body)
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["SCRIPT_NAME"] == ""
    assert seen["PATH_INFO"] == "/environ/a b"
    assert seen["QUERY_STRING"] == "c=d"
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["SERVER_NAME"]
    assert seen["SERVER_PORT"] == str(server.port)
    assert seen["RAW_URI"] == seen["REQUEST_URI"] == "/environ/a%20b?c=d"
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["wsgi.version"] == "(1, 0)"
    assert seen["wsgi.multithread"] == "False"
    assert seen["wsgi.multiprocess"] == "False"
    assert seen["wsgi.run_once"] == "False"
    assert seen["wsgi.input_terminated"] == "True"
    assert seen["types"]["wsgi.multithread"] == "bool"
    assert seen["types"]["wsgi.version"] == "tuple"
    assert "wsgi.file_wrapper" in seen
    assert "wsgi.errors" in seen


def test_the_environ_holds_nothing_of_the_process(server: Server) -> None:
    seen = environ_of(server.address)
    assert "PATH" not in seen
    assert "HOME" not in seen


def test_absent_content_has_no_length_and_no_type(server: Server) -> None:
    seen = environ_of(server.address)
    assert seen.get("CONTENT_LENGTH", "") == ""
    assert seen.get("CONTENT_TYPE", "") == ""


def test_query_string_is_present_when_empty(server: Server) -> None:
    assert environ_of(server.address)["QUERY_STRING"] == ""


def test_remote_address_and_port_are_those_of_the_connection(server: Server) -> None:
    for _ in range(3):
        with Client(server.address) as client:
            name = client.socket.getsockname()
            for _ in range(2):
                seen = json.loads(client.get("/environ").body)
                assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (name[0], str(name[1]))


def test_remote_port_is_not_mixed_up_between_connections(server: Server) -> None:
    # fapws3 gave every connection the address of the latest one.
    clients = [Client(server.address) for _ in range(20)]
    try:
        for client in clients:
            client.send(request("/environ"))
        for client in reversed(clients):
            seen = json.loads(client.read().body)
            assert seen["REMOTE_PORT"] == str(client.socket.getsockname()[1])
    finally:
        for client in clients:
            client.close()


def test_unix_socket(unix_server: Server) -> None:
    with Client(unix_server.address) as client:
        client.send(request("/environ", host="example.com"))
        seen = json.loads(client.read().body)
    assert seen["REMOTE_ADDR"] == ""
    assert seen["SERVER_NAME"] == "example.com"
    assert seen["HTTP_HOST"] == "example.com"
    assert isinstance(seen["SERVER_PORT"], str)
    assert seen["wsgi.url_scheme"] == "http"


def test_unix_socket_and_a_host_with_port(unix_server: Server) -> None:
    with Client(unix_server.address) as client:
        client.send(request("/environ", host="[2001:db8::1]:8443"))
        seen = json.loads(client.read().body)
    assert seen["SERVER_NAME"] in ("[2001:db8::1]", "2001:db8::1")


def test_unix_socket_without_host(unix_server: Server) -> None:
    with Client(unix_server.address) as client:
        client.send(b"GET /environ HTTP/1.0\r\n\r\n")
        seen = json.loads(client.read().body)
    assert seen["SERVER_NAME"] == "localhost"
    assert "HTTP_HOST" not in seen


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/environ/%2F%2f", "/environ///"),
        ("/environ/%0A", "/environ/\n"),
        ("/environ/%0a%0d%0A/x", "/environ/\n\r\n/x"),
        ("/environ/%00x", "/environ/\0x"),
        ("/environ/%C3%A9", "/environ/\xc3\xa9"),
        ("/environ/%E9", "/environ/\xe9"),
        ("/environ/%25%32%46", "/environ/%2F"),
        ("/environ/%", "/environ/%"),
        ("/environ/%1", "/environ/%1"),
        ("/environ/%G1%1G", "/environ/%G1%1G"),
        ("/environ/%7F%1f%85%a0", "/environ/\x7f\x1f\x85\xa0"),
        ("/environ/" + "%41" * 2000, "/environ/" + "A" * 2000),
    ],
)
def test_path_info_is_decoded_to_bytes_as_latin_1(server: Server, target: str, path: str) -> None:
    seen = environ_of(server.address, target + "?q=%0A")
    assert seen["PATH_INFO"] == path
    assert seen["QUERY_STRING"] == "q=%0A"
    assert seen["REQUEST_URI"] == target + "?q=%0A"


def test_a_path_with_a_line_feed_is_decoded_as_any_other(server: Server) -> None:
    """The core decodes what has none, Python the others: whatever stands around a "%", they agree."""
    ends = [
        "%",
        "%a",
        "%0",
        "%g",
        "%1_",
        "%_1",
        "%+1",
        "%-1",
        "%0x",
        "%1.",
        "%%41",
        "%4%41",
        "%aG",
        "%Ga",
        "%fF",
    ]
    tails = [start + end for start in ("x", "%", "%41", "%4") for end in ends]
    tails += [f"%{a}{b}" for a in "09afAFgG@`/:" for b in "09afAFgG@`/:"]
    with Client(server.address) as client:
        for tail in tails:
            for start in ("/environ/", "/environ/%0A"):
                client.send(request(start + tail))
            plain, other = (json.loads(client.read().body)["PATH_INFO"] for _ in range(2))
            assert other == plain.replace("/environ/", "/environ/\n"), tail


def test_line_feeds_in_paths_do_not_shift_the_fields_of_neighbours(server: Server) -> None:
    # Many at once, so that they share a batch with requests that need the other way.
    clients = [Client(server.address) for _ in range(30)]
    targets = ["/environ/%0A" * (n % 3) + f"/environ/{n}?n={n}" for n in range(30)]
    try:
        for client, target in zip(clients, targets):
            client.send(request(target, f"X-Number: {target[-2:]}"))
        for client, target in zip(clients, targets):
            seen = json.loads(client.read().body)
            assert seen["REQUEST_URI"] == target
            assert seen["HTTP_X_NUMBER"] == target[-2:]
            assert seen["PATH_INFO"] == target.split("?")[0].replace("%0A", "\n")
    finally:
        for client in clients:
            client.close()


def test_repeated_fields_and_cookies(server: Server) -> None:
    seen = environ_of(
        server.address,
        "/environ",
        "X-One: 1",
        "Cookie: a=1",
        "x-one: 2",
        "Cookie: b=2",
        "X-ONE: 3",
        "cookie: c=3",
        "Accept: a",
        "Accept: b",
    )
    assert seen["HTTP_X_ONE"] == "1, 2, 3"
    assert seen["HTTP_COOKIE"] == "a=1; b=2; c=3"
    assert seen["HTTP_ACCEPT"] == "a, b"


def test_the_same_shape_with_other_values(server: Server) -> None:
    # A client sends the same names again and again; what is remembered must be names only.
    with Client(server.address) as client:
        for number in range(20):
            fields = [f"X-A: {number}", f"X-B: b{number}", "X-Empty:"]
            seen = json.loads(client.get("/environ", *fields).body)
            assert seen["HTTP_X_A"] == str(number)
            assert seen["HTTP_X_B"] == f"b{number}"
            assert seen["HTTP_X_EMPTY"] == ""


def test_similar_shapes_are_told_apart(server: Server) -> None:
    shapes = [
        ("GET", ["X-A: 1", "X-B: 2"]),
        ("GET", ["X-B: 2", "X-A: 1"]),
        ("POST", ["X-A: 1", "X-B: 2"]),
        ("GET", ["X-A: 1"]),
        ("GET", ["x-a: 1", "X-b: 2"]),
        ("GET", ["X-AX: 1", "B: 2"]),
        ("GET", []),
        ("GET", ["X-A: 1", "X-A: 1"]),
        ("GET", ["X-A: 1", "X_A: 2"]),
        ("GET", ["X-A: 1", "Proxy: 2"]),
        ("GET", ["X-A: 1", "Content-Type: 2"]),
    ]
    expected = [{"HTTP_HOST": "localhost"} for _ in shapes]
    for want, (_, fields) in zip(expected, shapes):
        for field in fields:
            name, value = field.split(": ")
            if name in ("X_A", "Proxy"):
                continue
            key = "HTTP_" + name.upper().replace("-", "_")
            key = "CONTENT_TYPE" if name == "Content-Type" else key
            want[key] = f"{want[key]}, {value}" if key in want else value
    with Client(server.address) as client:
        for _ in range(4):
            for want, (method, fields) in zip(expected, shapes):
                seen = json.loads(client.get("/environ", *fields, method=method).body)
                found = {k: v for k, v in seen.items() if k.startswith(("HTTP_", "CONTENT_TYPE"))}
                assert found == want
                assert seen["REQUEST_METHOD"] == method


def test_thousands_of_shapes_cost_a_miss_and_nothing_else(server: Server) -> None:
    with Client(server.address) as client:
        for start in range(0, 2000, 20):
            numbers = range(start, start + 20)
            client.send(b"".join(request("/environ", f"X-N{n}: {n}") for n in numbers))
            for number in numbers:
                seen = json.loads(client.read().body)
                assert seen[f"HTTP_X_N{number}"] == str(number)
                assert sum(key.startswith("HTTP_X_N") for key in seen) == 1


def test_version_and_method_belong_to_the_request(server: Server) -> None:
    for version, method in [("1.1", "GET"), ("1.0", "GET"), ("1.1", "PUT"), ("1.0", "DELETE")]:
        with Client(server.address) as client:
            client.send(request("/environ", version=version, method=method))
            seen = json.loads(client.read().body)
            assert seen["SERVER_PROTOCOL"] == f"HTTP/{version}"
            assert seen["REQUEST_METHOD"] == method


def test_the_environ_is_not_shared(server: Server) -> None:
    with Client(server.address) as client:
        before = json.loads(client.get("/spoil?x=1").body)
        again = json.loads(client.get("/spoil?x=1").body)
        seen = json.loads(client.get("/environ?x=1").body)
    assert before == again
    assert "x.spoilt" not in seen
    assert "spoilt" not in [value for value in seen.values() if isinstance(value, str)]
    assert seen["QUERY_STRING"] == "x=1"
    assert seen["SCRIPT_NAME"] == ""


def test_errors_go_to_the_log_line_by_line(server: Server) -> None:
    mark = server.mark()
    assert fetch(server.address, "/errors").status == 200
    server.wait_log("errors-line-2 \u20ac", since=mark)
    lines = server.log_since(mark).splitlines()
    for text in ("errors-write", "errors-line-1"):
        assert [line for line in lines if line.endswith(text)], lines


def test_several_workers_are_multiprocess() -> None:
    with Server(BEHAVIOURS, arguments=["-w", "2"]) as server:
        assert "2 workers" in server.serving_line
        assert environ_of(server.address)["wsgi.multiprocess"] == "True"


def test_script_name_from_the_configuration() -> None:
    with Server(BEHAVIOURS, options="script_name = /prefix") as server:
        seen = environ_of(server.address, "/prefix/environ")
        if seen["SCRIPT_NAME"] == "/prefix":
            assert seen["PATH_INFO"] == "/environ"
