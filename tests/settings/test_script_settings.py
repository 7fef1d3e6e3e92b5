"""SERVER and MAX_BODY_SIZE of a script, found without importing it here."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fapws.compat import script
from fapws.compat.script import ScriptSettings, script_settings
from fapws.settings.ini import ConfigError, read
from fapws.settings.model import Pool

RAN = "open({!r}, 'w').close()\n"


def settings(tmp_path: Path, source: str, name: str = "s.py") -> tuple[ScriptSettings, bool]:
    """What is found, and whether the script was run for it."""
    mark = tmp_path / "ran"
    path = tmp_path / name
    path.write_text(RAN.format(str(mark)) + source)
    found = script_settings(str(path), Pool("p", script=str(path)))
    return found, mark.exists()


@pytest.mark.parametrize(
    ("source", "server", "size"),
    [
        ("", "", ""),
        ("SERVER = '10.0.0.1'", "10.0.0.1", ""),
        ("SERVER: str = ':80'", ":80", ""),
        ("MAX_BODY_SIZE = 10 * 2**20", "", "10485760"),
        ("MAX_BODY_SIZE = -(1 << 3)", "", "-8"),
        ("SERVER = None", "", ""),
        ("def f():\n    SERVER = g()\nclass A:\n    SERVER = g()\nSERVER_NAME = f", "", ""),
        ("import nix\nSERVER = ':81'", ":81", ""),
    ],
)
def test_constants_are_found_without_running_the_script(
    tmp_path: Path, source: str, server: str, size: str
) -> None:
    source += "\nPATHS = [('/', print)]"
    assert settings(tmp_path, source) == (ScriptSettings(server, size, True), False)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nSERVER = ':' + str(80)",
        "SERVER = ':81'\nSERVER = ':80'",
        "if True:\n    SERVER = ':80'",
        "SERVER, other = ':80', 1",
        "SERVER = ':8'\nSERVER += '0'",
        "from beside import *",
        "SERVER = ':81'\nfrom beside import *",
        "from beside import SERVER",
        "import beside\nSERVER = beside.SERVER",
    ],
)
def test_other_values_are_found_by_running_it(tmp_path: Path, source: str) -> None:
    (tmp_path / "beside.py").write_text("SERVER = ':80'\n")
    assert settings(tmp_path, source) == (ScriptSettings(":80"), True)
    assert "s" not in sys.modules and "beside" not in sys.modules


def test_environment_of_the_pool_counts(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("import os\nSERVER = os.environ['WHERE']\n")
    pool = Pool("p", script=str(path), env=(("WHERE", ":99"),))
    assert script_settings(str(path), pool).server == ":99"
    assert "WHERE" not in os.environ


@pytest.mark.parametrize(
    "source", ["PATHS = [('/', 1)]", "from beside import PATHS", "if 1:\n    PATHS = [('/', 1)]"]
)
def test_paths_are_noticed(tmp_path: Path, source: str) -> None:
    assert settings(tmp_path, source)[0].has_paths


@pytest.mark.parametrize(
    "source",
    [
        "def broken(:",
        "SERVER = ':80'\0",
    ],
)
def test_script_that_is_no_python_has_no_settings(tmp_path: Path, source: str) -> None:
    assert settings(tmp_path, source)[0] == ScriptSettings()


FORGE = """\
import os
for fd in range(3, 10_000):  # PyPy leaves many open here until its collector comes: the pipe's may be high
    try:
        os.write(fd, {data})
    except OSError:
        pass
SERVER = os._exit(0)
"""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("SERVER = f()", "it failed with NameError: name 'f' is not defined"),
        ("import os\nSERVER = os._exit(1)", "ended the process"),
        ("import os, signal\nSERVER = os.kill(os.getpid(), signal.SIGKILL)", "ended the process"),
        ("import sys\nSERVER = sys.exit()", "it failed with SystemExit"),
        (
            "class E(Exception):\n    def __str__(self): raise E\nSERVER = str(int)\nraise E",
            "it failed with E",
        ),
        (FORGE.format(data="b'x' * 2**20"), "ended the process"),
        (FORGE.format(data="b'1' + bytes(7) + b'\\xff'"), "ended the process"),
    ],
)
def test_script_that_fails_is_not_known(tmp_path: Path, source: str, told: str) -> None:
    found = settings(tmp_path, source)[0]
    assert told in found.unknown
    assert found._replace(unknown="") == ScriptSettings()


def test_line_that_is_no_number_is_none(tmp_path: Path) -> None:
    data = repr(b"\0".join([b"", b"", b"", b"", b"", b"wrong", b"\xd9\xa3x", b""]) + b"\0\xff")
    found = settings(tmp_path, FORGE.format(data=data))[0]
    assert (found.mistake, found.mistake_line) == ("wrong", 0)


def test_what_a_script_has_forked_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "TIMEOUT", 100.0)
    over = tmp_path / "over"
    forked = f"while not os.path.exists({str(over)!r}) and time.monotonic() < began + 120:"
    forked += "\n        time.sleep(0.05)"
    source = "import os, time\nbegan = time.monotonic()\n"
    source += f"if not os.fork():\n    {forked}\n    os._exit(0)\nSERVER = str(80)"
    try:
        began = time.monotonic()
        assert settings(tmp_path, source)[0].server == "80"
        assert time.monotonic() - began < 60
    finally:
        over.touch()


@pytest.mark.parametrize(("listen", "known"), [("", False), ("listen = :80", True)])
def test_no_default_takes_the_place_of_what_is_not_known(tmp_path: Path, listen: str, known: bool) -> None:
    (tmp_path / "s.py").write_text("SERVER = f()\n")
    ini = tmp_path / "x.ini"
    ini.write_text(f"[app:p]\nscript = s.py\nmax_body_size = 1k\n{listen}\n")
    if known:
        assert read(str(ini)).pools[0].listen[0].port == 80
    else:
        with pytest.raises(ConfigError, match=r"s\.py: cannot be asked for listen: it failed with NameError"):
            read(str(ini))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose rights a script's word does not get")
@pytest.mark.parametrize(
    ("server", "user", "refused"),
    [
        ("unix:/run/x", "nobody", True),
        (":80", "nobody", True),
        (":8080", "nobody", False),
        (":0", "nobody", False),
        ("unix:/run/x", "root", False),
        (":80", "", False),
    ],
)
def test_script_of_another_user_does_not_have_root_bind_for_it(server: str, user: str, refused: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        Path(name, "s.py").write_text(
            f"SERVER = {server!r}\n\ndef application(environ, start_response): ...\n"
        )
        ini = Path(name, "x.ini")
        ini.write_text(f"[app:p]\nscript = s.py\nuser = {user}\n")
        if refused:
            with pytest.raises(ConfigError, match="is not user nobody's to say; set listen"):
                read(str(ini))
        else:
            assert read(str(ini)).pools[0].listen


def test_script_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "TIMEOUT", 0.3)
    forked: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: forked.append(fork()) or forked[-1])
    source = "import time\nSERVER = time.sleep(60)"
    began = time.monotonic()
    assert settings(tmp_path, source)[0].unknown.startswith("it did not come to an end")
    assert time.monotonic() - began < 30, "the child slept to its end"
    assert len(forked) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(forked[0], os.WNOHANG)


def test_script_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found, ran = settings(tmp_path, "import os\nprint('loud')\nos.system('echo loud >&2')\nSERVER = str(80)")
    assert (found.server, ran) == ("80", True)
    assert capfd.readouterr() == ("", "")


def test_file_with_callable_behind_it_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("SERVER = ':80'\n")
    assert script_settings(f"{tmp_path}/s.py:app").server == ":80"
    assert script_settings(f"{tmp_path}/nix.py") == ScriptSettings()
