"""Programs in fapws4's form, run as their documentation taught: one file, and a command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.raw import Client, Cut, fetch
from support.server import ROOT, Server

from fapws.settings.command_line import configuration, parse_arguments
from fapws.settings.problems import ConfigError

PROGRAMS = Path(__file__).parent / "programs"
COMMANDS = ("fapws", "fapws4")


class Bare(Server):
    """Started by nothing but the program's name, so that its own SERVER counts."""

    def _words(self) -> list[str]:
        return [str(self._app)]


def command(name: str) -> str:
    """The words of a command as it is installed."""
    entry = re.search(rf'^{name} = "([\w.]+):main"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert entry is not None
    return shlex.join([sys.executable, "-c", f"import sys; from {entry[1]} import main; sys.exit(main())"])


@pytest.fixture(scope="module", params=["fapws", "fapws4", "ini"])
def returns(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """programs/returns.py, by both commands and from an INI file."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param in COMMANDS:
            patch.setenv("FAPWS_COMMAND", command(request.param))
            server: Server = Bare(PROGRAMS / "returns.py")
        else:
            server = Server(PROGRAMS / "returns.py", options="workers = 1")
        with server:
            yield server


@pytest.fixture(scope="module")
def classes() -> Iterator[Server]:
    """programs/classes.py."""
    with Server(PROGRAMS / "classes.py") as server:
        yield server


# ---- How it is started ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_hello_is_served_where_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPWS_COMMAND", command(name))
    with Bare(PROGRAMS / "hello.py") as server:
        assert server.address[0] == "127.0.0.1"
        answer = fetch(server.address, "/anything")
        assert (answer.status, answer.text) == (200, "Hello world!!")
        assert answer.head.get("Content-Type") == "text/html; charset=utf-8"


def test_hello_is_served_by_several_workers_of_an_ini_file() -> None:
    with Server(PROGRAMS / "hello.py", options="workers = 2") as server:
        assert {fetch(server.address).text for _ in range(10)} == {"Hello world!!"}


@pytest.mark.parametrize(
    ("where", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("localhost:0", "127.0.0.1")]
)
def test_server_in_a_real_start(where: str, host: str, tmp_path: Path) -> None:
    script = tmp_path / "hello.py"
    script.write_text((PROGRAMS / "hello.py").read_text().replace("127.0.0.1:0", where))
    with Bare(script) as server:
        assert server.address[0] in (host, "localhost")
        assert fetch((host, server.port)).text == "Hello world!!"


def test_server_may_be_a_unix_socket(tmp_path: Path) -> None:
    class Unix(Bare):
        def _words(self) -> list[str]:
            script = self.directory / "hello.py"
            script.write_text((PROGRAMS / "hello.py").read_text().replace("127.0.0.1:0", "unix:s"))
            return [str(script)]

    with Unix("unused", unix=True) as server:
        assert fetch(server.address).text == "Hello world!!"


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("'10.0.0.1:81'", ("10.0.0.1", 81)),
        ("'10.0.0.1'", ("10.0.0.1", 8888)),
        ("':80'", ("0.0.0.0", 80)),
        ("'[::1]:80'", ("::1", 80)),
        ("'[::1]'", ("::1", 8888)),
        ("''", ("0.0.0.0", 8888)),
        ("None", ("0.0.0.0", 8888)),
        ("'127.0.0.1:' + str(80 + 1)", ("127.0.0.1", 81)),
    ],
)
def test_forms_of_server(server: str, told: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(f"SERVER = {server}\nPATHS = [('/', print)]\n")
    (pool,) = configuration(parse_arguments(["s.py"], str(tmp_path)), str(tmp_path))().pools
    assert [(address.host, address.port) for address in pool.listen] == [told]
    (pool,) = configuration(parse_arguments(["-b", ":1", "s.py"], str(tmp_path)), str(tmp_path))().pools
    assert [address.port for address in pool.listen] == [1], "the command line is stronger"


@pytest.mark.parametrize("server", ["'10.0.0.1:x'", "'256.0.0.1'", "'a b'", "'[::g]:80'", "':99999'", "80"])
def test_wrong_server_is_told_with_its_value(server: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(f"SERVER = {server}\nPATHS = [('/', print)]\n")
    with pytest.raises(ConfigError, match=rf"s\.py: SERVER = {re.escape(server.strip(chr(39)))}: "):
        configuration(parse_arguments(["s.py"], str(tmp_path)), str(tmp_path))()


def start_in_vain(script: Path, *words: str) -> str:
    """What a start prints that must fail before anything is bound."""
    done = subprocess.run(
        [sys.executable, "-m", "fapws", *words, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 6, done.stderr
    assert "serving" not in done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ("", "defines none of application, app and PATHS; callable there: hello"),
        ("PATHS = {}", "PATHS must be a list of (prefix, callable) pairs, not dict"),
        ("PATHS = [('/', hello), '/x']", "PATHS[1] = '/x' is not a (prefix, callable) pair"),
        ("PATHS = [('/', 'hello')]", "PATHS[0] = ('/', 'hello'): str is not callable"),
    ],
)
def test_wrong_paths_end_the_start_before_the_bind(paths: str, told: str, tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(f"def hello(environ, start_response):\n    return ''\n\n{paths}\n")
    with Occupied() as port:
        # The port is taken: a bind would be what is told.
        error = start_in_vain(script, "-b", f"127.0.0.1:{port}")
    assert told in error and str(script) in error
    assert "in use" not in error


class Occupied:
    """A port of the loopback that somebody else listens on."""

    def __enter__(self) -> int:
        import socket

        self._socket = socket.create_server(("127.0.0.1", 0))
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *error: object) -> None:
        self._socket.close()


def test_list_that_only_a_run_can_tell_is_an_error_that_names_the_entry(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("def make():\n    return [('/', print), ('/b', 5)]\n\nPATHS = make()\n")
    done = subprocess.run(
        [sys.executable, "-m", "fapws", "-b", "127.0.0.1:0", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode != 0
    assert "PATHS[1] = ('/b', 5): int is not callable" in done.stdout + done.stderr


def test_script_that_imports_fapws4_may_compute_its_server(tmp_path: Path) -> None:
    source = "from fapws4.base import get_status\nSERVER = ':' + get_status(404)[:3]\n"
    source += "PATHS = [('/', print)]\n"
    (tmp_path / "s.py").write_text(source)
    (pool,) = configuration(parse_arguments(["s.py"], str(tmp_path)), str(tmp_path))().pools
    assert pool.listen[0].port == 404


def test_wrong_paths_leave_the_old_ones_serving_at_a_reload(tmp_path: Path) -> None:
    import signal

    script = tmp_path / "s.py"
    shutil.copy(PROGRAMS / "hello.py", script)
    with Server(script) as server:
        script.write_text("PATHS = [('/', 'hello')]\n")
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log(r"PATHS\[0\] = \('/', 'hello'\): str is not callable")
        assert fetch(server.address).text == "Hello world!!"


# ---- What it may return --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "kind", "content"),
    [
        ("/text", 200, "text/html; charset=utf-8", "é".encode()),
        ("/octets", 200, "application/octet-stream", b"\0\xff"),
        ("/several", 200, "text/plain; charset=utf-8", "abé".encode()),
        ("/mixed", 200, "text/html; charset=utf-8", b"ab"),
        ("/nothing", 200, "text/html", b""),
        ("/only_status", 404, None, b""),
        ("/binary_file", 200, "text/html", b"0123456789" * 20000),
        ("/system_file", 200, "text/html", b"0123456789" * 20000),
        ("/text_file", 200, "text/html; charset=utf-8", "é".encode() * 100000),
        ("/string_file", 200, "text/html; charset=utf-8", b"from memory"),
        ("/generator", 202, "text/plain; charset=utf-8", "one two é".encode()),
        ("/writing", 200, "text/plain", b"written returned"),
        ("/method", 200, "text/html; charset=utf-8", b"method"),
        ("/class", 200, "text/plain", b"instance"),
        ("/partial", 200, "text/html; charset=utf-8", b"partial"),
        ("/lambda", 200, "text/html; charset=utf-8", b"lambda"),
    ],
)
def test_what_an_object_returns(
    returns: Server, path: str, status: int, kind: str | None, content: bytes
) -> None:
    with Client(returns.address) as client:
        answer = client.get(path)
        assert (answer.status, answer.head.get("Content-Type"), answer.body) == (status, kind, content)
        head = client.get(path, method="HEAD")
        assert (head.status, head.head.get("Content-Type"), head.body) == (status, kind, b"")
        client.get("/text")


def test_object_keeps_its_state(returns: Server) -> None:
    first = int(fetch(returns.address, "/counter").text)
    assert fetch(returns.address, "/counter").text == str(first + 1)


@pytest.mark.parametrize(
    ("path", "name"), [("/binary_file", "file"), ("/text_file", "file"), ("/generator", "generator")]
)
def test_what_was_returned_is_closed(returns: Server, path: str, name: str) -> None:
    # One connection: on it a response is closed before the next request is served, on others perhaps not.
    with Client(returns.address) as client:
        client.get("/closed")
        for method in ("GET", "HEAD"):
            client.get(path, method=method)
            assert client.get("/closed").text == name


def test_generator_is_closed_when_the_client_leaves(returns: Server) -> None:
    fetch(returns.address, "/closed")
    with Client(returns.address, receive_buffer=4096) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        client.read_head()
        client.reset()
    names = ""
    for _ in range(1000):
        names = fetch(returns.address, "/closed").text
        if names:
            break
    assert names == "endless"


def test_failure_is_500_and_a_traceback_in_the_log(returns: Server) -> None:
    mark = returns.mark()
    answer = fetch(returns.address, "/fail?a=1")
    assert (answer.status, answer.head.get("Content-Type")) == (500, "text/html; charset=utf-8")
    assert "on purpose" not in answer.text
    returns.wait_log(r"the application failed at GET /fail\?a=1", since=mark)
    returns.wait_log("LookupError: on purpose", since=mark)
    assert "fapws/compat/paths.py" not in returns.log_since(mark)


def test_failure_behind_the_first_piece_cuts_the_answer(returns: Server) -> None:
    mark = returns.mark()
    with Client(returns.address) as client, pytest.raises(Cut):
        client.get("/fail_late")
    returns.wait_log("LookupError: too late", since=mark)


# ---- As it was taught ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taught() -> Iterator[Server]:
    """programs/taught.py."""
    with Server(PROGRAMS / "taught.py") as server:
        yield server


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/hello", "Hello world!!"),
        ("/class", "word: 1970"),
        ("/class2", "line 0\nline 1\nline 2\n"),
        ("/iteration", "Hello world!!"),
        ("/tuple", "Hello world!!"),
        ("/file", (PROGRAMS / "taught.py").read_text()),
        ("/static/hello.py", (PROGRAMS / "hello.py").read_text()),
        ("/testpost", "<form method='post'><input name='name' /></form>"),
    ],
)
def test_program_as_the_documentation_taught_it(taught: Server, path: str, content: str) -> None:
    answer = fetch(taught.address, path)
    assert (answer.status, answer.text) == (200, content)
    assert fetch(taught.address, path, method="HEAD").status == 200


def test_environ_is_shown_as_taught(taught: Server) -> None:
    lines = fetch(taught.address, "/envXYZ?a=1").text.split("\n")
    assert {"SCRIPT_NAME => /env", "PATH_INFO => XYZ", "fapws.params => {'a': ['1']}"} <= set(lines)


def test_form_is_posted_as_taught(taught: Server) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    answer = fetch(taught.address, "/testpost", kind, method="POST", body=b"name=a+b&x=")
    assert answer.text == "OK. params are:name=['a b'], x=['']"


@pytest.mark.parametrize(("path", "status"), [("/redirect", 302), ("/redirectcodes", 301)])
def test_redirect_as_taught(taught: Server, path: str, status: int) -> None:
    answer = fetch(taught.address, path)
    assert answer.status == status and str(answer.head.get("Location")).endswith("/hello")


def test_bad_script_as_taught_is_500_and_in_the_log(taught: Server) -> None:
    mark = taught.mark()
    assert fetch(taught.address, "/badscript").status == 500
    taught.wait_log("NameError: name 'this_is_not_defined' is not defined", since=mark)


# ---- Its own classes -----------------------------------------------------------------------------


def test_environ_of_the_program_sees_it_being_filled(classes: Server) -> None:
    answer = fetch(classes.address, "/order/rest?a=1", "X-A: 1")
    assert answer.text.split("\n") == [
        "Environ",
        "yes",
        "headers:HTTP_HOST,HTTP_X_A,fapws.raw_header",
        "uri:/rest",
        "request:True",
    ]


def test_start_response_of_the_program_is_used(classes: Server) -> None:
    assert fetch(classes.address, "/order").head.get("X-Own") == "1"


def test_cookies_and_repeated_fields_arrive(classes: Server) -> None:
    answer = fetch(classes.address, "/cookies", "Cookie: other=1; seen=this")
    assert answer.text == "this"
    assert answer.head.all("Set-Cookie") == [
        "a=1; Max-Age=10; Path=/",
        "b=2; Path=/",
        'c=""; Max-Age=0; Path=/',
    ]
    assert answer.head.all("X-Twice") == ["1", "2"]
    assert fetch(classes.address, "/cookies").text == "none"


def test_client_cannot_write_fields(classes: Server) -> None:
    mark = classes.mark()
    answer = fetch(classes.address, "/inject?v=a%0d%0aSet-Cookie:%20x=1")
    assert answer.status == 500 and not answer.head.all("Set-Cookie")
    classes.wait_log("ValueError: the value of X-A has control characters", since=mark)
    assert fetch(classes.address, "/inject?v=fine").head.get("X-A") == "fine"


def test_fapws4_is_fapws_also_in_threads_and_later(classes: Server) -> None:
    assert fetch(classes.address, "/same").text == repr([True] * 8)


def test_fapws4_is_not_there_for_a_plain_application(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    try:\n        import fapws4\n"
        "    except ImportError:\n        return [' '.join(sorted(sys.modules)).encode()]\n"
        "    return [b'there']\n"
    )
    (tmp_path / "site_of_mine.py").write_text(source)
    with Server("site_of_mine:application", directory=tmp_path) as server:
        modules = fetch(server.address).text.split()
    assert "fapws.wsgi.serve" in modules
    paid = {"fapws.base", "fapws.compat", "fapws.compat.alias", "fapws.compat.paths", "there"}
    assert not paid & set(modules)


# ---- fapws.config --------------------------------------------------------------------------------


def test_settings_of_the_program_count(tmp_path: Path) -> None:
    with Server(PROGRAMS / "settings.py") as server:
        assert fetch(server.address, "/x").head.get("Server") == "mine/1.0"
        assert fetch(server.address, "/own").head.get("Server") == "own"
        assert fetch(server.address, "/fail").head.get("Server") == "mine/1.0"
        assert "contact your administrator" in fetch(server.address, "/fail").text
        fetch(server.address, "/switch?send_traceback_short=Sorry%21")
        assert fetch(server.address, "/fail").text == "Sorry!"
        fetch(server.address, "/switch?send_traceback_to_browser=True")
        answer = fetch(server.address, "/fail")
        assert answer.status == 500 and answer.head.get("Content-Type") == "text/plain; charset=utf-8"
        assert answer.text.startswith("Traceback") and "LookupError: on purpose" in answer.text
        fetch(server.address, "/switch?date_format=in%20%25Y")
        assert "expires=in 1970" in str(fetch(server.address, "/cookie").head.get("Set-Cookie"))


@pytest.mark.parametrize(
    ("method", "status"),
    [("PUT", 200), ("DELETE", 200), ("PATCH", 200), ("OPTIONS", 200), ("BREW", 200), ("PROPFIND", 501)],
)
def test_methods_are_those_the_program_takes(method: str, status: int) -> None:
    with Server(PROGRAMS / "settings.py") as server:
        answer = fetch(server.address, "/", method=method)
        assert answer.status == status
        assert answer.text == method or status == 501


# ---- MAX_BODY_SIZE -------------------------------------------------------------------------------


def test_content_beyond_max_body_size_is_413_and_ends_the_connection(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "MAX_BODY_SIZE = 10 * 10\n"
        "def size(environ, start_response):\n    return str(len(environ['wsgi.input'].read()))\n"
        "PATHS = [('/', size)]\n"
    )
    with Server(script) as server:
        assert fetch(server.address, method="POST", body=b"x" * 100).text == "100"
        with Client(server.address) as client:
            assert client.get("/", method="POST", body=b"x" * 101).status == 413
            client.assert_ended()
    with Server(script, options="max_body_size = 200") as server:
        assert fetch(server.address, method="POST", body=b"x" * 101).text == "101"
