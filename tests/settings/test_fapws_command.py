"""The command line of fapws, up to the point where the master takes over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fapws import __version__
from fapws.cli import fapws as command
from fapws.cli.fapws import main
from fapws.settings.command_line import Arguments, UsageError, configuration, parse_arguments
from fapws.settings.model import Config
from fapws.settings.problems import ConfigError

ROOT = Path(__file__).parents[2]


def parse(*words: str) -> Arguments:
    return parse_arguments(list(words), "/srv")


def config(directory: Path, *words: str) -> Config:
    return configuration(parse_arguments(list(words), str(directory)), str(directory))()


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    (tmp_path / "hello.py").write_text("SERVER = ':81'\nPATHS = [('/', print)]\n")
    return tmp_path


# ---- Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["-b", ":80", "-w", "2", "--reload", "hello.py"],
        ["-b:80", "-w2", "hello.py", "--reload"],
        ["--bind=:80", "--workers=2", "--reload", "--", "hello.py"],
        ["hello.py", "--bind", ":80", "--workers", "2", "--reload"],
    ],
)
def test_options_in_every_notation(words: list[str]) -> None:
    got = parse(*words)
    assert got._replace(bind=()) == Arguments("hello.py", workers=2, reload=True)
    assert [(address.host, address.port) for address in got.bind] == [("0.0.0.0", 80)]


@pytest.mark.parametrize(("size", "bytes_"), [("0", 0), ("512k", 512 * 1024), ("2g", 2 * 2**30)])
def test_largest_content(hello: Path, size: str, bytes_: int) -> None:
    for words in (["--max-body-size", size], [f"--max-body-size={size}"]):
        (pool,) = config(hello, *words, "hello.py").pools
        assert pool.limits.max_body_size == bytes_
    (hello / "own.py").write_text("SERVER = ':81'\nPATHS = [('/', print)]\nMAX_BODY_SIZE = '1m'\n")
    assert config(hello, *words, "own.py").pools[0].limits.max_body_size == bytes_
    ini = hello / "fapws.ini"
    ini.write_text("[app:a]\nscript = hello.py\nmax_body_size = 7\n")
    assert config(hello, *words, "-c", str(ini)).pools[0].limits.max_body_size == bytes_
    with pytest.raises(UsageError, match="--max-body-size large"):
        parse("--max-body-size", "large", "hello.py")


@pytest.mark.parametrize(
    ("words", "app", "args"),
    [
        (["x:y"], "x:y", None),
        (["x:y", "--"], "x:y", ()),
        (["x:y", "-w", "2", "--", "-w", "3", "--", ""], "x:y", ("-w", "3", "--", "")),
        (["--", "-x.py"], "-x.py", None),
        (["--", "x:y", "--port", "1"], "x:y", ("--port", "1")),
        (["-c", "f", "--", "x:y"], "", ("x:y",)),
    ],
)
def test_what_stands_behind_two_hyphens_is_the_programs(
    words: list[str], app: str, args: tuple[str, ...] | None
) -> None:
    got = parse(*words)
    assert (got.app, got.args) == (app, args)


def test_arguments_of_the_command_line_are_stronger_and_for_one_pool(hello: Path) -> None:
    ini = hello / "fapws.ini"
    ini.write_text("[app:a]\nscript = hello.py\nargs = one\n  'and two'\n")
    assert config(hello, "-c", str(ini)).pools[0].args == ("one", "and two")
    assert config(hello, "-c", str(ini), "--", "three").pools[0].args == ("three",)
    assert config(hello, "-c", str(ini), "--").pools[0].args == ()
    ini.write_text(ini.read_text() + "[app:b]\nscript = hello.py\nlisten = :82\n")
    with pytest.raises(ConfigError, match="has 2 pools; an APP, -b, --static or -- of the command line"):
        config(hello, "-c", str(ini), "--", "three")
    with pytest.raises(UsageError, match="not a:b and c; words for the program itself stand behind --"):
        parse("a:b", "c")
    with pytest.raises(UsageError, match="--port: unknown option, words for the program itself stand behind"):
        parse("a:b", "--port", "1")


def test_several_addresses() -> None:
    got = parse("-b", "[::1]:80", "-b", "unix:a.sock", "-b", "fd:3", "x:y")
    assert [address.kind for address in got.bind] == ["tcp", "unix", "fd"]
    assert got.bind[1].path == "/srv/a.sock"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--reload"], "nothing to serve"),
        (["a:b", "c:d"], "one APP, not a:b and c:d"),
        ([""], "APP is empty"),
        (["-b"], "-b: needs a value"),
        (["--bind=", "x"], "--bind=: needs a value"),
        (["-b", "80", "x"], "-b 80: must be host:port"),
        (["-w", "0", "x"], "-w 0: must be from 1 to 1024"),
        (["-wx", "x"], "-w x: must be a whole number"),
        (["--reload=yes", "x"], "takes no value"),
        (["--relod", "x"], "--relod: unknown option, did you mean --reload?"),
        (["--worker=2", "x"], "--worker: unknown option, did you mean --workers?"),
        (["-x", "x"], "-x: unknown option"),
        (["-hx"], "takes no value"),
        (["-c", "a", "-c", "b"], "there is one INI file"),
        (["--static", "/srv"], "must be a path and a folder, such as /=/srv"),
        (["--static", "/=/nowhere"], "must be a directory: /nowhere"),
        (["--static=x=/"], "--static x=/: must be a path and a folder"),
        (["--static=/=/", "--static", "/=/tmp"], "there is a folder for / already"),
    ],
)
def test_bad_arguments_say_why(words: list[str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    assert told in str(caught.value)


def test_folders_with_and_without_an_application(hello: Path) -> None:
    (hello / "files").mkdir()
    folder = str(hello / "files")
    (pool,) = config(hello, "--static", "/=files").pools
    assert (pool.name, pool.app, pool.script, pool.static) == ("static", "", "", (("", folder),))
    (pool,) = config(hello, "--static=/a/=files", "--static", "/b=.", "hello.py").pools
    assert (pool.name, pool.static) == ("hello", (("/a", folder), ("/b", str(hello))))
    ini = hello / "fapws.ini"
    ini.write_text("[app:a]\nstatic = /:files\n")
    assert config(hello, "-c", str(ini)).pools[0].static == (("", folder),)
    assert config(hello, "-c", str(ini), "--static", "/x=.").pools[0].static == (("/x", str(hello)),)
    ini.write_text("[app:a]\nstatic = /:files\n[app:b]\nstatic = /:files\nlisten = :82\n")
    with pytest.raises(ConfigError, match="has 2 pools; an APP, -b, --static or -- of the command line"):
        config(hello, "-c", str(ini), "--static", "/x=.")


# ---- Configuration -------------------------------------------------------------------------------


def test_script_alone(hello: Path) -> None:
    got = config(hello, "hello.py")
    (pool,) = got.pools
    assert (got.path, got.pidfile, got.control, got.error_log) == ("", "", "", "stderr")
    assert (pool.name, pool.script, pool.app) == ("hello", f"{hello}/hello.py", "")
    assert (pool.listen[0].text, pool.workers, pool.autoreload) == ("0.0.0.0:81", 1, False)


def test_module_is_looked_for_in_the_current_directory(hello: Path) -> None:
    (pool,) = config(hello, "-w4", "--reload", "--strict-paths", "mysite.wsgi:make()").pools
    assert pool.strict_paths and not config(hello, "mysite.wsgi:make()").pools[0].strict_paths
    assert (pool.name, pool.app, pool.directory) == ("mysite", "mysite.wsgi:make()", str(hello))
    assert (pool.listen[0].text, pool.workers, pool.autoreload) == ("127.0.0.1:8888", 4, True)


def test_bind_is_stronger_than_the_script(hello: Path) -> None:
    (pool,) = config(hello, "-b", "127.0.0.1:0", "hello.py").pools
    assert [address.text for address in pool.listen] == ["127.0.0.1:0"]


@pytest.mark.parametrize(
    ("app", "name"),
    [("hello.py:app", "hello"), ("./my app.py", "my-app"), ("ünï.py", "n"), ("a.b.c:d", "a")],
)
def test_name_of_the_pool(hello: Path, app: str, name: str) -> None:
    for file in ("my app.py", "ünï.py"):
        (hello / file).write_text("app = print\n")
    assert config(hello, app).pools[0].name == name


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("hello", "did you mean hello.py?"),
        ("hello:app", ""),
        ("other", "names no callable; write other:application"),
        ("nix.py", "there is no file"),
        ("a-b:c", "must be package.module:callable"),
        ("dir/", "there is no file"),
    ],
)
def test_app_that_cannot_be_one(hello: Path, app: str, told: str) -> None:
    if told:
        with pytest.raises(UsageError) as caught:
            config(hello, app)
        assert told in str(caught.value)
    else:
        assert config(hello, app).pools[0].app == app


def test_ini_with_the_command_line_stronger(hello: Path) -> None:
    ini = hello / "x.ini"
    ini.write_text("[fapws]\nworkers = 2\n[app:a]\napp = a:b\nlisten = :82\ndirectory = .\n")
    (pool,) = config(hello, "-c", str(ini)).pools
    assert (pool.name, pool.app, pool.workers, pool.listen[0].port) == ("a", "a:b", 2, 82)
    (pool,) = config(hello, "-c", str(ini), "-w3", "-b:83", "--reload", "hello.py").pools
    assert (pool.name, pool.app, pool.script) == ("a", "", f"{hello}/hello.py")
    assert (pool.workers, pool.listen[0].port, pool.autoreload) == (3, 83, True)


def test_app_or_bind_with_several_pools_is_ambiguous(hello: Path) -> None:
    ini = hello / "x.ini"
    ini.write_text("[app:a]\napp = a:b\nlisten = :1\n[app:b]\napp = a:b\nlisten = :2\n")
    for words in (["-b:3"], ["hello.py"]):
        with pytest.raises(ConfigError, match="has 2 pools"):
            config(hello, "-c", str(ini), *words)
    assert [pool.workers for pool in config(hello, "-c", str(ini), "-w9").pools] == [9, 9]


def test_rereading_sees_the_new_file(hello: Path) -> None:
    ini = hello / "x.ini"
    ini.write_text("[app:a]\napp = a:b\n")
    reread = configuration(parse_arguments(["-c", str(ini), "-w", "2"], str(hello)), str(hello))
    assert reread().pools[0].app == "a:b"
    ini.write_text("[app:a]\napp = c:d\n")
    assert (reread().pools[0].app, reread().pools[0].workers) == ("c:d", 2)
    ini.write_text("[app:a]\nap = c:d\n")
    with pytest.raises(ConfigError, match="did you mean app"):
        reread()


# ---- The command ---------------------------------------------------------------------------------


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for the master, which keeps what it is given and ends with 7."""
    calls: list[Any] = []

    def run(config: Config, reread: Any) -> int:
        calls.append((config, reread))
        return 7

    module = ModuleType("fapws.supervisor.master")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fapws.supervisor.master", module)
    return calls


def test_master_gets_the_configuration_and_its_exit_code_is_ours(hello, master, monkeypatch) -> None:
    monkeypatch.chdir(hello)
    assert main(["-w", "2", "hello.py"]) == 7
    ((given, reread),) = master
    assert given.pools[0].workers == 2 and reread() == given


def test_exit_codes_and_where_messages_go(hello, master, monkeypatch, capsys) -> None:
    monkeypatch.chdir(hello)
    (hello / "x.ini").write_text("[app:a]\nworkrs = 1\n")
    assert main([]) == 2
    assert "fapws hello.py" in capsys.readouterr().err
    assert main(["--relod"]) == 2
    assert capsys.readouterr().err.startswith("fapws: --relod: unknown option")
    assert main(["-c", "x.ini"]) == 6
    assert "x.ini:2: [app:a] workrs = 1: unknown key, did you mean workers?" in capsys.readouterr().err
    assert main(["-c", "nix.ini"]) == 6
    assert capsys.readouterr().err == "nix.ini: No such file or directory\n"
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fapws {__version__}\n"
    assert main(["-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: fapws ")
    assert master == []


def test_interrupt_before_the_master_is_there(hello, monkeypatch, capsys) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "read_apart", interrupted)
    assert main(["x"]) == 130
    assert capsys.readouterr() == ("", "")


def test_python_m_fapws_and_what_the_master_would_keep_in_memory() -> None:
    program = "import sys, fapws.cli.fapws, fapws.worker.loader; print(*sys.modules)"
    heavy = {"dataclasses", "argparse", "logging", "difflib", "configparser", "ast", "traceback"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stdout.split())
    done = subprocess.run(
        [sys.executable, "-m", "fapws", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"fapws {__version__}\n")
