"""What is made of samples of memory: growth since the warm-up, and the plot."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from soak.memory_plot import Growth, Sample, apart, growths, largest_growth, step, svg

FLAT: list[Sample] = [(done, {7: 14000, 9: 13000 if done else 9000}) for done in range(0, 10001, 50)]
SPACE = "{http://www.w3.org/2000/svg}"


def _shapes(image: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(image).iter(SPACE + name))


def _is_tick(shape: ElementTree.Element) -> bool:
    return float(shape.attrib["y2"]) - float(shape.attrib["y1"]) == 5


def test_growth_counts_from_the_first_sample_after_the_warm_up() -> None:
    samples: list[Sample] = [(0, {7: 100}), (999, {7: 500}), (1100, {7: 600}), (10000, {7: 640})]
    assert growths(samples, 10000) == [Growth(7, 40, 10000, 40)]


def test_growth_that_is_gone_at_the_end_is_told() -> None:
    samples: list[Sample] = [(1000, {7: 600}), (5000, {7: 900}), (10000, {7: 590})]
    assert largest_growth(samples, 10000) == Growth(7, 300, 5000, -10)


def test_growth_is_of_the_process_that_grew_most_even_if_it_came_late() -> None:
    samples: list[Sample] = [(1000, {7: 600}), (5000, {7: 601, 9: 50}), (10000, {7: 602, 9: 70})]
    found = largest_growth(samples, 10000)
    assert found is not None and (found.pid, found.largest) == (9, 20)


def test_one_sample_after_the_warm_up_is_no_growth() -> None:
    assert largest_growth([(0, {7: 1}), (1000, {7: 600})], 10000) is None
    assert largest_growth([], 10000) is None


def test_plot_has_a_named_line_for_each_process_with_all_its_samples() -> None:
    image = svg(FLAT, 10000, "Python & Linux")
    lines = [shape.attrib["points"].split() for shape in _shapes(image, "polyline")]
    assert [len(points) for points in lines] == [len(FLAT)] * 2
    words = [shape.text for shape in _shapes(image, "text")]
    assert {"master: 14,000 KB", "worker 1: 13,000 KB", "10,000", "Python & Linux"} <= set(words)


def test_plot_counts_memory_from_zero() -> None:
    """Twice the memory is twice as high: nothing is cut off below, where growth would look larger."""
    image = svg([(0, {7: 1000, 9: 2000}), (100, {7: 1000, 9: 2000})], 100, "")
    heights = [float(shape.attrib["points"].split(",")[-1]) for shape in _shapes(image, "polyline")]
    zero = max(float(shape.attrib["y1"]) for shape in _shapes(image, "line") if _is_tick(shape))
    assert abs((zero - heights[1]) - 2 * (zero - heights[0])) < 0.3


def test_plot_says_the_largest_growth() -> None:
    assert "no process was ever larger" in svg(FLAT, 10000, "")
    grown: list[Sample] = [(1000, {7: 600}), (5000, {7: 900}), (10000, {7: 590})]
    assert "300 KB (master, at request 5,000); at the end -10 KB" in svg(grown, 10000, "")


def test_plot_of_nothing_is_an_image_too() -> None:
    assert not _shapes(svg([], 0, ""), "polyline")


def test_names_of_lines_that_meet_are_moved_apart() -> None:
    assert apart([50.0, 49.0, 10.0], 17) == [66.0, 49.0, 10.0]


def test_ticks_are_round_and_not_too_many() -> None:
    assert [step(10_000_000, 6), step(13.6, 7), step(300_000, 6)] == [2_000_000, 2, 50_000]
    assert not re.search(r">\d+\.\d{3,}<", svg(FLAT, 10000, ""))
