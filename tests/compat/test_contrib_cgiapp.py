"""fapws.contrib.cgiapp: real scripts behind a real server, and what becomes of their processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from fapws.contrib.cgiapp import CGIApplication, CGIError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.server import Server

SCRIPTS = {
    "hello": "echo 'Content-Type: text/plain'; echo; echo \"hello $REQUEST_METHOD $QUERY_STRING\"",
    "env": "echo 'Content-Type: text/plain'; echo; env; pwd",
    "cat": "echo 'Content-Type: text/plain'; echo; echo \"$CONTENT_LENGTH\"; cat",
    "early": "echo 'Content-Type: text/plain'; echo; head -c 300000 /dev/zero; cat",
    "status": "printf 'Status: 404 Gone fishing\\r\\nContent-Type: text/plain\\r\\nX-Y: z\\r\\n\\r\\nno'",
    "away": "echo 'Location: http://example.com/x'; echo",
    "local": "echo 'Location: /hello?from=local'; echo",
    "loop": "echo 'Location: /loop'; echo",
    "crash": "echo 'it is broken' >&2; exit 3",
    "noise": "echo 'hello there'; echo; echo x",
    "endless": "exec head -c 100000000 /dev/zero",
    "late": "echo 'Content-Type: text/plain'; echo; echo done; echo 'out of paper' >&2; exit 7",
    "killed": "echo 'Content-Type: text/plain'; echo; echo half; kill -9 $$",
    "shouting": "echo 'Content-Type: text/plain'; echo; head -c 9000000 /dev/zero | tr '\\0' x >&2; echo ok",
    "big": 'echo $$ >"$FOLDER/pid"; echo "Content-Type: text/plain"; echo; exec head -c 50000000 /dev/zero',
    # Tells its process, then waits for the test at two named pipes.
    "waiting": 'echo $$ >"$FOLDER/pid"; read x <"$FOLDER/gate"; echo "Content-Type: text/plain"; echo;'
    ' echo "$x"; read y <"$FOLDER/gate2"; echo "$y"',
    "ticking": 'echo $$ >"$FOLDER/pid"; echo "Content-Type: text/plain"; echo;'
    " while :; do echo tick; sleep 0.05; done",
    "hanging": 'sleep 600 & echo "$$ $!" >"$FOLDER/pid"; wait',
    "hanging_later": 'echo "Content-Type: text/plain"; echo; echo a;'
    ' sleep 600 & echo "$$ $!" >"$FOLDER/pid"; wait',
    "closed": 'echo "Content-Type: text/plain"; echo; echo all; exec >&- 2>&-;'
    ' echo $$ >"$FOLDER/pid"; sleep 600',
}

LIMIT = 5
"""Seconds in which a shell has begun on a busy machine, too: what it has written by then is looked at."""

APP = """
from fapws.contrib.cgiapp import CGIApplication

folder = {folder!r}
more = {{"FOLDER": folder}}
short = {{"hanging": {limit}, "hanging_later": {limit}}}

def local(environ, start_response):
    return routed["/" + environ["PATH_INFO"].split("/")[1]](environ, start_response)

def script(name):
    return CGIApplication(folder + "/" + name, short.get(name, 30), environment=more, local=local,
                          document_root="/srv/www")

routed = {{"/" + name: script(name) for name in {names!r}}}
PATHS = [("/plain", lambda environ, start_response: "plain"),
         ("/alone/local", CGIApplication(folder + "/local"))]
PATHS += sorted(routed.items(), reverse=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cgi")
    for name, text in SCRIPTS.items():
        (made / name).write_text(f"#!/bin/sh\n{text}\n")
        (made / name).chmod(0o755)
    for gate in ("gate", "gate2"):
        os.mkfifo(made / gate)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One worker: whoever blocks it blocks everybody."""
    app = APP.format(folder=str(folder), names=list(SCRIPTS), limit=LIMIT)
    with Server(app, arguments=["-w", "1"], env={"SECRET_OF_THE_SERVER": "x"}) as running:
        yield running


@pytest.fixture
def pid_file(folder: Path) -> Iterator[Path]:
    path = folder / "pid"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def asked(server: Server, path: str, method: str = "GET", **more: Any) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(*server.address, timeout=30)
    try:
        connection.request(method, path, **more)
        yield connection.getresponse()
    finally:
        connection.close()


def get(server: Server, path: str, method: str = "GET", **more: Any) -> tuple[int, bytes]:
    with asked(server, path, method, **more) as answer:
        return answer.status, answer.read()


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Asks again and again; fails when the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def receive_until(client: socket.socket, word: bytes) -> bytes:
    """What comes until there is the word in it."""
    received = b""
    while word not in received:
        piece = client.recv(65536)
        assert piece, f"the connection ended after {received!r}"
        received += piece
    return received


def tell(gate: Path, line: bytes) -> None:
    """Lets a script that waits at a named pipe go on; fails when there is none."""
    descriptor = until(lambda: _open_for_a_reader(gate))
    os.write(descriptor, line)
    os.close(descriptor)


def _open_for_a_reader(gate: Path) -> int | None:
    try:
        return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None  # nobody reads there yet


def is_gone(pid: int) -> bool:
    """Ended, and reaped by the server or by init."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pids(path: Path) -> list[int]:
    return until(lambda: path.exists() and [int(word) for word in path.read_text().split()])  # type: ignore


# ---- What goes in, what comes out ----------------------------------------------------------------


def test_a_script_answers(server: Server) -> None:
    with asked(server, "/hello?a=b") as answer:
        assert (answer.status, answer.read()) == (200, b"hello GET a=b\n")
        assert answer.getheader("Content-Type") == "text/plain"


def test_a_connection_goes_on_after_a_script(server: Server) -> None:
    connection = HTTPConnection(*server.address, timeout=30)
    for path in ("/hello", "/crash", "/cat", "/status", "/hello"):
        connection.request("POST", path, body=b"x")
        connection.getresponse().read()
    connection.close()


def test_the_environment_is_cgis(server: Server, folder: Path) -> None:
    fields = {"X-Name": "v", "Proxy": "http://evil/", "Authorization": "Basic eA=="}
    _, text = get(server, "/env/a%20b/c?q=1", headers=fields)
    *lines, where = text.decode().splitlines()
    made = dict(line.split("=", 1) for line in lines)
    assert where == str(folder)
    assert (made["SCRIPT_NAME"], made["PATH_INFO"]) == ("/env", "/a b/c")
    assert made["PATH_TRANSLATED"] == "/srv/www/a b/c"
    assert made["HTTP_X_NAME"] == "v"
    for key in ("HTTP_PROXY", "HTTP_AUTHORIZATION", "SECRET_OF_THE_SERVER", "PYTHONPATH"):
        assert key not in made
    assert get(server, "/envX")[0] == 404


@pytest.mark.parametrize("size", [0, 1, 60_000, 3_000_000])
def test_content_reaches_the_script_from_memory_and_from_disk(server: Server, size: int) -> None:
    content = os.urandom(size)
    _, text = get(server, "/cat", "POST", body=content)
    length, _, rest = text.partition(b"\n")
    assert int(length or 0) == size
    assert rest == content


def test_chunked_content_has_a_length_for_the_script(server: Server) -> None:
    for content in (b"abc", b"x" * 300_000):
        _, text = get(server, "/cat", "POST", body=iter([content]), encode_chunked=True,
                      headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        assert text == b"%d\n%s" % (len(content), content)


@pytest.mark.parametrize("size", [60_000, 3_000_000])
def test_a_script_that_answers_before_it_reads_does_not_hang(server: Server, size: int) -> None:
    _, text = get(server, "/early", "POST", body=b"x" * size)
    assert len(text) == 300_000 + size


def test_status_and_fields(server: Server) -> None:
    with asked(server, "/status") as answer:
        assert (answer.status, answer.reason, answer.read()) == (404, "Gone fishing", b"no")
        assert answer.getheader("X-Y") == "z"


def test_head_has_no_content(server: Server) -> None:
    with asked(server, "/hello", "HEAD") as answer:
        assert (answer.status, answer.read()) == (200, b"")


def test_redirects(server: Server) -> None:
    with asked(server, "/away") as answer:
        assert (answer.status, answer.getheader("Location")) == (302, "http://example.com/x")
    assert get(server, "/local", "POST", body=b"x") == (200, b"hello GET from=local\n")
    with asked(server, "/alone/local") as answer:
        assert answer.status == 302
        assert answer.getheader("Location") == server.url + "/hello?from=local"


def test_a_circle_of_local_redirects_ends(server: Server) -> None:
    mark = server.mark()
    assert get(server, "/loop")[0] == 502
    server.wait_log("redirects", since=mark)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crash", r"crash ended without a whole head \(status 3\)"),
        ("crash", "crash says: it is broken"),
        ("noise", "noise does not speak CGI: .*hello there"),
        ("endless", "endless does not speak CGI: no empty line"),
    ],
)
def test_malformed_output_is_502_and_a_line_in_the_log(server: Server, name: str, words: str) -> None:
    mark = server.mark()
    assert get(server, "/" + name)[0] == 502
    server.wait_log(words, since=mark)


def test_errors_after_the_answer_are_in_the_log(server: Server) -> None:
    mark = server.mark()
    assert get(server, "/late") == (200, b"done\n")
    server.wait_log("late says: out of paper", since=mark)
    server.wait_log(r"late ended \(status 7\)", since=mark)


def test_a_script_that_is_killed_leaves_a_cut_answer(server: Server) -> None:
    with asked(server, "/killed") as answer, pytest.raises(IncompleteRead):
        answer.read()


def test_a_flood_of_errors_does_not_hold_up_the_answer_nor_fill_the_log(server: Server) -> None:
    mark = server.mark()
    assert get(server, "/shouting") == (200, b"ok\n")
    get(server, "/late")  # writes a line, before which it is told what the log had no room for
    server.wait_log("the rest of its errors is left out|log lines were lost here", since=mark)
    assert len(server.log_since(mark)) < 500_000


# ---- Others meanwhile, and the processes ---------------------------------------------------------


def test_a_slow_script_stops_nobody_and_its_output_comes_as_it_is_written(
    server: Server, folder: Path, pid_file: Path
) -> None:
    with socket.create_connection(server.address, timeout=30) as slow:  # type: ignore[arg-type]
        slow.sendall(b"GET /waiting HTTP/1.1\r\nHost: x\r\n\r\n")
        pids(pid_file)  # it runs, and has written nothing
        for _ in range(20):
            assert get(server, "/plain") == (200, b"plain")
        tell(folder / "gate", b"first\n")
        received = receive_until(slow, b"first")
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"second" not in received
        for _ in range(20):
            assert get(server, "/plain") == (200, b"plain")
        tell(folder / "gate2", b"second\n")
        receive_until(slow, b"second")


def test_many_scripts_at_once_and_no_zombie_stays(server: Server) -> None:
    answers: list[tuple[int, bytes]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(get(server, f"/hello?{n}"))) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == sorted((200, b"hello GET %d\n" % n) for n in range(20))
    until(lambda: len(server.processes()) == 2)  # master and worker; scripts have groups of their own


@pytest.mark.parametrize(("name", "status"), [("hanging", 504), ("hanging_later", 200)])
def test_a_script_is_killed_with_its_children_at_the_time_limit(
    server: Server, pid_file: Path, name: str, status: int
) -> None:
    mark = server.mark()
    with asked(server, "/" + name) as answer:
        assert answer.status == status
        if status == 200:
            with pytest.raises(IncompleteRead):
                answer.read()
    server.wait_log(f"more than {LIMIT} seconds", since=mark)
    for pid in pids(pid_file):
        until(lambda pid=pid: is_gone(pid))


@pytest.mark.parametrize("name", ["ticking", "big"])
def test_a_script_is_killed_when_the_client_leaves(server: Server, pid_file: Path, name: str) -> None:
    with socket.create_connection(server.address, timeout=30) as client:  # type: ignore[arg-type]
        client.sendall(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        pid = pids(pid_file)[0]
    until(lambda: is_gone(pid))


def test_a_script_that_closes_its_output_and_stays_is_ended(server: Server, pid_file: Path) -> None:
    mark = server.mark()
    assert get(server, "/closed") == (200, b"all\n")
    server.wait_log("closed was killed: it has closed its output", since=mark)
    until(lambda: is_gone(pids(pid_file)[0]))


# ---- Without a server ----------------------------------------------------------------------------


def call(application: Any, content: bytes = b"", **more: Any) -> tuple[str, bytes, str]:
    """Status, content and log of an answer, all of it checked by wsgiref's validator."""
    errors = io.StringIO()
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/cgi", "PATH_INFO": "", "QUERY_STRING": "",
        "SERVER_NAME": "test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(content)), "CONTENT_TYPE": "text/plain",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(content),
        "wsgi.errors": errors, "wsgi.multithread": False, "wsgi.multiprocess": False,
        "wsgi.run_once": False, **more,
    }  # fmt: skip
    told: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], Any]:
        assert exc_info is not None or not told
        told.append(status)
        return lambda data: None

    result = validator(application)(environ, start_response)
    try:
        received = b"".join(result)
    finally:
        result.close()
    return told[-1], received, errors.getvalue()


@pytest.mark.parametrize("software", ["fapws/5", "another/1"])
def test_every_rule_of_wsgi_is_kept_by_quick_and_slow_scripts(tmp_path: Path, software: str) -> None:
    for name, pause in (("quick", ""), ("slow", "sleep 0.1;")):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{pause} echo 'Content-Type: text/plain'; echo; cat; echo end\n")
        script.chmod(0o755)
        status, received, _ = call(CGIApplication(script), b"content ", SERVER_SOFTWARE=software)
        assert (status, received) == ("200 OK", b"content end\n")


def test_more_content_than_told_is_not_read_from_a_socket_of_another_server(tmp_path: Path) -> None:
    script = tmp_path / "cat"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; cat\n")
    script.chmod(0o755)
    left, right = socket.socketpair()
    with left, right, right.makefile("rb") as source:
        left.sendall(b"abcNEXT")
        _, received, _ = call(CGIApplication(script), **{"wsgi.input": source, "CONTENT_LENGTH": "3"})
    assert received == b"abc"


def test_a_script_that_cannot_run_is_500_and_a_line_in_the_log(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    status, received, log = call(CGIApplication(script))
    assert (status, received) == ("500 Internal Server Error", b"Internal Server Error\n")
    assert "cannot be started" in log


def test_too_many_at_a_time_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo a; sleep 600\n")
    script.chmod(0o755)
    application = CGIApplication(script, max_running=1)
    environ = {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    first: Any = application(dict(environ), lambda *_: lambda data: None)
    while not next(first):
        pass
    status, _, log = call(application)
    assert status == "503 Service Unavailable"
    assert "1 times already" in log
    first.close()
    assert application.running == 0


def test_log_lines_of_a_script_cannot_forge_others(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nprintf 'a\\r\\033[2Jb\\n' >&2; echo 'Content-Type: x/y'; echo\n")
    script.chmod(0o755)
    assert "says: a\\x0d\\x1b[2Jb\n" in call(CGIApplication(script))[2]


def test_a_script_is_looked_at_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo here\n")
    script.chmod(0o755)
    with pytest.raises(ValueError, match="seconds"):
        CGIApplication(script, timeout=0)
    monkeypatch.chdir(tmp_path)
    application = CGIApplication("script")
    monkeypatch.chdir("/")
    assert call(application)[1] == b"here\n"


def test_a_script_that_cannot_be_run_is_told_at_once_and_answered_by_404_or_403(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script"
    late = CGIApplication(script)
    assert capsys.readouterr().err == (
        f"fapws: the script {script} does not exist; requests for it are answered with 404 Not Found\n"
    )
    status, content, log = call(late)
    assert (status, content) == ("404 Not Found", b"Not Found\n") and f"{script} does not exist" in log
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo here\n")
    script.chmod(0o644)
    if os.access(script, os.X_OK):
        pytest.fail("access() says that a file without x may be run")
    assert call(late)[0] == call(CGIApplication(script))[0] == "403 Forbidden"
    script.chmod(0o755)
    assert call(late)[1] == b"here\n", "it has come later than the program"
    script.unlink()
    assert call(late)[0] == "404 Not Found"
    assert call(CGIApplication(tmp_path))[0] == "404 Not Found"
    assert call(CGIApplication(os.fsencode(tmp_path) + b"/no\nne"))[0] == "404 Not Found"
    assert "is not executable" in (told := capsys.readouterr().err) and "is not a regular file" in told
    assert "no\\x0ane does not exist" in told


@pytest.mark.parametrize("key", ["REQUEST_URI", "RAW_URI", "fapws.uri"])
def test_a_script_gets_the_request_target_as_fapws3_gave_it(tmp_path: Path, key: str) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo \"[$REQUEST_URI]\"\n")
    script.chmod(0o755)
    assert call(CGIApplication(script), **{key: "/a%20b?c"})[1] == b"[/a%20b?c]\n"


def test_what_a_script_has_put_into_the_background_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        "#!/bin/sh\necho 'Content-Type: text/plain'; echo; "
        f"sleep 600 >/dev/null 2>&1 </dev/null & echo $! >{tmp_path}/pid; echo ok\n"
    )
    script.chmod(0o755)
    assert call(CGIApplication(script))[1] == b"ok\n"
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, signal.SIGKILL)  # raises if it has gone


def test_an_answer_that_is_cut_raises(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo a; sleep 600\n")
    script.chmod(0o755)
    with pytest.raises(CGIError, match=f"more than {LIMIT} seconds"):
        call(CGIApplication(script, LIMIT))
    assert json.dumps(CGIApplication(script).timeout) == "60.0"
