"""The order in which the files run: those whose tests wait beside those whose tests compute.

And what no test may leave behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's: with a load of 15 a pause of its own counts as one.
settings.register_profile(
    "any machine", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Whole servers with masters: their tests mostly wait for processes, while the others keep a processor busy.
WAITING = Path(__file__).parent / "supervisor" / "process"

# Of both, those that take longest begin, and those that take next to no time end: then no process works on
# alone while the rest has nothing left to do.
LONG = (
    *("test_distribution.py", "test_install.py", "test_differential.py", "test_decide_property.py"),
    *("test_watchdog.py", "test_warmup.py", "test_upgrade_in_place.py", "test_wsgi_limits.py"),
)
QUICK = tuple(Path(__file__).parent / name for name in ("settings", "supervisor/unit", "worker"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the files that wait evenly among those that compute: the processors are busy throughout.

    The order of tests within a file stays. (pytest-xdist hands files out in this order, see tools/common.sh.)
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    quick = [path for path in files if path.parent in QUICK and path.name not in LONG]
    others = sorted((path for path in files if path not in quick), key=lambda path: path.name not in LONG)
    groups = (
        [path for path in others if WAITING in path.parents],
        [path for path in others if WAITING not in path.parents],
    )
    place = {path: index / len(alike) for alike in groups for index, path in enumerate(alike)}
    place.update(dict.fromkeys(quick, 1.0))
    items[:] = [item for path in sorted(files, key=place.__getitem__) for item in files[path]]


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Lets pytest keep the files of tests as it has rewritten them, whatever the environment says.

    That takes two thirds of the time to collect them, and each process collects them all.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    yield
    sys.dont_write_bytecode = before


@pytest.fixture(autouse=True)
def _django_is_nobodys() -> Iterator[None]:
    """Fails the test that configures Django in pytest's process: all later tests would have its settings."""
    yield
    django = sys.modules.get("django.conf")
    assert django is None or not django.settings.configured, (
        "configures Django: let it do so in a Python of its own"
    )
