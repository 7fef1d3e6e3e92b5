"""The completion of fapwsctl, asked as bash and OpenBSD's ksh do it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fapws.cli.arguments import COMMANDS
from fapws.cli.fapwsctl import _COMMANDS

COMPLETION = Path(__file__).resolve().parents[2] / "conf" / "completion"
BASH = shutil.which("bash")
ASKED = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_fapwsctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words: str) -> set[str]:
    """What bash offers for the last word."""
    assert BASH
    command = [BASH, "--norc", "-c", ASKED, "bash", str(COMPLETION / "fapwsctl.bash"), "fapwsctl", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


@pytest.mark.skipif(not BASH, reason="needs bash")
def test_commands_options_pools_and_files_are_offered(tmp_path: Path) -> None:
    ini = tmp_path / "site.ini"
    ini.write_text("[fapws]\n[app:blog]\n[app:blog:env]\nA = 1\n[app:shop]\n")
    assert complete("") == set(_COMMANDS)
    assert complete("re") == {"restart", "reload", "reopen"}
    assert complete("-c", str(ini), "sca") == {"scale"}
    assert complete("-c", str(ini), "scale", "") == {"blog", "shop"}
    assert complete("-c", str(ini), "drain", "s") == {"shop"}
    assert complete("-c", str(tmp_path / "none.ini"), "scale", "") == set()
    assert complete("-c", str(tmp_path) + "/") == {str(ini)}
    assert "--json" in complete("-")
    assert "-F" in complete("start", "-") and "-F" not in complete("stop", "-")
    assert complete("stop", "") == set()


def test_lists_for_ksh_hold_every_command() -> None:
    text = (COMPLETION / "fapwsctl.ksh").read_text()
    for words in re.findall(r"^set -A \w+ -- (.*)$", text, re.M):
        assert set(words.split()) - {"-c"} == set(_COMMANDS)


def test_command_line_knows_every_command_and_no_other() -> None:
    assert list(COMMANDS) == list(_COMMANDS)
