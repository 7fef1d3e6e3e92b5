"""An installed command leaves its bin directory out of what the application imports from."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from support.house import House
from support.raw import fetch
from support.server import Server

from fapws.supervisor.upgrade.landing import with_root

APPLICATION = """
import sys
try:
    import bottle
except ImportError:
    bottle = None
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr((getattr(bottle, "WRONG", None), sys.path)).encode()]
"""
PROGRAM = """#!{python}
import sys
from {module} import main
if __name__ == "__main__":
    sys.exit(main())
"""
COMMANDS = {"fapws": "fapws.cli.fapws", "fapws4": "fapws.cli.fapws", "fapwsctl": "fapws.cli.fapwsctl"}


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    """As pip makes it, with a script that is called like a module."""
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "bottle.py").write_text("WRONG = True\n", encoding="utf-8")
    for name, module in COMMANDS.items():
        (folder / name).write_text(PROGRAM.format(python=sys.executable, module=module), encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("way", ["path", "link", "linked_folder"])
@pytest.mark.parametrize("name", ["fapws", "fapws4"])
def test_the_command_leaves_it_out(
    bin_directory: Path, tmp_path: Path, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = bin_directory / name
    if way == "link":
        os.symlink(command, tmp_path / name)
        command = tmp_path / name
    elif way == "linked_folder":
        os.symlink(bin_directory.parent, tmp_path / "current")
        command = tmp_path / "current" / "bin" / name
    monkeypatch.setenv("FAPWS_COMMAND", f"{shlex.quote(sys.executable)} {shlex.quote(str(command))}")
    with Server(APPLICATION) as server:
        told = fetch(server.address, "/").text
        assert told.startswith("(None, ") and str(bin_directory) not in told


def test_the_daemon_leaves_it_out_and_so_do_reload_and_upgrade(bin_directory: Path, house: House) -> None:
    house.program = [sys.executable, str(bin_directory / "fapwsctl")]
    house.write_app(APPLICATION)
    house.start()
    told = fetch(("127.0.0.1", house.port()), "/").text
    assert told.startswith("(None, ") and str(bin_directory) not in told
    for command in ("reload", "upgrade", "reload"):
        house.ctl(command)
        assert fetch(("127.0.0.1", house.port()), "/").text == told, f"sys.path is another after {command}"
    house.ctl("stop")


def test_an_upgrade_leaves_the_standard_library_before_site_packages(tmp_path: Path) -> None:
    site, library = str(tmp_path / "site-packages"), str(tmp_path / "library")
    (tmp_path / "site-packages" / "fapws").mkdir(parents=True)
    assert with_root(site, [library, site]) == [library, site]
    (tmp_path / "tree" / "fapws").mkdir(parents=True)
    tree = str(tmp_path / "tree")
    assert with_root(tree, [library, site]) == [tree, library, site]
    assert with_root(tree, [library, site, tree]) == [tree, library, site, tree]


def test_python_c_keeps_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION, encoding="utf-8")
    start = shlex.quote("import sys; from fapws.cli.fapws import main; sys.exit(main())")
    monkeypatch.setenv("FAPWS_COMMAND", f"{shlex.quote(sys.executable)} -c {start}")
    with Server("shop:application", directory=tmp_path) as server:
        assert fetch(server.address, "/").text.startswith("(None, ")
