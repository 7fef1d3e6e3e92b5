"""What an INI file may look like and which mistakes are told how, all at once."""

from __future__ import annotations

import configparser
import os
import string
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fapws.settings import options
from fapws.settings.advice import dangers, missing_directories
from fapws.settings.ini import ConfigError, read
from fapws.settings.model import Config, Limits, Pool
from fapws.settings.scan import scan

APP = "[app:blog]\napp = blog.wsgi:application\n"


@pytest.fixture
def write(tmp_path: Path) -> object:
    def write(text: str) -> str:
        path = tmp_path / "x.ini"
        path.write_bytes(text.encode())
        return str(path)

    return write


def mistakes(path: str) -> list[str]:
    """The lines of the error, without the file's directory."""
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value).replace(os.path.dirname(path) + "/", "").split("\n")


def first_pool(path: str) -> Pool:
    return read(path).pools[0]


# ---- What may stand in a file --------------------------------------------------------------------


def test_whole_file(write, tmp_path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "blog.py").write_text("application = print\n")
    path = write(
        "; the master\n[fapws]\npidfile = fapws.pid\ncontrol = /tmp/c.sock\nerror_log = e.log\n"
        "workers = 3\n\n[app:blog]\nscript = blog.py:application\ndirectory = .\npythonpath = lib\n"
        "listen = :0, [::1]:0,\n   unix:s.sock?mode=660&group=www\n# comment\n   fd:3\n"
        "autoreload = yes\nmax_body_size = 1g\nheader_timeout = 500ms\nserver_header =\n"
        "[app:shop]\napp = shop:create_app()\nworkers = 1\nlisten = 127.0.0.1:1\n"
    )
    config = read(path)
    assert config._replace(pools=()) == Config(
        path, (), f"{tmp_path}/fapws.pid", "/tmp/c.sock", f"{tmp_path}/e.log"
    )
    blog, shop = config.pools
    assert blog.script == f"{tmp_path}/blog.py:application"
    assert (blog.directory, blog.pythonpath) == (str(tmp_path), (f"{tmp_path}/lib",))
    assert [address.kind for address in blog.listen] == ["tcp", "tcp", "unix", "fd"]
    assert blog.listen[2].path == f"{tmp_path}/s.sock"
    assert (blog.workers, blog.autoreload, blog.server_header) == (3, True, "")
    assert blog.limits == Limits(max_body_size=2**30, header_timeout=0.5)
    assert (shop.name, shop.app, shop.workers) == ("shop", "shop:create_app()", 1)


def test_defaults_are_those_of_the_model(write) -> None:
    config = read(write(APP))
    pool = config.pools[0]
    model = Pool("blog", app=pool.app, listen=pool.listen, server_header="fapws")
    assert config == Config(config.path, (model,))
    assert pool.listen[0].text == "127.0.0.1:8888"


def test_environment_is_taken_verbatim(write) -> None:
    value = "a %(b)s ; not # a comment = 'q' \"x\" $HOME"
    pool = first_pool(write(f"[app:blog:env]\nSECRET={value}\nlower = B\nEMPTY =\n{APP}"))
    assert pool.env == (("SECRET", value), ("lower", "B"), ("EMPTY", ""))


def test_environment_value_over_several_lines(write) -> None:
    pool = first_pool(write(APP + "[app:blog:env]\nPEM = begin\n  a\n\n  b=\nNEXT = 1\n"))
    assert pool.env == (("PEM", "begin\na\n\nb="), ("NEXT", "1"))


def test_relative_paths_start_at_the_file(write, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "in").mkdir()
    assert first_pool(write(APP + "directory = in\n")).directory == f"{tmp_path}/in"


def test_indented_options_and_windows_line_ends(write) -> None:
    pool = first_pool(write("\ufeff[app:blog]\r\n  app = a:b\r\n  workers = 2\r\n"))
    assert (pool.app, pool.workers) == ("a:b", 2)


def test_option_of_a_pool_in_fapws_is_the_default_of_all(write) -> None:
    text = "[fapws]\nworkers = 4\nmax_uri = 1k\n" + APP + "workers = 2\n"
    pool = first_pool(write(text))
    assert (pool.workers, pool.limits.max_uri) == (2, 1024)


def test_overrides_are_stronger_and_keep_the_file_from_being_read_there(write) -> None:
    path = write("[app:blog]\nscript = gone.py\nworkers = x\nlisten = y\n")
    overrides = {"app": "a:b", "script": "", "workers": 7, "listen": ()}
    pool = read(path, overrides).pools[0]
    assert (pool.app, pool.script, pool.workers, pool.listen) == ("a:b", "", 7, ())


# ---- Mistakes ------------------------------------------------------------------------------------


def test_unknown_key_names_the_nearest_one(write) -> None:
    assert mistakes(write(APP + "workrs = 2\n")) == [
        "x.ini:3: [app:blog] workrs = 2: unknown key, did you mean workers?"
    ]


def test_key_case_is_kept(write) -> None:
    told = mistakes(write(APP + "Workers = 2\n"))
    assert told == ["x.ini:3: [app:blog] Workers = 2: unknown key, did you mean workers?"]


def test_unknown_key_without_a_near_one_lists_all(write) -> None:
    (told,) = mistakes(write(APP + "colour = red\n"))
    assert "unknown key; known are app, script," in told


def test_option_in_the_wrong_section(write) -> None:
    told = mistakes(write("[fapws]\nlisten = :80\n" + APP + "pidfile = x\n"))
    assert told == [
        "x.ini:2: [fapws] listen = :80: belongs into an [app:NAME] section",
        "x.ini:5: [app:blog] pidfile = x: belongs into [fapws]",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fapw", "did you mean [fapws]?"),
        ("apps:blog", "did you mean [app:blog]?"),
        ("app:blog:environment", "did you mean [app:blog:env]?"),
        ("App:blog", "did you mean [app:blog]?"),
        ("zzz", "sections are [fapws], [app:NAME] and [app:NAME:env]"),
        ("app:", "sections are"),
        ("app", "sections are"),
        ("a:b:c:d", "sections are"),
    ],
)
def test_unknown_section(write, name: str, told: str) -> None:
    (line,) = mistakes(write(APP + f"[{name}]\n"))
    assert line.startswith(f"x.ini:3: [{name}]: unknown section, ") and told in line


def test_duplicates_name_the_first_line(write) -> None:
    told = mistakes(write(APP + "workers = 1\nworkers = 2\n[app:blog:env]\nA=secret\nA=b\n" + APP))
    assert told == [
        "x.ini:4: [app:blog] workers: is set again; it is set in line 3",
        "x.ini:7: [app:blog:env] A: is set again; it is set in line 6",
        "x.ini:8: [app:blog]: section begins again; it has begun in line 1",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("workers = 0", "must be from 1 to 1024"),
        ("workers = two", "must be a whole number"),
        ("autoreload = true", "must be yes or no"),
        ("max_body_size = 10mb", "must be a size in bytes, or with k, m or g"),
        ("drain_timeout = 2h", "must be from 0 to 1h"),
        ("boot_timeout = 1min", "must be a time in seconds, or with ms, s, m or h"),
        ("listen = 8888", "8888: must be host:port"),
        ("listen =", "must be 1 to 64 addresses"),
        ("listen = :80,,:81", "has an empty place in its list"),
        ("script_name = blog", "must begin with /"),
        ("server_header = Größe", "must be printable ASCII"),
        ("directory = nix", "there is no directory"),
        ("directory = x.ini", "is not a directory"),
        ("pythonpath = ., nix", "there is no directory"),
        ("virtualenv = .", "is no virtualenv: pyvenv.cfg cannot be read"),
        ("max_uri = 33k", "max_uri is larger than max_header_size"),
        ("workers = 1 ; one", "must be a whole number"),
        ("workers : 1", "is neither [section] nor key = value nor a comment"),
        ("workers", "is neither [section] nor key = value nor a comment"),
        ("= 1", "is neither [section] nor key = value nor a comment"),
        ("[x", "a section is written [name]"),
        ("workers = 1\n  max_uri = 1k", "must stand on one line"),
        ("backlog = 1\0", "zero byte"),
    ],
)
def test_bad_value_names_what_is_allowed(write, line: str, told: str) -> None:
    (mistake,) = mistakes(write(APP + line + "\n"))
    assert told in mistake and "x.ini:" in mistake


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("app = blog.wsgi", "names no callable; write blog.wsgi:application"),
        ("app = blog.py:app", "a file is named by script ="),
        ("app = 1:app", "must be package.module:callable"),
        ("app = blog:", "is not a callable's name"),
        ("app = blog:make(1)", "is not a callable's name"),
        ("script = nix.py", "there is no file"),
        ("script = .", "is a directory"),
        ("script = x.ini:a-b", "is not a callable's name"),
        ("app =", "names no application"),
        ("workers = 1", "names no application"),
        ("app = a:b\nscript = x.ini", "app and script are both set"),
    ],
)
def test_bad_application(write, app: str, told: str) -> None:
    (mistake,) = mistakes(write(f"[app:blog]\n{app}\n"))
    assert told in mistake


def test_directory_of_the_log_must_exist(write) -> None:
    (mistake,) = mistakes(write(f"[fapws]\nerror_log = nix/file\n{APP}"))
    assert "x.ini:2:" in mistake and "there is no directory" in mistake


def test_runtime_directories_may_be_missing_until_the_start(write, tmp_path) -> None:
    listen = "listen = unix:nix/s, unix:nix/t, unix:nox/s, :80\n"
    config = read(str(write(f"[fapws]\npidfile = nix/pid\ncontrol = control\n{APP}{listen}")))
    assert missing_directories(config) == [
        f"there is no directory {tmp_path}/{name}; it must exist before the start" for name in ("nix", "nox")
    ]


@pytest.mark.parametrize(
    ("listen", "trusted", "told"),
    [
        ("unix:s", "unix", True),
        ("unix:s?mode=660", "unix", False),
        ("unix:s", "10.0.0.1", False),
        (":1", "unix", False),
    ],
)
def test_proxy_that_everybody_may_be_is_told(write, listen: str, trusted: str, told: bool) -> None:
    text = f"{APP}listen = {listen}\ntrusted_proxies = {trusted}\n"
    assert [
        "every user of this machine may connect to unix:s" in each for each in dangers(read(write(text)))
    ] == ([True] if told else [])


def test_access_log_that_several_users_could_empty_is_told(write, tmp_path) -> None:
    pools = "".join(
        f"[app:{name}]\napp = m:a\nlisten = :{port}\nuser = {user}\naccess_log = log\n"
        for name, port, user in (("a", 1, "root"), ("b", 2, "nobody"))
    )
    assert dangers(read(write(pools))) == [
        f"{tmp_path}/log is the access log of pools of several users, each of which may empty it"
    ]
    assert dangers(read(write(pools.replace("nobody", "root")))) == []


@pytest.mark.parametrize("key", ["pidfile", "control", "error_log"])
def test_no_file_of_the_master_is_a_directory(write, key: str) -> None:
    (mistake,) = mistakes(write(f"[fapws]\n{key} = .\n{APP}"))
    assert "is a directory" in mistake


def test_two_pools_on_one_address(write) -> None:
    first = "[app:a]\napp = a:b\nlisten = :80\n"
    second = "[app:b]\napp = a:b\nlisten = 127.0.0.1:80,\n 0.0.0.0:80\n"
    assert mistakes(write(first + second)) == [
        "x.ini:6: [app:b] listen = 127.0.0.1:80, ...: 0.0.0.0:80 is already listened on by [app:a]"
    ]


def test_two_pools_on_the_default_address(write) -> None:
    (told,) = mistakes(write("[app:a]\napp = a:b\n[app:b]\napp = a:b\n"))
    assert told == "x.ini:3: [app:b]: 127.0.0.1:8888 is already listened on by [app:a]"


def test_environment_without_pool_and_bad_names(write) -> None:
    told = mistakes(write(APP + "[app:blg:env]\nA=1\n[app:blog:env]\na b = secret\n"))
    assert told == [
        "x.ini:3: [app:blg:env]: there is no [app:blg] that this environment is for",
        "x.ini:6: [app:blog:env] a b: the name of a variable has no blanks",
    ]


def test_secret_of_the_environment_is_in_no_message(write) -> None:
    told = mistakes(write(APP + "[app:blog:env]\nA = hush\0\nB = hush\nB = hush\n"))
    assert len(told) == 2 and "hush" not in "".join(told)


def test_no_pool_at_all(write) -> None:
    assert mistakes(write("[fapws]\n")) == ["x.ini: has no [app:NAME] section, so there is nothing to serve"]


def test_name_of_a_pool(write) -> None:
    (told,) = mistakes(write("[app:a b]\napp = a:b\n"))
    assert "only letters, digits and - . _" in told


def test_everything_is_told_at_once_in_order(write) -> None:
    text = "bad = 1\n[fapws]\nerror_log = nix/p\n[app:a]\nworkrs = 2\nworkers = 0\n[oops]\n"
    lines = [line.split(":")[1] for line in mistakes(write(text))]
    assert lines == ["1", "3", "4", "5", "6", "7"]


def test_file_that_cannot_be_read(tmp_path) -> None:
    assert mistakes(f"{tmp_path}/nix.ini") == ["nix.ini: No such file or directory"]
    (tmp_path / "x.ini").write_bytes(b"[fapws]\npidfile = \xff\n")
    assert mistakes(f"{tmp_path}/x.ini") == ["x.ini:2: is not UTF-8 text"]
    (tmp_path / "x.ini").write_bytes(b"; " + b"a" * 2**20)
    assert "larger than" in mistakes(f"{tmp_path}/x.ini")[0]


def test_problem_carries_its_parts(write) -> None:
    path = write(APP + "workrs = 2\n")
    with pytest.raises(ConfigError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem[:5] == (path, 3, "app:blog", "workrs", "2")


# ---- Virtual environments ------------------------------------------------------------------------


def make_virtualenv(path: Path, facts: str, interpreter: str = "") -> None:
    own = ("pypy" if sys.implementation.name == "pypy" else "python") + "{}.{}".format(*sys.version_info)
    (path / "lib" / (interpreter or own) / "site-packages").mkdir(parents=True)
    (path / "pyvenv.cfg").write_text(facts)


def test_virtualenv_of_this_python(write, tmp_path) -> None:
    version = "{}.{}".format(*sys.version_info)
    make_virtualenv(tmp_path / "a", f"home = /usr/bin\nversion = {version}.99\n")
    make_virtualenv(tmp_path / "b", f"version_info = {version}.1.final.0\n")
    for name in "ab":
        assert first_pool(write(APP + f"virtualenv = {name}\n")).virtualenv == f"{tmp_path}/{name}"


def test_virtualenv_of_another_python_names_both(write, tmp_path) -> None:
    make_virtualenv(tmp_path / "old", "version = 2.7.18\n", "python2.7")
    make_virtualenv(tmp_path / "odd", "implementation = Jython\nversion = 2.7\n", "jython")
    for name in ("old", "odd"):
        (told,) = mistakes(write(APP + f"virtualenv = {name}\n"))
        assert "2.7, but Fapws runs on" in told
        assert "{}.{}".format(*sys.version_info) in told


def test_virtualenv_of_another_implementation_names_both(write, tmp_path) -> None:
    version = "{}.{}".format(*sys.version_info)
    other, own = ("CPython", "PyPy") if sys.implementation.name == "pypy" else ("PyPy", "CPython")
    make_virtualenv(tmp_path / "v", f"implementation = {other}\nversion = {version}.1\n")
    (told,) = mistakes(write(APP + "virtualenv = v\n"))
    assert f"is a virtualenv of {other} {version}, but Fapws runs on {own} {version}" in told


def test_virtualenv_without_packages(write, tmp_path) -> None:
    make_virtualenv(tmp_path / "v", "home = /x\n", "python1.5")
    assert "is no virtualenv of" in mistakes(write(APP + "virtualenv = v\n"))[0]


# ---- Settings of a script ------------------------------------------------------------------------


def script_pool(tmp_path: Path, source: str, more: str = "", overrides: object = None) -> Pool:
    (tmp_path / "s.py").write_text(source)
    (tmp_path / "s.ini").write_text("[app:s]\nscript = s.py\n" + more)
    return read(f"{tmp_path}/s.ini", overrides or {}).pools[0]  # type: ignore[arg-type]


def test_server_and_body_size_of_a_script(tmp_path) -> None:
    pool = script_pool(tmp_path, "SERVER = ':81'\nMAX_BODY_SIZE = 2 * 2**20\nPATHS = [('/', print)]\n")
    assert [address.text for address in pool.listen] == ["0.0.0.0:81"]
    assert pool.limits.max_body_size == 2 * 2**20


def test_ini_and_command_line_are_stronger_than_the_script(tmp_path) -> None:
    source = "SERVER = ':81'\nMAX_BODY_SIZE = 1\nPATHS = [('/', print)]\n"
    pool = script_pool(tmp_path, source, "listen = :82\nmax_body_size = 2\n")
    assert (pool.listen[0].port, pool.limits.max_body_size) == (82, 2)
    pool = script_pool(tmp_path, source, "", {"listen": ()})
    assert (pool.listen, pool.limits.max_body_size) == ((), 1)


def test_default_address_of_scripts(tmp_path) -> None:
    assert script_pool(tmp_path, "PATHS = [('/', print)]\n").listen[0].text == "0.0.0.0:8888"
    assert script_pool(tmp_path, "app = print\n").listen[0].text == "127.0.0.1:8888"


def test_bad_settings_of_a_script(tmp_path) -> None:
    with pytest.raises(ConfigError) as caught:
        script_pool(tmp_path, "SERVER = 'a b:1'\nMAX_BODY_SIZE = -1\nPATHS = [('/', print)]\n")
    told = str(caught.value).split("\n")
    assert told[0].startswith(f"{tmp_path}/s.py: SERVER = a b:1: must be host:port")
    assert told[1].startswith(f"{tmp_path}/s.py: MAX_BODY_SIZE = -1: must be a size")


@pytest.mark.parametrize("listen", ["", "listen = :80\nmax_body_size = 1\n"])
def test_wrong_paths_of_a_script_are_told_with_file_and_line(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        script_pool(tmp_path, "PATHS = [\n    ('/', print),\n    ('/a', None),\n]\n", listen)
    assert str(caught.value) == f"{tmp_path}/s.py:3: PATHS[1] = ('/a', None): NoneType is not callable"


def test_server_may_be_a_unix_socket_beside_the_script(tmp_path: Path) -> None:
    pool = script_pool(tmp_path, "SERVER = 'unix:sock?mode=600'\nPATHS = [('/', print)]\n")
    assert (pool.listen[0].path, pool.listen[0].mode) == (f"{tmp_path}/sock", 0o600)


def test_script_is_not_run_when_something_else_is_wrong(tmp_path) -> None:
    source = f"open({str(tmp_path / 'ran')!r}, 'w')\nSERVER = str(80)\n"
    with pytest.raises(ConfigError, match="whole number"):
        script_pool(tmp_path, source, "workers = x\n")
    assert not (tmp_path / "ran").exists()


# ---- Properties ----------------------------------------------------------------------------------

printable = st.text(string.ascii_letters + string.digits + "%;#=:'\"[]\\$ é😀", max_size=20)
names = st.text(string.ascii_letters + "_", min_size=1, max_size=8)


@given(st.dictionaries(names, printable))
def test_entries_are_those_of_configparser(entries: dict[str, str]) -> None:
    text = "[s]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
    theirs = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(";", "#"))
    theirs.optionxform = str  # type: ignore[assignment,method-assign]
    theirs.read_string(text)
    ours = scan(text.encode(), "x")
    assert ours.problems == []
    assert {entry.key: entry.value for entry in ours.sections[0].entries} == dict(theirs["s"])
    lines = [entry.line for entry in ours.sections[0].entries]
    assert lines == list(range(2, 2 + len(entries)))


@given(st.binary(max_size=200))
def test_any_bytes_are_sections_or_problems(data: bytes) -> None:
    found = scan(data, "x")
    entries = [entry for section in found.sections for entry in section.entries]
    assert all(entry.key and "=" not in entry.key for entry in entries)
    for problem in found.problems:
        assert 1 <= problem.line <= data.count(b"\n") + 1


numeric = [option for option in options.OPTIONS if option.high]


@settings(deadline=None)
@given(st.fixed_dictionaries({option.name: st.integers(option.low, option.high) for option in numeric}))
def test_values_survive_being_written(tmp_path_factory, numbers: dict[str, int]) -> None:
    numbers["max_uri"] = min(numbers["max_uri"], numbers["max_header_size"])
    path = tmp_path_factory.mktemp("ini") / "x.ini"
    lines = [
        f"{name} = {options.format_value(options.POOL_OPTIONS[name], number)}\n"
        for name, number in numbers.items()
    ]
    path.write_text(APP + "".join(lines))
    pool = read(str(path)).pools[0]
    values = {**pool._asdict(), **pool.limits._asdict()}
    assert {name: values[name] for name in numbers} == numbers
