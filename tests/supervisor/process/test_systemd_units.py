"""The systemd units in conf/: one service, and the template for several beside each other."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[3] / "conf" / "systemd"


def read(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string((UNITS / name).read_text())
    return unit


def test_the_template_differs_from_the_service_only_in_names() -> None:
    service, template = read("fapws.service"), read("fapws@.service")
    assert template.sections() == service.sections()
    for section in service.sections():
        for key, value in template[section].items():
            named = value.replace("/etc/fapws/%i.ini", "/etc/fapws.ini").replace("/%i", "").replace(" %i", "")
            assert named == service[section][key], key
        assert template[section].keys() == service[section].keys()


def test_stopping_one_instance_removes_no_directory_of_another() -> None:
    """systemd removes the innermost directory of RuntimeDirectory= when the unit that names it stops."""
    assert read("fapws@.service")["Service"]["RuntimeDirectory"] == "fapws/%i"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["fapws.service", "fapws@.service"])
def test_systemd_finds_no_fault(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name.replace("@", "@shop")
    unit.write_text((UNITS / name).read_text().replace("/usr/local/bin/fapwsctl", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")
