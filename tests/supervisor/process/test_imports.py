"""What a plain application's processes import. Each module costs memory in the master and in every worker, so
a new one is a decision, taken here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from support.house import House
from support.server import Server

# Modules of the standard library beyond what the interpreter itself has loaded.
STANDARD_LIBRARY = {
    "__future__",
    "_cffi_backend",
    "_collections",
    "_signal",
    "_socket",
    "_struct",
    "atexit",
    "errno",
    "faulthandler",
    "fcntl",
    "gc",
    "itertools",
    "math",
    "mmap",
    "resource",
    "select",
    "struct",
}
# Modules of Fapws that only some programs or some events need.
ON_DEMAND = {
    "fapws._evwsgi",
    "fapws.base",
    "fapws.cli.arguments",
    "fapws.cli.configured",
    "fapws.cli.control_client",
    "fapws.cli.fapwsctl",
    "fapws.cli.init",
    "fapws.cli.translate",
    "fapws.cli.queries",
    "fapws.cli.profile",
    "fapws.cli.stack",
    "fapws.cli.top",
    "fapws.cli.top_screen",
    "fapws.cli.status_text",
    "fapws.compat.check",
    "fapws.compat.extras",
    "fapws.compat.fields",
    "fapws.compat.foreign",
    "fapws.compat.paths",
    "fapws.compat.query",
    "fapws.compat.responses",
    "fapws.compat.schedule",
    "fapws.compat.standalone",
    "fapws.compat.start_address",
    "fapws.compat.start_call",
    "fapws.config",
    "fapws.contrib",
    "fapws.settings.dump",
    "fapws.supervisor.core.rollback_rules",
    "fapws.supervisor.core.zygote_rules",
    "fapws.supervisor.monitor",
    "fapws.supervisor.monitor.agent",
    "fapws.supervisor.monitor.desk",
    "fapws.supervisor.listen.backlog",
    "fapws.supervisor.monitor.http",
    "fapws.supervisor.monitor.metrics",
    "fapws.supervisor.monitor.monitor",
    "fapws.supervisor.monitor.page",
    "fapws.supervisor.monitor.site",
    "fapws.supervisor.control.figures",
    "fapws.supervisor.control.questions",
    "fapws.supervisor.json_lines",
    "fapws.supervisor.questioning",
    "fapws.supervisor.slow_requests",
    "fapws.supervisor.process.births",
    "fapws.supervisor.process.caught",
    "fapws.supervisor.process.usage",
    "fapws.supervisor.upgrade.landing",
    "fapws.worker.profiler",
    "fapws.worker.unforkable",
    "fapws.worker.watch",
    "fapws.worker.zygote",
    "fapws.wsgi.forwarded",
    "fapws.wsgi.traceback_page",
}

APP = """
import sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(sorted(sys.modules)).encode()]
"""


PATHS = """
import sys

def hello(environ, start_response):
    return "\\n".join(sorted(sys.modules))

PATHS = [("/", hello)]
"""
# What these and programs of fapws3 have beyond a plain application, and nothing of the standard library.
COMPATIBILITY = {
    "fapws.base",
    "fapws.compat.responses",
    "fapws.compat.extras",
    "fapws.compat.fields",
    "fapws.compat.foreign",
    "fapws.config",
    "fapws.compat.paths",
    "fapws.compat.query",
}
EVWSGI = """
import sys
import fapws._evwsgi as evwsgi
from fapws import base

def hello(environ, start_response):
    return "\\n".join(sorted(sys.modules))

evwsgi.start("127.0.0.1", "0")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", hello))
evwsgi.run()
"""


def modules_of_a_worker(app: str = APP) -> set[str]:
    """What the master had imported before the fork, and the worker after it."""
    with Server(app) as server:
        return set(requests.get(server.url, timeout=10).text.split("\n"))


def modules_of_the_interpreter(directory: Path) -> set[str]:
    """What any program started with -m has loaded."""
    (directory / "probe.py").write_text("import sys; print(*sys.modules)")
    command = [sys.executable, "-m", "probe"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=directory)
    return set(out.stdout.split())


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy's library imports other modules")
def test_plain_application_brings_in_no_module_that_is_not_on_the_list(tmp_path: Path) -> None:
    loaded = modules_of_a_worker()
    own = {name for name in loaded if name.split(".")[0] == "fapws"}
    assert own & ON_DEMAND == set()
    others = loaded - own - modules_of_the_interpreter(tmp_path) - {"app"}
    assert others - STANDARD_LIBRARY == set()


@pytest.mark.parametrize(
    ("program", "more"),
    [(PATHS, set()), (EVWSGI, {"fapws._evwsgi", "fapws.compat.start_address", "fapws.settings.addresses"})],
    ids=["PATHS", "evwsgi"],
)
def test_old_program_brings_in_what_makes_it_one_and_nothing_else(program: str, more: set[str]) -> None:
    assert modules_of_a_worker(program) - modules_of_a_worker() - {"app"} == COMPATIBILITY | more


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy's library imports other modules")
def test_what_reads_the_configuration_does_not_stay_with_a_daemon(house: House) -> None:
    """Nor what talks to a server that runs: the command that starts becomes the master."""
    house.write_app(APP)
    house.configure()
    call = "import sys; from fapws.cli.fapwsctl import main; sys.exit(main())"
    house.program = [sys.executable, "-c", call]  # as the installed script; -m loads re and enum on 3.9
    house.start()
    port = int(house.status()["pools"][0]["listen"][0].rsplit(":", 1)[1])
    loaded = set(requests.get(f"http://127.0.0.1:{port}/", timeout=10).text.split("\n"))
    assert "fapws.supervisor.master" in loaded, "of the master, before it forked"
    kept = {"json", "re", "enum", "fapws.settings.options", "fapws.settings.ini", "fapws.settings.scan"}
    assert loaded & kept == set()
