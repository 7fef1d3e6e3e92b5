"""preload with what applications are made of: Django, logging, multiprocessing, tracemalloc, ssl.

docs/preload.md has a table of these and of packages that are not among what tests need. Those are tried by
tests/supervisor/preload_packages.py, by hand.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from typing import Any

import pytest
from support.house import House, Load, wait_until
from support.preloading import PRELOAD, app, started, workers, zygotes

SITE = """
import logging, logging.handlers, multiprocessing, os, random, ssl
from pathlib import Path

try:
    import tracemalloc
except ImportError:
    tracemalloc = None  # PyPy

import django
from django.conf import settings

HERE = Path(__file__).parent
ZYGOTE = os.getpid()
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="-",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "db"}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
)
django.setup()

from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import JsonResponse
from django.urls import path

cache.set("said", "at the import")
if tracemalloc:
    tracemalloc.start()
CONTEXT = ssl.create_default_context()
LOG = logging.getLogger("shop")
LOG.setLevel(logging.INFO)
LOG.addHandler(logging.FileHandler(HERE / "shop.log"))
LOG.addHandler(logging.handlers.MemoryHandler(1))
LOG.info("imported by %d", os.getpid())
SQUARES = []
UNSEEDED = random.Random(7)


def squared(number):
    return number * number


def ask(request):
    was_open = connection.connection is not None
    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        answer = cursor.fetchone()[0]
    LOG.info("asked of %d", os.getpid())
    if not SQUARES:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            SQUARES.extend(pool.map(squared, range(4)))
    response = JsonResponse({
        "pid": os.getpid(), "answer": answer, "was open": was_open, "cache": cache.get("said"),
        "squares": SQUARES, "traced": tracemalloc and tracemalloc.get_traced_memory()[0] > 0,
        "bytes": ssl.RAND_bytes(16).hex(), "context": CONTEXT.verify_mode.name,
        "copy": UNSEEDED.random(), "seeded": random.random(),
    })
    response["Content-Length"] = str(len(response.content))
    return response


urlpatterns = [path("", ask)]
application = get_wsgi_application()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workers of a Django site."""
    house = House(tmp_path_factory.mktemp("packages"))
    try:
        started(house, workers=2, text=SITE)
        yield house
        house.ctl("stop")
        house.assert_nothing_is_left()
    finally:
        house.clean()


@pytest.fixture(scope="module")
def answers(site: House) -> dict[int, list[dict[str, Any]]]:
    """Of both workers, by PID, in order."""
    port = site.port()
    said: dict[int, list[dict[str, Any]]] = {}

    def both_were_asked() -> bool:
        answer = json.loads(site.get(port))
        said.setdefault(answer["pid"], []).append(answer)
        return len(said) == 2 and all(len(some) > 1 for some in said.values())

    wait_until(both_were_asked, "both have answered twice")
    assert set(said) == set(workers(site))
    return said


def firsts(answers: dict[int, list[dict[str, Any]]], key: str) -> list[Any]:
    """Of each worker."""
    return [some[0][key] for some in answers.values()]


def test_django_connects_in_each_worker_and_keeps_what_the_import_has_cached(
    answers: dict[int, list[dict[str, Any]]],
) -> None:
    assert firsts(answers, "was open") == [False, False]
    assert firsts(answers, "answer") == [42, 42]
    assert firsts(answers, "cache") == ["at the import"] * 2


def test_processes_of_multiprocessing_are_the_worker_s_own(
    answers: dict[int, list[dict[str, Any]]],
) -> None:
    assert firsts(answers, "squares") == [[0, 1, 4, 9]] * 2


def test_tracemalloc_and_ssl_go_on(answers: dict[int, list[dict[str, Any]]]) -> None:
    assert firsts(answers, "traced") == [None if platform.python_implementation() == "PyPy" else True] * 2
    assert firsts(answers, "context") == ["CERT_REQUIRED"] * 2
    assert len(set(firsts(answers, "bytes"))) == 2, "one and the same stream of random bytes"


def test_random_is_seeded_anew_and_generators_of_ones_own_are_copies(
    answers: dict[int, list[dict[str, Any]]],
) -> None:
    assert len(set(firsts(answers, "seeded"))) == 2
    assert len(set(firsts(answers, "copy"))) == 1, "docs/preload.md says so"


def test_lines_of_logging_are_whole_and_of_every_process(
    site: House, answers: dict[int, list[dict[str, Any]]], load: type[Load]
) -> None:
    with load(site, site.port()) as clients:
        clients.more(20)
    clients.check()
    lines = (site.directory / "shop.log").read_text().splitlines()
    assert lines[0] == f"imported by {zygotes(site)[0]}"
    assert {line.rpartition(" ")[2] for line in lines[1:]} == {str(pid) for pid in answers}
    assert {line.rpartition(" ")[0] for line in lines[1:]} == {"asked of"}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import multiprocessing\nP = multiprocessing.get_context('fork').Pool(1)\n", "in _handle_"),
        (
            "import logging.handlers, queue\nlogging.handlers.QueueListener(queue.Queue()).start()\n",
            "in _monitor",
        ),
    ],
    ids=["a pool of multiprocessing", "a listener of logging"],
)
def test_what_has_threads_of_its_own_is_refused_by_name(house: House, code: str, found: str) -> None:
    house.write_app(code + app())
    house.configure(pool=PRELOAD)
    said = house.ctl("start", expect=1)
    assert "the import has left behind what a fork breaks" in said and found in said
    house.assert_nothing_is_left()
