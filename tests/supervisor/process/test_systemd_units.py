"""The systemd units in conf/: one service, and the template for several beside each other."""

from __future__ import annotations

import configparser
import re
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


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["fapws.service", "fapws@.service"])
def test_systemd_holds_the_units_for_safe(name: str, tmp_path: Path) -> None:
    """At most 3.0 of 10; what bounds the service is in the unit, so an edit that opens it is seen here."""
    unit = tmp_path / name.replace("@", "@shop")
    unit.write_text((UNITS / name).read_text().replace("/usr/local/bin/fapwsctl", "/bin/true"))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("needs systemd 250, whose systemd-analyze looks at files")
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 3.0, done.stdout
