"""Sizes, times, yes/no and lists: texts to values and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws.settings import values


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("32k", 32768), ("10m", 10 * 2**20), ("1g", 2**30), ("0k", 0)],
)
def test_size_takes_k_m_g(text: str, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "10K", "1.5m", "-1", "+1", "10 m", "10mb", "1_0", "٣", "1t"])
def test_bad_size_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="k, m or g"):
        values.parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("25", 25), ("25s", 25), ("500ms", 0.5), ("1.5m", 90), ("2h", 7200), ("0.25", 0.25)],
)
def test_time_takes_ms_s_m_h(text: str, seconds: float) -> None:
    assert values.parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "1 s", "-1s", "1e3", "1.s", ".5s", "5M", "5d", "nan", "inf", "1.2.3"]
)
def test_bad_time_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="ms, s, m or h"):
        values.parse_time(text)


def test_time_finer_than_a_millisecond_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing finer than 1ms"):
        values.parse_time("0.5ms")


@pytest.mark.parametrize("text", ["true", "Yes", "1", "on", "", " yes"])
def test_boolean_is_yes_or_no(text: str) -> None:
    assert (values.parse_boolean("yes"), values.parse_boolean("no")) == (True, False)
    with pytest.raises(ValueError, match="yes or no"):
        values.parse_boolean(text)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "0x10", "1 0", "²"])
def test_integer_is_digits(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        values.parse_integer(text)


@given(st.integers(0, 2**60))
def test_any_size_survives_being_written(size: int) -> None:
    assert values.parse_size(values.format_size(size)) == size


@given(st.integers(0, 10**9))
def test_any_time_survives_being_written(milliseconds: int) -> None:
    assert values.parse_time(values.format_time(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(), st.sampled_from([values.parse_size, values.parse_time, values.parse_boolean]))
def test_any_text_is_a_value_or_a_value_error(text: str, parse: object) -> None:
    assert callable(parse)
    try:
        assert parse(text) >= 0
    except ValueError as error:
        assert "must be" in str(error)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("a", ["a"]),
        ("a, b,c", ["a", "b", "c"]),
        ("a,", ["a"]),
        ("a,\nb", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\n\nb, c", ["a", "b", "c"]),
    ],
)
def test_list_is_separated_by_commas_or_line_ends(text: str, parts: list[str]) -> None:
    assert values.split_list(text) == parts


@pytest.mark.parametrize("text", [",", "a,,b", ",a", "a,,", "a\n,b"])
def test_list_with_an_empty_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="empty place"):
        values.split_list(text)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("workrs", "workers"), ("WORKERS", "workers"), ("max-uri", "max_uri"), ("zzz", "")],
)
def test_nearest_finds_what_was_meant(word: str, meant: str) -> None:
    assert values.nearest(word, ["workers", "max_uri", "listen"]) == meant
