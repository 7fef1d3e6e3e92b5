"""`make release` refuses a commit that is not worth one and writes down what was run; the public CI."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import TREE, clean_environment

WORKFLOW = TREE / ".github" / "workflows" / "ci.yml"
MAKEFILE = "lint:\n\t@echo 'something is wrong'; exit 3\n"
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


class Repository:
    """A repository that has what the release looks at, and one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools").mkdir(parents=True)
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
        for name in ("release.sh", "common.sh"):
            shutil.copy(TREE / "tools" / name, folder / "tools")
        shutil.copy(TREE / "pyproject.toml", folder)
        self.write(".gitignore", "build\n.venv\n")
        self.write("Makefile", MAKEFILE)
        self.version("1.2.3", "1.2.3 (2026-11-29)")
        self.git("init", "-q")
        self.commit()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def version(self, version: str, heading: str) -> None:
        self.write("fapws/__init__.py", f'__version__ = "{version}"\n')
        self.write(
            "CHANGES.md", f"# Changes\n\nNewest first.\n\n## {heading}\n\n- All.\n\n## 1.0.0 (2020-01-01)\n"
        )

    def git(self, *words: str) -> str:
        who = [
            "-c",
            "user.name=Somebody",
            "-c",
            "user.email=somebody@example.org",
            "-c",
            "commit.gpgsign=false",
        ]
        return subprocess.run(
            ["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "all")

    def release(self, **variables: str) -> str:
        """What it says when it refuses."""
        done = subprocess.run(
            ["sh", "tools/release.sh"],
            cwd=self.folder, env=clean_environment(**variables), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "clone")


@needs_git
def test_what_no_commit_has_is_not_released(repository: Repository) -> None:
    repository.write("fapws/more", "")
    assert "the tree is not as the commit has it:\n?? fapws/more" in repository.release()


@needs_git
@pytest.mark.parametrize(
    ("version", "heading", "told"),
    [
        ("1.2.3", "1.2.3 (not released yet)", 'not with "1.2.3 (YYYY-MM-DD)"'),
        ("1.2.4", "1.2.3 (2026-11-29)", 'not with "1.2.4 (YYYY-MM-DD)"'),
        ("1.2.3.dev1", "1.2.3 (2026-11-29)", 'not with "1.2.3 (not released yet)"'),
        ("1.2.3rc1", "1.2.2 (not released yet)", 'not with "1.2.3 (not released yet)"'),
    ],
)
def test_version_and_changes_must_agree(
    repository: Repository, version: str, heading: str, told: str
) -> None:
    repository.version(version, heading)
    repository.commit()
    assert told in repository.release()


@needs_git
def test_a_tag_takes_a_version_that_is_new_and_every_check(repository: Repository) -> None:
    assert "a tag takes all checks and all wheels" in repository.release(TAG="yes", CHECKS="lint")
    assert "a tag takes all checks and all wheels" in repository.release(TAG="yes", ONLY="x86_64-manylinux")
    repository.git("tag", "v1.2.3")
    assert "there is a tag v1.2.3 already" in repository.release(TAG="yes")
    repository.version("1.2.4.dev1", "1.2.4 (not released yet)")
    repository.commit()
    assert "1.2.4.dev1 is no version to tag" in repository.release(TAG="yes")


@needs_git
def test_a_check_that_fails_ends_it_and_is_written_down(repository: Repository) -> None:
    said = repository.release(CHECKS="lint")
    assert "something is wrong" in said
    assert "lint failed, exit status 2: see build/release-lint.log" in said
    text = (repository.folder / "build" / "release.checks").read_text()
    assert text.startswith(f"Fapws 1.2.3, commit {repository.git('rev-parse', 'HEAD')}\n")
    assert re.search(r"^lint +make lint +failed, exit status 2$", text, re.M)
    assert not (repository.folder / "dist").exists()
    assert repository.git("tag") == ""


@pytest.mark.skipif(
    importlib.util.find_spec("cyclonedx") is None,
    reason="needs cyclonedx-python-lib: runs after `make release`",
)
def test_bill_of_materials_names_the_parts_with_versions_and_licences(tmp_path: Path) -> None:
    if not (TREE / "build" / "libuv" / "source").exists():
        pytest.skip("needs libuv's source: runs after `make wheels`")
    (tmp_path / "fapws-1.tar.gz").write_bytes(b"hello")
    output = tmp_path / "fapws.cdx.json"
    command = [sys.executable, str(TREE / "tools" / "sbom.py"), str(output), str(tmp_path)]
    subprocess.run(command, check=True, timeout=240, env=clean_environment(SOURCE_DATE_EPOCH="1"))
    bill = json.loads(output.read_text(encoding="utf-8"))
    parts = {part["name"]: part for part in bill["components"]}
    assert re.fullmatch(r"\d+\.\d+\.\d+", parts["libuv"]["version"])
    assert parts["libuv"]["licenses"] == [{"expression": "MIT AND BSD-2-Clause AND ISC"}]
    assert parts["cffi"]["version"] and parts["cffi"]["licenses"]
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert parts["fapws-1.tar.gz"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert bill["metadata"]["timestamp"] == "1970-01-01T00:00:01+00:00", "not that of the machine"


@pytest.mark.skipif(not WORKFLOW.exists(), reason="a source distribution has no CI: runs in a clone")
def test_public_ci_runs_the_targets_of_the_own_one() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (TREE / "Makefile").read_text(encoding="utf-8"), re.M))
    called = set(re.findall(r"(?<!\w)make ([a-z][a-z-]+)", text))
    (block,) = re.findall(r"^        target:\n((?:          - .*\n)+)", text, re.M)
    called |= {line.split()[1] for line in block.splitlines()}
    assert called - targets == set()
    ours = set(re.findall(r"^step make ([a-z-]+)", (TREE / ".ci" / "run").read_text(encoding="utf-8"), re.M))
    assert ours - called == set(), "what .ci/run runs"
