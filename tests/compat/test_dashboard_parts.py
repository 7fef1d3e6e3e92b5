"""The pure parts of conf/samples/dashboard: history, units, verdict, charts, colours, settings."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest
from support.console_demo import demo
from support.page import Page
from support.samples import SAMPLES


@pytest.fixture(scope="module")
def console() -> Any:
    """The package, as dashboard.py imports it."""
    sys.path.insert(0, str(SAMPLES / "dashboard"))
    try:
        for name in ("history", "units", "verdict", "chart", "page", "settings"):
            importlib.import_module(f"console.{name}")
        return sys.modules["console"]
    finally:
        sys.path.remove(str(SAMPLES / "dashboard"))


# ---- History -------------------------------------------------------------------------------------


def test_history_never_grows_over_its_bound(console: Any) -> None:
    kept = console.history.KEPT
    history = console.history.History(5.0)
    for n in range(3 * kept):
        history.add(console.history.Raw(5.0 * n, cpu=(float(n), 10.0 * n)))
    assert len(history.samples) == kept
    assert history.samples[-1].at == 5.0 * (3 * kept - 1)
    assert history.window == 900.0


def test_samples_older_than_the_window_are_not_shown(console: Any) -> None:
    history = console.history.History(5.0)
    for at in (0.0, 5.0, 2000.0):
        history.add(console.history.Raw(at))
    assert [sample.at for sample in history.recent(2001.0)] == [2000.0]


def test_sample_is_due_once_an_interval(console: Any) -> None:
    history = console.history.History(5.0)
    assert history.due(100.0)
    history.add(console.history.Raw(100.0))
    assert not history.due(101.0)
    assert not history.due(104.0)
    assert history.due(105.0)


def test_rates_are_differences_by_time(console: Any) -> None:
    history, raw = console.history.History(5.0), console.history.Raw
    history.add(raw(10.0, cpu=(100.0, 1000.0), network={"em0": (1000, 500)}, memory=(200, 50)))
    assert history.samples[-1].cpu is None and history.samples[-1].inward is None
    assert history.samples[-1].memory == 75.0
    history.add(raw(14.0, cpu=(102.0, 1008.0), network={"em0": (5000, 900), "wg0": (77, 77)}))
    assert history.samples[-1].cpu == 25.0
    assert history.rates == {"em0": (1000.0, 100.0), "wg0": (0.0, 0.0)}
    assert (history.samples[-1].inward, history.samples[-1].outward) == (1000.0, 100.0)


def test_counter_that_runs_backwards_is_no_negative_rate(console: Any) -> None:
    history, raw = console.history.History(5.0), console.history.Raw
    history.add(raw(10.0, cpu=(100.0, 1000.0), network={"em0": (1000, 500)}))
    history.add(raw(15.0, cpu=(90.0, 1010.0), network={"em0": (10, 5)}))
    assert history.samples[-1].inward == 0.0 and history.samples[-1].cpu == 0.0


# ---- Units ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("size", 0, "0 KiB"),
        ("size", 1536, "1.5 KiB"),
        ("size", 2**20 - 1, "1.0 MiB"),
        ("size", 18 * 2**20, "18.0 MiB"),
        ("size", 252 * 2**30, "252 GiB"),
        ("size", None, "\N{EN DASH}"),
        ("rate", 180, "0.2 KB/s"),
        ("rate", 999_999, "1.0 MB/s"),
        ("percent", 0.31, "0.3 %"),
        ("percent", 9.97, "10 %"),
        ("percent", 100.0, "100 %"),
        ("span", 59, "59 s"),
        ("span", 3600, "1 h"),
        ("span", 86400 * 3 + 3600 * 4 + 59, "3 d 4 h"),
        ("minutes", 900.0, "15 min"),
        ("number", 1234567, "1,234,567"),
    ],
)
def test_numbers_are_for_people(console: Any, name: str, value: Any, text: str) -> None:
    assert getattr(console.units, name)(value) == text


# ---- Verdict -------------------------------------------------------------------------------------


def test_verdict_names_what_is_bad_before_what_may_become_so(console: Any) -> None:
    assert console.verdict.verdict(demo()) == [
        {"level": "bad", "text": "backup is down"},
        {"level": "warn", "text": "/var is 93 % full"},
    ]


def test_verdict_sees_every_trouble(console: Any) -> None:
    found = demo()
    found["services"] = []
    found["disks"][2]["used_percent"] = 99.0
    found["load"] = (1.0, 8.0, 1.0)
    found["memory"]["used_percent"] = 96.0
    found["temperatures"][0]["celsius"] = 91.0
    found["fapws"].update(state="degraded", error="the master hangs", last_reload={"ok": False})
    found["fapws"]["pools"][0]["serving"] = 1
    texts = [trouble["text"] for trouble in console.verdict.verdict(found)]
    assert sorted(texts) == [
        "/var is 99 % full",
        "1 of 2 workers of blog serve",
        "96 % of memory is taken",
        "Fapws does not answer: the master hangs",
        "cpu0 has 91 °C",
        "load 8.0 on 4 cores for 5 minutes",
        "the last reload of Fapws failed",
    ]


def test_all_is_well_where_nothing_is_wrong_or_nothing_is_known(console: Any) -> None:
    found = demo()
    found["services"], found["disks"] = [], []
    assert console.verdict.verdict(found) == []
    found.update(memory=None, load=None, cores=None, temperatures=[])
    assert console.verdict.verdict(found) == []


# ---- The page ------------------------------------------------------------------------------------


def test_made_up_box_shows_every_part(console: Any) -> None:
    found = demo()
    found["troubles"] = console.verdict.verdict(found)
    page = Page(console.page.render(found, 10, "0"))
    assert {"Services", "Temperatures", "Fapws", "Interfaces", "Processes by memory"} <= set(page.headings)
    for text in ("51 °C", "blog/1 was killed by SIGKILL, 5 d ago", "wiki: asleep", "▲ down", "1,284,310"):
        assert text in page.text
    assert set(page.labels) <= set(page.ids) and len(page.ids) == len(set(page.ids))


def test_chart_breaks_its_line_where_samples_are_missing(console: Any) -> None:
    line = console.chart.Line("line", [1.0, 2.0, None, 3.0, 4.0, 5.0])
    drawn = console.chart.chart("c", "<t>", "&", [500, 495, 490, 485, 300, 295], [line], 900.0, 5.0)
    paths = re.findall(r'class="line" d="([^"]*)"', drawn)
    assert [path.count("M") for path in paths] == [1, 1, 1], "a hole, and a pause of minutes"
    assert paths[1].endswith("h0"), "a single sample is a dot"
    assert "&lt;t&gt;" in drawn and "<desc id=\"c-text\">&amp;</desc>" in drawn  # fmt: skip


def test_chart_stays_in_its_frame(console: Any) -> None:
    line = console.chart.Line("line", [0.0, 50.0, 500.0])
    drawn = console.chart.chart("c", "t", "d", [2000, 900, 0], [line], 900.0, 100.0)
    path = re.findall(r'class="line" d="M([^"]*)"', drawn)
    points = [tuple(map(float, point.split())) for run in path for point in run.rstrip("h0").split("L")]
    assert points and all(0 <= x <= console.chart.WIDTH and 0 <= y <= console.chart.HEIGHT for x, y in points)


def test_colours_have_contrast_in_light_and_dark(console: Any) -> None:
    """WCAG 2.2, 1.4.3: 4.5 for text; 1.4.11: 3 for lines."""
    style = (SAMPLES / "dashboard" / "console" / "style.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for ground in ("ground", "card"):
            for ink in ("text", "faint", "line", "other", "good", "warn", "bad"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground, colours)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ---- Settings ------------------------------------------------------------------------------------


def test_services_may_have_names_of_their_own(console: Any) -> None:
    read = console.settings.read_settings({"DASHBOARD_SERVICES": " sshd, mail = 25 ,, db=/run/a=b "})
    assert [tuple(one) for one in read.services] == [("sshd", "sshd"), ("mail", "25"), ("db", "/run/a=b")]


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "1e9"])
def test_interval_that_makes_no_sense_is_refused(console: Any, text: str) -> None:
    with pytest.raises(ValueError, match="DASHBOARD_INTERVAL"):
        console.settings.read_settings({"DASHBOARD_INTERVAL": text})


def test_services_elsewhere_have_addresses(console: Any) -> None:
    """A name server that does not answer would stop the worker."""
    read = console.settings.read_settings
    for good in ("127.0.0.1:80", "web=[::1]:80", "fapws: worker a/0", "a:b", "80"):
        assert len(read({"DASHBOARD_SERVICES": good}).services) == 1
    for bad in ("example.org:80", "web=localhost:80", "[::x]:80", "::1:80", "1.2.3.256:1"):
        with pytest.raises(ValueError, match="takes addresses"):
            read({"DASHBOARD_SERVICES": bad})
