"""fapws init: what it finds, asks and writes, that all of it is good, and that nothing is overwritten."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.house import PATIENCE, House
from support.tree import TREE

from fapws.cli.init import command, files, found
from fapws.cli.init.answers import Answers
from fapws.settings import options
from fapws.settings.ini import read

HELLO = 'def application(environ, start_response):\n    start_response("200 OK", [])\n    return [b"hello"]\n'
MANAGE = """
import os
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program in it."""
    folder = tmp_path / "my site"
    folder.mkdir()
    (folder / "hello.py").write_text(HELLO)
    monkeypatch.setattr(sys, "stdin", None)  # no terminal
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("system", files.SYSTEMS)
def test_what_is_written_passes_configtest(
    site: Path, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--system", system, "--workers", "3", str(site)]) == 0
    config = read(str(site / "fapws.ini"))
    (pool,) = config.pools
    assert (pool.script, pool.workers, pool.name) == (str(site / "hello.py"), 3, "hello")
    assert pool.directory == str(site)
    assert config.error_log == str(site / "log" / "error.log")
    told = capsys.readouterr().out
    assert "fapws.ini" in told and "configtest" in told and "reload" in told
    for name in ("fapws.service", "fapws.rc", "fapws.logrotate", "fapws.newsyslog"):
        assert (site / name).exists() == (name in told), name


def test_every_option_that_is_taken_in_is_good(site: Path) -> None:
    """Each line that stands in the file as a comment may lose its #."""
    (site / "static").mkdir()
    assert command.main(["--yes", str(site)]) == 0
    text = (site / "fapws.ini").read_text()
    shown = re.sub(r"(?m)^#(?=\w+ = \S)", "", text)
    assert shown.count("\n#") < text.count("\n#")
    (site / "all.ini").write_text(shown)
    assert read(str(site / "all.ini")).pools[0].access_log == str(site / "log" / "access.log")


def test_nothing_is_overwritten(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "fapws.nginx.conf").write_text("mine")
    before = everything(site)
    assert command.main([str(site)]) == 1
    assert everything(site) == before and not (site / "log").exists()
    assert "fapws.nginx.conf" in capsys.readouterr().err
    (site / "fapws.nginx.conf").unlink()
    assert command.main([str(site)]) == 0
    before = everything(site)
    assert command.main([str(site), "--app", "hello:application"]) == 1
    assert everything(site) == before


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--workers", "many"], 6, "workers = many: must be a whole number"),
        (["--listen", "nowhere"], 6, "has no port"),
        (["--app", "not an app"], 6, "[app:"),
        (["--user", "no-such-user-here"], 6, "there is no user no-such-user-here"),
        (["--system", "windows"], 2, "--system takes"),
        (["--frob"], 2, "'--frob' is not understood"),
        (["--app"], 2, "--app needs a value"),
    ],
)
def test_mistakes_write_nothing(
    site: Path, words: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*words, *([] if words == ["--app"] else [str(site)])]) == status
    assert [path.name for path in site.iterdir()] == ["hello.py"]
    assert told in capsys.readouterr().err


def test_a_folder_without_an_application_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--yes", str(tmp_path)]) == 2
    assert "no application was found" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_django_project_and_its_environment_are_found(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "wsgi.py").write_text("application = None")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = version.replace("python", "pypy") if sys.implementation.name == "pypy" else version
    (tmp_path / ".venv" / "lib" / python / "site-packages").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("home = /usr\n")
    assert found.look(str(tmp_path)) == found.Found(
        "mysite.wsgi:application",
        (("DJANGO_SETTINGS_MODULE", "mysite.settings"),),
        ".venv",
        "GET http://localhost/ 200",
    )
    assert command.main(["--yes", "--listen", "unix:run/web.sock?mode=660", str(tmp_path)]) == 0
    (pool,) = read(str(tmp_path / "fapws.ini")).pools
    assert (pool.app, pool.name) == ("mysite.wsgi:application", "mysite")
    assert tuple(pool.env) == (("DJANGO_SETTINGS_MODULE", "mysite.settings"),)
    assert pool.trusted_proxies[0].text == "unix"
    assert pool.warmup == ("GET http://localhost/ 200",)
    assert f"server unix:{tmp_path}/run/web.sock;" in (tmp_path / "fapws.nginx.conf").read_text()


@pytest.mark.parametrize(
    ("settings", "warmup"),
    [
        ("ALLOWED_HOSTS = []", "GET http://localhost/ 200"),
        ("ALLOWED_HOSTS = ['*', '.example.org']", "GET http://example.org/ 200"),
        (
            "ALLOWED_HOSTS = ('a.example', 'b.example')\nSECURE_SSL_REDIRECT = True",
            "GET https://a.example/ 200",
        ),
        (
            "ALLOWED_HOSTS = os.environ['HOSTS'].split()\nSECURE_SSL_REDIRECT = not DEBUG",
            "GET http://localhost/ 200",
        ),
        ("ALLOWED_HOSTS = 'no list', 7", "GET http://localhost/ 200"),
        ("nonsense here", "GET http://localhost/ 200"),
    ],
)
def test_warmup_of_a_django_project_is_a_request_that_it_takes(
    tmp_path: Path, settings: str, warmup: str
) -> None:
    (tmp_path / "manage.py").write_text(MANAGE)
    place = tmp_path / "mysite" / "settings"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(settings)
    assert found.look(str(tmp_path)).warmup == warmup
    place.rename(tmp_path / "mysite" / "split")
    (tmp_path / "mysite" / "settings.py").write_text(settings)
    assert found.look(str(tmp_path)).warmup == warmup


@pytest.mark.parametrize(
    ("settings", "static"),
    [
        ("STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'staticfiles'", "/static:staticfiles"),
        (
            "STATIC_URL = '/s/x/'\nSTATIC_ROOT = os.path.join(BASE_DIR, \"staticfiles\")  # here",
            "/s/x:staticfiles",
        ),
        ("STATIC_URL = 'static/'\nSTATIC_ROOT = 'staticfiles'", "/static:staticfiles"),
        ("STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'later'", ""),
        ("STATIC_URL = 'https://cdn.example/'\nSTATIC_ROOT = BASE_DIR / 'staticfiles'", ""),
        ("STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR.parent / 'staticfiles'", ""),
        ("STATIC_ROOT = BASE_DIR / 'staticfiles'", ""),
        ("STATIC_URL = '/'\nSTATIC_ROOT = BASE_DIR / 'staticfiles'", ""),
    ],
)
def test_static_files_of_a_django_project_are_found_where_they_were_collected(
    tmp_path: Path, settings: str, static: str
) -> None:
    (tmp_path / "manage.py").write_text(MANAGE)
    for name in ("mysite", "staticfiles"):
        (tmp_path / name).mkdir()
    (tmp_path / "mysite" / "wsgi.py").write_text("application = None")
    (tmp_path / "mysite" / "settings.py").write_text(settings)
    assert found.look(str(tmp_path)).static == static
    assert command.main(["--yes", str(tmp_path)]) == 0
    folders = read(str(tmp_path / "fapws.ini")).pools[0].static
    assert len(folders) == bool(static)


def test_line_for_a_crontab_is_one() -> None:
    told = files.next_commands(Answers("/srv/100%", app="a:b", name="a", system="none"))
    assert "  @reboot " in told and "-c /srv/100\\%/fapws.ini start\n" in told
    assert re.search(r"\n  \* \* \* \* \* \S+ -c /srv/100\\%/fapws\.ini start >/dev/null\n", told)
    assert "starts again what was killed" in told and "on purpose" in told and "root's crontab" in told
    other = files.next_commands(Answers("/srv/a", app="a:b", name="a", system="none", runs_as="joe"))
    assert "joe's crontab" in other
    assert "* * *" not in files.next_commands(Answers("/srv/a", app="a:b", name="a", system="systemd"))


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        ("['shop.example', 'www.shop.example']", "server_name shop.example www.shop.example;"),
        ("['*', '.Shop.example', 'localhost', '127.0.0.1', '[::1]']", "server_name .Shop.example;"),
        ("['localhost', 'a.localhost', '127.0.0.1']", "# server_name www.example.org;"),
        ("['a; include /etc/passwd', '~x', 'a b', '']", "# server_name www.example.org;"),
        ("[]", "# server_name www.example.org;"),
    ],
)
def test_nginx_knows_the_hosts_of_a_django_project(
    tmp_path: Path, hosts: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "wsgi.py").write_text("application = None")
    (tmp_path / "mysite" / "settings.py").write_text(f"ALLOWED_HOSTS = {hosts}")
    assert command.main(["--yes", str(tmp_path)]) == 0
    text = (tmp_path / "fapws.nginx.conf").read_text()
    assert f"\n    {names}\n" in text and text.count("server_name ") == 1
    set_there = names.startswith("#")
    assert ("and set server_name" in capsys.readouterr().out) == set_there
    assert ("/live/www.example.org/" in text) == set_there


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("system", files.SYSTEMS)
def test_nginx_reads_its_files_whether_it_runs_or_not(system: str, runs: bool, tmp_path: Path) -> None:
    """What is printed is run by a shell, with stand-ins that fail where nginx does not run."""
    told = files.next_commands(Answers("/srv/a", app="a:b", name="a", system=system))
    (line,) = (line.strip() for line in told.split("\n") if line.strip().startswith("nginx -t"))
    stand_ins = """
    fails() { [ $runs = True ]; }
    nginx() { echo nginx "$@"; case "$*" in *reload*) fails ;; esac; }
    rcctl() { echo rcctl "$@"; case "$*" in *reload*) fails ;; esac; }
    service() { echo service "$@"; case "$*" in *reload*) fails ;; esac; }
    sysrc() { echo sysrc "$@"; }
    systemctl() { echo systemctl "$@"; }
    """
    done = subprocess.run(
        ["sh", "-c", f"runs={runs}\n{stand_ins}\n{line}"], capture_output=True, text=True, timeout=60
    )
    said = done.stdout.splitlines()
    assert (done.returncode, done.stderr, said[0]) == (0, "", "nginx -t")
    last = {
        "systemd": ("systemctl reload-or-restart nginx",) * 2,
        "openbsd": ("rcctl reload nginx", "rcctl start nginx"),
        "freebsd": ("service nginx reload", "service nginx start"),
        "none": ("nginx -s reload", "nginx"),
    }
    assert said[-1].strip() == last[system][0 if runs else 1]


def test_files_of_freebsds_nginx_lie_where_it_looks() -> None:
    answers = Answers("/srv/a", app="a:b", name="a", system="freebsd")
    assert " /usr/local/etc/nginx/conf.d/fapws-a.conf" in files.next_commands(answers)
    assert " /etc/nginx" not in files.next_commands(answers) + files.nginx(answers)


def test_what_stands_behind_a_number_sign_is_the_default_or_called_an_example(site: Path) -> None:
    assert command.main(["--yes", str(site)]) == 0
    text = (site / "fapws.ini").read_text()
    shown = re.findall(r"((?:^;.*\n)+)#(\w+) =(.*)\n", text, re.M)
    assert len(shown) > 9
    for comment, name, value in shown:
        option = options.MASTER_OPTIONS.get(name) or options.POOL_OPTIONS[name]
        assert (value.strip() == option.default) != comment.endswith("example:\n"), name


@pytest.mark.parametrize("runs", [True, False])
def test_systemds_unit_is_written_where_systemd_runs(
    site: Path, runs: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container of Debian has its files and another process as init."""
    monkeypatch.setattr(found, "_SYSTEMD_RUNS", str(site if runs else site / "not"))
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname="Linux"))
    assert command.main(["--yes", str(site)]) == 0
    told = capsys.readouterr().out
    assert (site / "fapws.service").exists() == ("systemctl enable" in told) == runs
    assert ("No service manager" in told and "start -F" in told) != runs
    assert (site / "fapws.logrotate").exists()


@pytest.mark.parametrize(
    ("source", "app"),
    [
        ("app = object()", "app.py"),
        ("def create_app():\n    pass", "app:create_app()"),
        ("from x import application", "app.py"),
        ("def broken(:", ""),
        ("y = 1", ""),
    ],
)
def test_applications_of_files(tmp_path: Path, source: str, app: str) -> None:
    (tmp_path / "app.py").write_text(source)
    assert found.look(str(tmp_path)).app == app


def test_it_serves_by_the_commands_that_it_prints(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--listen", "127.0.0.1:0", str(site)]) == 0
    printed = capsys.readouterr().out
    assert f"-c {shlex.quote(str(site / 'fapws.ini'))} start" in printed
    elsewhere = site.parent / "elsewhere"
    elsewhere.mkdir()
    house = House(elsewhere)
    house.ini, house.pidfile, house.control = (
        site / "fapws.ini",
        site / "run/fapws.pid",
        site / "run/fapws.sock",
    )
    house.log_file = site / "log" / "error.log"
    try:
        for word in ("configtest", "start", "status", "reload"):
            house.ctl(word)
        assert house.get(house.port()) == b"hello"
        house.ctl("stop")
        house.assert_nothing_is_left()
        assert (site / "hello.py").read_text() == HELLO
    finally:
        house.clean()


def test_the_unit_is_the_shipped_one_with_the_folders_own_paths(site: Path) -> None:
    answers = Answers("/srv/blog", app="blog:app", name="blog", system="systemd")
    words = f"{files.fapwsctl()} -c /srv/blog/fapws.ini"
    shipped = (TREE / "conf" / "systemd" / "fapws.service").read_text()
    shipped = shipped.replace("/usr/local/bin/fapwsctl -c /etc/fapws.ini", words)
    wanted = [
        line for line in shipped.split("\n") if not re.match("#|Runtime|Logs|Documentation|Description", line)
    ]
    made = [line for line in files.unit(answers).split("\n") if not re.match("#|Description|ReadWrite", line)]
    assert "\nReadWritePaths=/srv/blog/run /srv/blog/log\n" in files.unit(answers)
    assert made == wanted
    assert "\nUser=joe\nExecStartPre" in files.unit(answers._replace(runs_as="joe"))


def test_paths_with_odd_characters_are_written_as_each_file_wants_them() -> None:
    answers = Answers("/srv/100% mine", app="a:b", name="a", system="systemd")
    assert '"/srv/100%% mine/fapws.ini" start -F' in files.unit(answers)
    assert "-c '/srv/100% mine/fapws.ini' reopen" in files.logrotate(answers)


@pytest.mark.parametrize("runs_as", ["", "joe"])
@pytest.mark.parametrize("system", ["openbsd", "freebsd"])
def test_rc_scripts_are_good_shell(system: str, runs_as: str) -> None:
    answers = Answers("/srv/blog", app="a:b", name="blog", system=system, runs_as=runs_as)
    text = files.all_files(answers)["fapws.rc"]
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("joe" in text) == bool(runs_as)


def test_questions_on_a_terminal(site: Path) -> None:
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fapws", "init", "--user", "", str(site)],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env={**os.environ, "PYTHONPATH": str(TREE)},
    )
    os.close(other_end)
    said = b""
    answers = {b"hello.py]: ": b"\n", b"8888]: ": b"127.0.0.1:8123\n", b"[2]: ": b"auto\n"}
    for question, answer in answers.items():
        while question not in said:
            assert select.select([terminal], [], [], PATIENCE)[0], said
            said += os.read(terminal, 4096)
        os.write(terminal, answer)
    for piece in pieces(terminal):
        said += piece
    assert process.wait(PATIENCE) == 0, said
    (pool,) = read(str(site / "fapws.ini")).pools
    assert (pool.listen[0].text, bool(pool.automatic)) == ("127.0.0.1:8123", True)


def pieces(terminal: int) -> Iterator[bytes]:
    """Until the other end is closed, which Linux tells by an error."""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        yield piece
    os.close(terminal)


def test_the_program_knows_the_word(site: Path) -> None:
    words = [sys.executable, "-m", "fapws", "init", "--yes", str(site)]
    done = subprocess.run(
        words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, cwd=TREE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (site / "fapws.ini").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_unit(site: Path) -> None:
    assert command.main(["--system", "systemd", str(site)]) == 0
    done = subprocess.run(
        ["systemd-analyze", "verify", str(site / "fapws.service")], capture_output=True, text=True, timeout=60
    )
    complaints = [
        line for line in done.stderr.split("\n") if "fapws.service" in line and "not executable" not in line
    ]
    assert complaints == []


@pytest.mark.parametrize(
    ("listen", "proxies", "server"),
    [
        ("127.0.0.1:8888", "127.0.0.1", "127.0.0.1:8888"),
        ("0.0.0.0:80", "", "127.0.0.1:80"),
        (":80", "", "127.0.0.1:80"),
        ("unix:run/s", "unix", "unix:/srv/blog/run/s"),
    ],
)
def test_nginx_is_believed_where_it_alone_connects(listen: str, proxies: str, server: str) -> None:
    texts = files.all_files(Answers("/srv/blog", app="a:b", name="blog", system="none", listen=listen))
    assert f"server {server};" in texts["fapws.nginx.conf"]
    assert (f"\ntrusted_proxies = {proxies}\n" in texts["fapws.ini"]) == bool(proxies)


def test_workers_that_would_be_root_are_told() -> None:
    answers = Answers("/srv/blog", app="a:b", name="blog", system="none")
    assert "as root" in files.next_commands(answers).split("A deployment")[1]
    for other in (answers._replace(user="www"), answers._replace(runs_as="joe")):
        assert "NOTE" not in files.next_commands(other)
