"""conf/samples/dashboard in a browser: headless Chromium, driven over its pipe.

Pictures are left in build/dashboard. demo.png is of a made-up box; the others tell of this machine.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import COMMAND, Chromium
from support.console_demo import demo
from support.page import picture
from support.samples import SAMPLES, running
from support.server import ROOT, Server

pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="chromium is not installed: runs where .ci/run or apt-get has installed it"
)
PICTURES = ROOT / "build" / "dashboard"
DESKTOP, PHONE = (1280, 900), (390, 844)
LONG = "anamewithoutaplacetobreakit" * 9
NASTY = "</title><script>window.pwned = true</script>"
TOO_WIDE = """[...document.querySelectorAll('body, .card, table')].filter(
    part => part.getBoundingClientRect().right > innerWidth || part.scrollWidth > part.clientWidth + 1
).map(part => part.className || part.tagName)"""

BANNER = """(() => {
    const box = document.getElementById('stale').getBoundingClientRect();
    return [box.top, box.width / document.getElementById('parts').getBoundingClientRect().width];
})()"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A box with names that break what can be broken."""
    env = {"DASHBOARD_SERVICES": f"mail=1, {LONG}={LONG}", "DASHBOARD_INTERVAL": "0.1"}
    with running("dashboard/dashboard.py", tmp_path, DASHBOARD_TITLE=NASTY, **env) as server:
        yield server


def keep(name: str, png: bytes) -> bytes:
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / name).write_bytes(png)
    return png


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_page_is_drawn_and_fits_the_screen(
    chromium: Chromium, server: Server, name: str, size: tuple[int, int], scheme: str
) -> None:
    chromium.complaints.clear()
    chromium.look_like(*size, phone=name == "phone", scheme=scheme)
    chromium.open(server.url)
    png = keep(f"{name}-{scheme}.png", chromium.screenshot())
    scale = 2 if name == "phone" else 1
    width, height, colours = picture(png)
    assert (width, height) == (size[0] * scale, size[1] * scale) and colours > 60
    heads = chromium.evaluate("[...document.querySelectorAll('h2')].map(head => head.textContent)")
    assert {"Processor", "Memory", "Fapws", "Services", "Disks", "Processes by CPU"} <= set(heads)
    assert chromium.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [size[0], size[0]]
    assert chromium.evaluate(TOO_WIDE) == []
    ground = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(243, 244, 246)" if scheme == "light" else "rgb(15, 19, 24)")
    assert chromium.evaluate("document.querySelector('.chart').getBoundingClientRect().height") > 30
    # Chromium tells here what its own policy forbids the page, and what could not be loaded.
    assert chromium.complaints == []
    assert chromium.evaluate("window.pwned === undefined")
    assert chromium.evaluate("document.title").endswith(NASTY)


def test_script_puts_new_numbers_in_place_and_says_when_there_are_none(
    chromium: Chromium, server: Server
) -> None:
    chromium.look_like(*DESKTOP)
    chromium.open(server.url + "/?refresh=2")
    chromium.evaluate("document.body.dataset.same = document.getElementById('parts').dataset.old = 'yes'")
    gone = "new Promise(done => {const look = () => %s ? done(true) : setTimeout(look, 20); look()})"
    assert chromium.evaluate(gone % "!document.getElementById('parts').dataset.old")
    assert chromium.evaluate("document.body.dataset.same") == "yes", "it is still the same document"
    assert chromium.evaluate("document.getElementById('stale').hidden")
    counted = chromium.evaluate("document.title")
    assert counted.endswith(") " + NASTY) and counted.startswith("("), "services that are down are counted"
    chromium.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert chromium.evaluate("scrollY") > 0
    server.stop()
    assert chromium.evaluate(gone % "!document.getElementById('stale').hidden")
    assert chromium.evaluate("document.title") == NASTY, "the count is old, too"
    assert chromium.evaluate("document.body.firstElementChild.id") == "stale"
    assert "these numbers are old" in chromium.evaluate("document.getElementById('stale').innerText")
    top, width = chromium.evaluate(BANNER)
    assert top == 0 and width > 0.9, "it is seen wherever the page is scrolled to"
    keep("stale.png", chromium.screenshot())
    assert "Processor" in chromium.evaluate("document.getElementById('parts').innerText"), "numbers stay"


def test_page_refreshes_itself_without_script(chromium: Chromium, server: Server) -> None:
    chromium.look_like(*DESKTOP)
    chromium.allow_scripts(False)
    try:
        chromium.open(server.url + "/?refresh=2")
        chromium.forget_events()
        chromium.wait_for("Page.loadEventFired")
        assert "Processor" in chromium.evaluate("document.body.innerText")
    finally:
        chromium.allow_scripts(True)


def test_picture_of_a_made_up_box(chromium: Chromium, tmp_path: Path) -> None:
    sys.path.insert(0, str(SAMPLES / "dashboard"))
    try:
        page = importlib.import_module("console.page")
        verdict = importlib.import_module("console.verdict")
    finally:
        sys.path.remove(str(SAMPLES / "dashboard"))
    found = demo()
    found["troubles"] = verdict.verdict(found)
    (tmp_path / "demo.html").write_text(page.render(found, 0, "0"), encoding="utf-8")
    for name, (width, height) in (("demo.png", (1180, 900)), ("demo-phone.png", PHONE)):
        chromium.look_like(width, height)
        chromium.open(f"file://{tmp_path}/demo.html")
        chromium.look_like(width, int(chromium.evaluate("document.documentElement.scrollHeight")))
        assert picture(keep(name, chromium.screenshot()))[2] > 60
        assert chromium.evaluate(TOO_WIDE) == []
