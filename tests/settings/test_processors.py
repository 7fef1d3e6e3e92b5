"""workers = auto: the processors of the process, and what its cgroups leave it of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fapws.settings import ini, options
from fapws.settings.processors import Processors, processors, quota

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 25 0:29 {root} /sys/fs/cgroup/cpu,cpuacct ro shared:15 - cgroup cgroup rw,cpu,cpuacct"
OTHER = "22 27 0:21 / /proc rw shared:14 - proc proc rw"


def told(cgroup: str, mounts: list[str], files: dict[str, str]) -> float:
    place = {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": "\n".join([OTHER, *mounts]) + "\n"}
    return quota(lambda path: {**place, **files}.get(path, ""))


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "expected"),
    [
        ("0::/\n", [V2], {"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", [V2], {"/sys/fs/cgroup/cpu.max": "max 100000\n"}, 0.0),
        ("0::/\n", [V2], {}, 0.0),
        ("0::/a/b\n", [V2], {"/sys/fs/cgroup/a/b/cpu.max": "400000 100000"}, 4.0),
        (
            "0::/a/b\n",
            [V2],
            {"/sys/fs/cgroup/a/b/cpu.max": "400000 100000", "/sys/fs/cgroup/a/cpu.max": "200000 100000"},
            2.0,
        ),
        ("0::/../other\n", [V2], {"/sys/fs/cgroup/cpu.max": "300000 100000"}, 3.0),
        ("0::/\n", [V2.replace("/sys/fs/cgroup", "/cg\\040roup")], {"/cg roup/cpu.max": "50000 100000"}, 0.5),
        (
            "4:cpu,cpuacct:/\n0::/\n",
            [V1.format(root="/")],
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            "4:cpu,cpuacct:/docker/1f\n",
            [V1.format(root="/docker/1f")],
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000\n",
            },
            2.0,
        ),
        (
            "4:cpu,cpuacct:/\n",
            [V1.format(root="/")],
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.0,
        ),
        ("4:cpuset:/\n", [V1.format(root="/")], {"/sys/fs/cgroup/cpu,cpuacct/cpu.max": "1 1"}, 0.0),
        ("0::/\n", [V2], {"/sys/fs/cgroup/cpu.max": "100000 0\n"}, 0.0),
        ("0::/\n", [V2], {"/sys/fs/cgroup/cpu.max": "nonsense\n"}, 0.0),
        ("", [], {}, 0.0),
    ],
)
def test_quota_is_the_smallest_of_the_groups_above(
    cgroup: str, mounts: list[str], files: dict[str, str], expected: float
) -> None:
    assert told(cgroup, mounts, files) == expected


@pytest.mark.parametrize(
    ("there", "workers", "text"),
    [
        (Processors(8), 8, "8 processors"),
        (Processors(1), 1, "1 processor"),
        (Processors(8, 2.5), 2, "8 processors, cgroup quota 2.5"),
        (Processors(2, 4.0), 2, "2 processors, cgroup quota 4"),
        (Processors(8, 0.25), 1, "8 processors, cgroup quota 0.25"),
    ],
)
def test_a_worker_for_each_whole_processor(there: Processors, workers: int, text: str) -> None:
    assert there.workers == workers
    assert str(there) == text


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that tells the affinity")
def test_affinity_counts() -> None:
    one = sorted(os.sched_getaffinity(0))[0]
    program = (
        f"import os; os.sched_setaffinity(0, [{one}])\n"
        "from fapws.settings.processors import processors\nprint(processors().workers)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"1\n"


def test_configuration_says_auto(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("def application(environ, start_response):\n    return []\n")
    file = tmp_path / "fapws.ini"
    pool = "[app:{0}]\nscript = hello.py\nlisten = unix:{0}\n"
    file.write_text("[fapws]\nworkers = auto\n" + pool.format("a") + pool.format("b") + "workers = 3\n")
    first, second = ini.read(str(file)).pools
    assert (first.workers, first.automatic) == (processors().workers, str(processors()))
    assert (second.workers, second.automatic) == (3, "")


def test_word_that_is_no_number_is_told_what_is() -> None:
    with pytest.raises(ValueError, match="must be a whole number, or auto"):
        options.parse(options.POOL_OPTIONS["workers"], "many", "/")


GROUPS = [mount for mount in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup") if os.access(mount, os.W_OK)]


@pytest.mark.skipif(
    os.geteuid() != 0 or not GROUPS, reason="makes a cgroup: runs as root where there are cgroups to write to"
)
def test_quota_of_a_real_group() -> None:
    group = Path(GROUPS[0]) / f"fapws-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error.strerror}")
    try:
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("150000 100000")
        elif (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("150000")
        else:
            pytest.skip("the groups here know no quota of processors")
        program = (
            "import os\n"
            f"with open({str(group / 'cgroup.procs')!r}, 'w') as file: file.write(str(os.getpid()))\n"
            "from fapws.settings.processors import processors\nprint(processors().quota)"
        )
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, check=True)
        assert done.stdout == b"1.5\n"
    finally:
        group.rmdir()
