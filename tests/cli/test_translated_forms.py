"""fapwsctl translate: forms of real files that are easy to misread, and what must not be lost in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fapws.cli.arguments import parse_arguments
from fapws.cli.translate import command, uwsgi_file
from fapws.settings.scan import scan


class Said:
    """What comes of a file."""

    def __init__(self, path: Path, text: str, *words: str) -> None:
        path.write_text(text, encoding="utf-8")
        values = command.translate(parse_arguments(["translate", *words, str(path), "a.b:c"])).values
        self.ini = str(values["ini"])
        self.to_do: list[str] = list(values["to_do"])
        unequal: list[Any] = list(values["without_equal"])
        self.unequal: dict[str, str] = dict(unequal)
        sections = scan(self.ini.encode(), "ini").sections
        self.sections = {one.name: {entry.key: entry.value for entry in one.entries} for one in sections}

    def pool(self, name: str = "a") -> dict[str, str]:
        return self.sections[f"app:{name}"]


# ---- gunicorn ------------------------------------------------------------------------------------


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return tmp_path / "gunicorn.conf.py"


@pytest.mark.parametrize(
    "statement",
    [
        "defaults(globals())",
        "load()",
        "from package.defaults import *",
        "globals()['workers'] = 3",
        "for name in ('workers', 'bind'):\n    locals()[name] = name",
        "if load():\n    defaults(globals())",
        "globals().update(workers=3)",
        "try:\n    defaults(vars())\nexcept OSError:\n    pass",
    ],
)
def test_a_statement_that_may_set_more_is_told(python: Path, statement: str) -> None:
    said = Said(python, f"import os\n{statement}\n")
    assert len(said.unequal) == 1 and "--execute" in next(iter(said.unequal.values())), said.unequal


def test_what_changes_another_module_is_told(python: Path) -> None:
    said = Said(python, "import gunicorn\ngunicorn.SERVER = 'x'\n")
    assert "server_header" in said.unequal["gunicorn.SERVER = 'x'"]


def test_print_sets_nothing(python: Path) -> None:
    assert Said(python, "import os\nprint(os.getenv('FAPWS_NO'))\n").unequal == {}


@pytest.mark.parametrize("words", [(), ("-x",)], ids=["read", "run"])
def test_variables_that_the_file_sets_are_the_pools(
    python: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAPWS_A", raising=False)
    source = "import os\nos.environ['FAPWS_A'] = 'one'\nos.environ.setdefault('FAPWS_B', 'two')\n"
    source += "os.environ.setdefault('FAPWS_A', 'three')\nworkers = 2 if 'FAPWS_A' in os.environ else 1\n"
    said = Said(python, source + "proc_name = os.environ['FAPWS_A']\n", *words)
    assert said.sections["app:a:env"] == {"FAPWS_A": "one", "FAPWS_B": "two"}
    assert said.pool()["workers"] == "2" and said.unequal == {}


def test_a_variable_of_unknown_value_is_told(python: Path) -> None:
    said = Said(python, "import os\nos.environ['FAPWS_A'] = open('x').read()\n")
    assert list(said.unequal) == ["os.environ['FAPWS_A'] = open('x').read()"]


def test_what_has_no_equal_anyway_is_told_with_that_reason(python: Path) -> None:
    names = "when_ready = hook\nlogconfig_dict = log()\nproc_name = hook\n"
    said = Said(python, f"from x import hook, log\n{names}")
    assert "runs no code" in said.unequal["when_ready = hook"]
    assert "logging is its own" in said.unequal["logconfig_dict = log()"]
    assert len(said.unequal) == 2


def test_a_name_that_is_deleted_sets_nothing(python: Path) -> None:
    assert Said(python, "workers = 7\ndel workers\n").pool()["workers"] == "1"


def test_names_bound_side_by_side(python: Path) -> None:
    said = Said(python, "host, port = '127.0.0.1', 8001\nbind = f'{host}:{port}'\n")
    assert said.pool()["listen"] == "127.0.0.1:8001"


def test_bounds_whose_0_means_something_else(python: Path) -> None:
    said = Said(python, "keepalive = 0\nlimit_request_fields = 0\nlimit_request_line = 0\n")
    pool = said.pool()
    assert (pool["keepalive_timeout"], pool["max_headers"]) == ("1s", "256")
    assert pool["max_uri"] == pool["max_header_size"] == "64k"


def test_an_address_that_is_none_is_left_to_do(python: Path) -> None:
    said = Said(python, "bind = '/tmp/site.sock'\n")
    assert said.to_do == [
        "set listen: bind = '/tmp/site.sock': '/tmp/site.sock' is no address; a unix socket is unix:PATH"
    ]


def test_an_application_is_asked_for_beside_other_things_to_do(python: Path) -> None:
    python.write_text("import os\nworkers = os.environ['FAPWS_NO']\n")
    to_do = list(command.translate(parse_arguments(["translate", str(python)])).values["to_do"])
    assert [lack.partition(":")[0] for lack in to_do] == ["set workers", "name the application"]


# ---- uWSGI ---------------------------------------------------------------------------------------


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    return tmp_path / "uwsgi.ini"


def test_sections_and_files_that_are_taken_in(ini: Path, tmp_path: Path) -> None:
    (tmp_path / "more.ini").write_text("[uwsgi]\nharakiri = 7\nini = :deep\n[deep]\nmax-requests = 9\n")
    (tmp_path / "list.yaml").write_text("extra:\n  listen: 55\n")
    said = Said(
        ini,
        "[uwsgi]\nini = :base\ninclude = more.ini\nyaml = list.yaml:extra\nini = none.ini\n"
        "http-socket = :80\n[base]\nprocesses = 3\n[unused]\nprocesses = 4\n",
    )
    pool = said.pool()
    assert [pool[key] for key in ("workers", "request_timeout", "max_requests", "backlog")] == [
        *("3", "7s", "9", "55")
    ]
    assert list(said.unequal) == ["ini = none.ini"]


def test_files_that_take_in_each_other_come_to_an_end(ini: Path) -> None:
    said = Said(ini, "[uwsgi]\nhttp-socket = :80\nini = uwsgi.ini\nini = uwsgi.ini\n")
    assert said.pool()["listen"] == "0.0.0.0:80"


def test_loops_and_conditions_on_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPWS_TEST_PORT", "8123")
    text = "[uwsgi]\nfor = a b\nfor = 1 2\nx = %(_)\nendfor =\nendfor =\nif-env = FAPWS_TEST_PORT\n"
    text += "port = %(_)\nendif =\nif-opt = port=8123\ny = 1\nendif =\nif-not-opt = port\nz = 1\nendif =\n"
    options = uwsgi_file.read(text, "/x.ini").options
    assert [one.value for one in options if one.name == "x"] == ["1", "2", "1", "2"]
    found = {one.name: one for one in options}
    assert (found["port"].value, found["y"].value) == ("8123", "1") and found["z"].skipped


def test_a_loop_in_loops_is_bounded() -> None:
    many = " ".join(["x"] * 50)
    text = "[uwsgi]\n" + f"for = {many}\n" * 6 + "a = 1\n" + "endfor =\n" * 6
    assert len(uwsgi_file.read(text, "/x.ini").options) <= 5100


def test_sizes_fit_each_other_and_0_is_no_bound(ini: Path) -> None:
    said = Said(ini, "[uwsgi]\nhttp-socket = :80\nbuffer-size = 4096\nlimit-post = 0\nlogger = stdio\n")
    pool = said.pool()
    assert pool["max_uri"] == pool["max_header_size"] == "4k" and "max_body_size" not in pool
    assert pool["access_log"] == "/dev/stdout" and list(said.unequal) == ["limit-post = 0"]


def test_folders_that_static_cannot_have_are_told(ini: Path) -> None:
    said = Said(
        ini,
        "[uwsgi]\nhttp-socket = :80\nstatic-map = /a=/srv/one\nstatic-map = /a=/srv/two\n"
        "static-map = /.well-known=/srv/three\n",
    )
    assert said.pool()["static"] == "/a:/srv/one"
    assert list(said.unequal) == ["static-map = /a=/srv/two", "static-map = /.well-known=/srv/three"]


# ---- Unit ----------------------------------------------------------------------------------------


def unit(tmp_path: Path, steps: list[object], **members: object) -> Said:
    application = {"type": "python 3", "module": "a.b", **members}
    whole = {
        "listeners": {"127.0.0.1:8300": {"pass": "routes"}},
        "routes": steps,
        "applications": {"a": application, "php": {"type": "php"}},
    }
    return Said(tmp_path / "unit.json", json.dumps(whole))


def test_an_application_for_some_paths_is_served_and_told(tmp_path: Path) -> None:
    said = unit(tmp_path, [{"match": {"uri": "/api/*"}, "action": {"pass": "applications/a"}}])
    assert said.pool()["listen"] == "127.0.0.1:8300"
    assert any("asked for other paths too" in why for why in said.unequal.values())


def test_an_application_for_some_clients_is_not_shown_to_all(tmp_path: Path) -> None:
    match = {"source": "10.0.0.0/8"}
    said = unit(tmp_path, [{"match": match, "action": {"pass": "applications/a"}}])
    assert "8300" not in said.pool()["listen"]


@pytest.mark.parametrize(
    ("match", "served"),
    [
        ({"uri": "*.php"}, False),
        ({"uri": "/site/private/*"}, False),
        ({"source": "10.0.0.0/8"}, False),
        ({"uri": ["/other/*", "/another"]}, True),
    ],
)
def test_no_file_is_shown_that_a_step_before_kept(tmp_path: Path, match: object, served: bool) -> None:
    steps = [
        {"match": match, "action": {"return": 403}},
        {"match": {"uri": "/site/*"}, "action": {"share": "/srv$uri"}},
        {"action": {"pass": "applications/a"}},
    ]
    said = unit(tmp_path, steps)
    assert said.pool().get("static") == ("/site:/srv/site" if served else None)
    assert any("keeps requests" in why for why in said.unequal.values()) is not served


def test_files_that_one_address_of_two_has_are_told(tmp_path: Path) -> None:
    listeners = {"*:81": {"pass": "applications/a"}, "*:82": {"pass": "routes"}}
    steps = [
        {"match": {"uri": "/static/*"}, "action": {"share": "/srv$uri"}},
        {"action": {"pass": "applications/a"}},
    ]
    applications = {"a": {"type": "python", "module": "b"}}
    whole = {"listeners": listeners, "routes": steps, "applications": applications}
    said = Said(tmp_path / "unit.json", json.dumps(whole))
    assert said.unequal == {
        'listener "*:82" with pass routes': "static holds for all addresses of its pool"
    }


@pytest.mark.parametrize("share", ["/srv/site$uri", "/srv/site${uri}", "/srv/site/", "/srv/site"])
def test_folders_of_a_share(tmp_path: Path, share: str) -> None:
    steps = [
        {"match": {"uri": "/static/*"}, "action": {"share": share}},
        {"action": {"pass": "applications/a"}},
    ]
    assert unit(tmp_path, steps).pool()["static"] == "/static:/srv/site/static"


def test_python_2_asgi_and_workers_of_old(tmp_path: Path) -> None:
    steps: list[object] = [{"action": {"pass": "applications/a"}}]
    assert unit(tmp_path, steps, workers=3).pool()["workers"] == "3"
    assert "Python 2" in unit(tmp_path, steps, type="python 2.7").to_do[0]
    path = tmp_path / "asgi.json"
    listeners = {"*:80": {"pass": "applications/a"}}
    whole = {"listeners": listeners, "applications": {"a": {"type": "python", "module": "site.asgi"}}}
    path.write_text(json.dumps(whole))
    to_do = list(command.translate(parse_arguments(["translate", str(path)])).values["to_do"])
    assert to_do == ["name the WSGI application: 'site.asgi:application' looks like an ASGI one"]


@pytest.mark.parametrize("odd", [None, [], {}, "", 0, "routes/x", ["x"], {"a": 1}], ids=repr)
def test_members_of_another_kind_are_no_failure(tmp_path: Path, odd: object) -> None:
    assert unit(tmp_path, [odd, {"action": odd}, {"match": odd, "action": {"share": odd}}]).ini
    assert unit(tmp_path, [], processes=odd, environment=odd, path=odd, limits=odd).ini
