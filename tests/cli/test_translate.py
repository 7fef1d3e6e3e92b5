"""fapwsctl translate: what is read safely, what is said of everything that it reads, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.translated import OTHERS, SHAPES

from fapws.cli.arguments import parse_arguments
from fapws.cli.find_server import Ended
from fapws.cli.translate import command, gunicorn, python_values, unit_rows, uwsgi_file, uwsgi_rows
from fapws.cli.translate.draft import Draft, fitting
from fapws.cli.translate.rows import ALWAYS, Row
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS

TABLES = {"gunicorn": gunicorn.ROWS, "uwsgi": uwsgi_rows.ROWS, "unit": unit_rows.ROWS}


def translated(path: Path, *words: str) -> Draft:
    return gunicorn.translate(str(path), path.read_text(encoding="utf-8"), words[0] if words else "", False)


def python_value(source: str, name: str = "x") -> object:
    value = python_values.read(source, "/srv/site/gunicorn.conf.py").names[name]
    assert not value.unknown, value.unknown
    return value.value


def why_unknown(source: str, name: str = "x") -> str:
    return python_values.read(source, "/srv/site/gunicorn.conf.py").names[name].unknown


# ---- Tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", TABLES)
def test_a_row_leads_to_an_option_that_exists_or_says_why_not(server: str) -> None:
    names: list[str] = []
    for row in TABLES[server]:
        names += row.names.split()
        known = (
            row.option in MASTER_OPTIONS or row.option in POOL_OPTIONS or row.option.startswith("[app:NAME")
        )
        assert known or row.option in ("", ALWAYS), row
        assert row.option not in ("", ALWAYS) or row.told, row
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]


def test_every_setting_of_every_file_is_told() -> None:
    for path in (*OTHERS.glob("uwsgi/*"), *SHAPES.glob("uwsgi/*")):
        result = command.translate(parse_arguments(["translate", str(path)]))
        for option in uwsgi_file.read(path.read_text(), str(path)).options:
            assert option.name in str(result.values["ini"]), (path, option)
    for path in (*OTHERS.glob("gunicorn/*"), *SHAPES.glob("gunicorn/*")):
        result = command.translate(parse_arguments(["translate", str(path)]))
        for name in python_values.read(path.read_text(), str(path)).names:
            assert name in str(result.values["ini"]) or name == "__file__", (path, name)


def test_a_setting_that_nobody_knows_is_told(tmp_path: Path) -> None:
    file = tmp_path / "uwsgi.ini"
    file.write_text("[uwsgi]\nhttp-socket = :8000\nmodule = a:b\nfrobnicate-it = 3\n")
    result = command.translate(parse_arguments(["translate", str(file)]))
    assert result.values["without_equal"][0][0] == "frobnicate-it = 3"
    assert "1 setting has no equal" in result.note


def test_values_beyond_the_bounds_of_an_option_are_cut_and_told() -> None:
    assert fitting("drain_timeout", "2h") == ("1h", "it was 2h, but must be from 0 to 1h")
    assert fitting("max_header_size", "512")[0] == "1k"
    assert fitting("workers", "3") == ("3", "")


def test_what_a_file_says_cannot_leave_its_comment(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(
        'wsgi_app = "a:b"\nproc_name = "x\\n[app:evil]\\nscript = /etc/passwd"\nuser = "a\\nb = c"\n'
    )
    text = translated(file).text()
    lines = [line for line in text.split("\n") if not line.startswith(";")]
    assert "[app:evil]" not in lines
    assert not [line for line in lines if line.startswith(("b =", "user", "script"))]


# ---- Python that is not run ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("import multiprocessing as m\nx = min(m.cpu_count(), 1) * 2 + 1", 3),
        ("from os import environ as e\nx = e.get('FAPWS_NO_SUCH', '7') + '1'", "71"),
        ("import os\nx = int(os.getenv('FAPWS_NO_SUCH') or 4)", 4),
        (
            "import os\nx = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'a.sock')",
            "/srv/site/a.sock",
        ),
        ("from pathlib import Path\nx = str(Path(__file__).parent.parent / 'run')", "/srv/run"),
        ("x = '%s:%d' % ('a', 80)", "a:80"),
        ("x = '{}:{}'.format('a', 80)", "a:80"),
        ("a = {'p': [1, 2]}\nx = a['p'][-1]", 2),
        ("x = ['a']\nx.append('b')", ["a", "b"]),
        ("x = 1\nx += 2", 3),
        ("x = 2 if 3 > 2 > 1 else 4", 2),
        ("def f(a, b=2):\n    '''Doc.'''\n    return a * b\nx = f(4) + f(1, b=1)", 9),
        ("x: int = 5", 5),
        ("x = not [] and 'yes'", "yes"),
        ("x = 'a b'.split()[0].upper()", "A"),
    ],
)
def test_simple_expressions_are_worked_out(source: str, value: object) -> None:
    assert python_value(source) == value


@pytest.mark.parametrize(
    "source",
    [
        "x = __import__('os').system('touch /tmp/fapws-was-run')",
        "import os\nx = os.system('true')",
        "import subprocess\nx = subprocess.check_output(['id'])",
        "x = open('/etc/passwd').read()",
        "x = (lambda: 1)()",
        "x = [i for i in range(3)]",
        "x = ().__class__.__bases__",
        "x = 'a' * 10**9",
        "x = [0] * 10**9",
        "x = 9 ** 9 ** 9",
        "x = '%999999999d' % 1",
        "x = '%*d' % (999999999, 1)",
        "x = '{:999999999}'.format(1)",
        "x = f'{1:999999999}'",
        "x = '{0.__class__}'.format(1)",
        "def f(): return f()\nx = f()",
        "x = 1 / 0",
        "import os\nx = os.environ['FAPWS_NO_SUCH']",
        "int = 3\nx = int('4')",
        "import math\nx = math.floor(2.5)",
        "for x in (1, 2): pass",
        "try:\n    x = 1\nexcept OSError:\n    x = 2",
        "x, y = 3 * [1]",
        "x = {}\nx['a'] = 1",
        "x = [1]\nx.sort()",
        "import os\nif os.system('true'):\n    x = 1\nelse:\n    x = 2",
    ],
)
def test_anything_else_is_unknown_and_not_run(source: str) -> None:
    assert why_unknown(source)


def test_work_is_bounded() -> None:
    calls = "\n".join(f"def f{n}(): return f{n + 1}() + f{n + 1}() + f{n + 1}()" for n in range(40))
    began = time.monotonic()
    assert why_unknown(f"{calls}\nx = f0()")
    long = "x = " + "+".join(["'" + "a" * 4000 + "'"] * 400)
    assert why_unknown(long) == "it is too large for a setting"
    assert time.monotonic() - began < 30


def test_the_environment_is_looked_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPWS_TEST_PORT", "8123")
    value = python_values.read("import os\nx = os.getenv('FAPWS_TEST_PORT')", "/c.py").names["x"]
    assert (value.value, value.notes) == (
        "8123",
        ("from the environment: FAPWS_TEST_PORT (it has this value here)",),
    )


def test_execute_runs_the_file_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(
        "import sys\nwsgi_app = 'a:b'\nworkers = sum(n for n in (1, 2))\nprint('hello')\nsys.zzz = 1\n"
    )
    asked = command.translate(parse_arguments(["translate", str(file)]))
    assert "workers = sum" in str(asked.values["without_equal"])
    run = command.translate(parse_arguments(["translate", "-x", str(file)]))
    assert "\nworkers = 3\n" in str(run.values["ini"]) and run.values["without_equal"] == []
    assert not hasattr(sys, "zzz")
    file.write_text("raise OSError('no')\n")
    with pytest.raises(Ended, match="OSError: no"):
        command.translate(parse_arguments(["translate", "-x", str(file)]))


@pytest.mark.parametrize(
    ("name", "text", "option"),
    [
        ("gunicorn.conf.py", "import os\nwsgi_app = 'a:b'\nbind = os.environ['FAPWS_NO_SUCH']\n", "listen"),
        ("gunicorn.conf.py", "wsgi_app = 'a:b'\nworkers = sum((1, 2))\n", "workers"),
        ("uwsgi.ini", "[uwsgi]\nmodule = a:b\nhttp-socket = :$(FAPWS_NO_SUCH)\n", "listen"),
        ("uwsgi.ini", "[uwsgi]\nmodule = a:b\nhttp-socket = :80\nprocesses = $(FAPWS_NO_SUCH)\n", "workers"),
        ("uwsgi.ini", "[uwsgi]\nmodule = a:b\nhttp-socket = :80\nuid = $(FAPWS_NO_SUCH)\n", "user"),
        ("gunicorn.conf.py", "wsgi_app = 'a:b'\nuser = open('/etc/x').read()\n", "user"),
    ],
)
def test_no_default_stands_for_what_is_unknown(tmp_path: Path, name: str, text: str, option: str) -> None:
    (tmp_path / name).write_text(text)
    result = command.translate(parse_arguments(["translate", str(tmp_path / name)]))
    assert result.status == 1 and f"\n{option} = " not in str(result.values["ini"])
    assert any(f"set {option}: " in lack for lack in result.values["to_do"])


# ---- uWSGI's file --------------------------------------------------------------------------------


def test_placeholders_of_uwsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPWS_TEST_HOME", "/h")
    text = "[uwsgi]\na_b = 3\nx = %(a_b)-%(a_b + 1)-%(a_b*2)\ny = $(FAPWS_TEST_HOME)%n%%\nz = %(none)\n"
    text += "w = $(FAPWS_NO)\n"
    found = {one.name: one for one in uwsgi_file.read(text, "/srv/site.ini").options}
    assert found["x"].value == "3-4-6"
    assert found["y"].value == "/hsite%"
    assert found["z"].unknown and found["w"].unknown
    loop = "[uwsgi]\na = %(b)\nb = %(a)%(a)\na = %(b)%(b)\n" + "a = %(a)%(a)\n" * 40
    began = time.monotonic()
    assert uwsgi_file.read(loop, "/x.ini").options[-1].unknown
    assert time.monotonic() - began < 30


def test_conditions_of_uwsgi(tmp_path: Path) -> None:
    text = f"[uwsgi]\nif-exists = {tmp_path}\na = 1\nendif =\nif-not-dir = {tmp_path}\nb = 1\nendif =\n"
    text += "for = 1 2\nc = 1\nendfor =\nd = 1\n"
    found = {one.name: one for one in uwsgi_file.read(text, "/x.ini").options}
    assert found["a"].value == "1" and found["a"].notes
    assert found["b"].skipped and found["c"].value == "1"
    assert (found["d"].value, found["d"].notes, found["d"].unknown) == ("1", (), "")


# ---- The command ---------------------------------------------------------------------------------


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command_words = [sys.executable, "-m", "fapws.cli.fapwsctl", *words]
    return subprocess.run(command_words, capture_output=True, text=True, timeout=60)


def test_without_an_application_the_file_is_printed_and_the_status_is_1(tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text("workers = 2\n")
    done = run("translate", str(file))
    assert done.returncode == 1
    assert "; TO DO: name the application" in done.stdout and "to do: name the application" in done.stderr
    done = run("-j", "translate", str(file), "shop.wsgi")
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"], said["to_do"]) == (0, True, [])
    assert "\napp = shop.wsgi:application\n" in said["ini"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("gunicorn.conf.py", "workers = = 2", "cannot be read as Python"),
        ("gunicorn.conf.py", "x = " + "(" * 100_000, "cannot be read as Python"),
        ("gunicorn.conf.py", "# " + "x" * 2**20, "is larger than"),
        ("uwsgi.ini", "[other]\na = 1", "there is no [uwsgi] section"),
        ("unit.json", '{"listeners": ', "is no JSON"),
        ("unit.json", '{"a": 1}', 'neither "listeners" nor'),
        ("unit.json", "[" * 100_000, "is no JSON"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Ended) as ended:
        command.translate(parse_arguments(["translate", str(tmp_path / name)]))
    assert told in ended.value.result.text and ended.value.result.status == 1


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    done = run("translate", str(tmp_path / "none.ini"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"fapwsctl: {tmp_path}/none.ini: No such file or directory\n"


def test_rows_of_one_kind_tell_their_names_in_documents() -> None:
    assert all(isinstance(row, Row) and row.names for rows in TABLES.values() for row in rows)


@pytest.mark.parametrize("server", TABLES)
def test_the_page_has_a_line_for_every_setting(server: str) -> None:
    page = (OTHERS.parents[2] / "docs" / f"from-{server}.md").read_text(encoding="utf-8")
    for row in TABLES[server]:
        for name in row.names.split():
            assert f"`{name.replace('*.', '')}`" in page, name
