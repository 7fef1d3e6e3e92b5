"""Query strings and urlencoded forms become fapws.params."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fapws.compat.query import count_fields, parse_query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("a=1", {"a": ["1"]}),
        ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        ("a=&b", {"a": [""], "b": [""]}),
        ("a=+1+", {"a": [" 1 "]}),
        ("a=%2b%26%3D", {"a": ["+&="]}),
        ("a=%C3%A9&%c3%a9=1", {"a": ["é"], "é": ["1"]}),
        ("a=%", {"a": ["%"]}),
        ("a=%4&b=%zz&c=%+1&d=%%41", {"a": ["%4"], "b": ["%zz"], "c": ["% 1"], "d": ["%A"]}),
        ("a=%ff", {"a": ["\ufffd"]}),
        ("a=b=c", {"a": ["b=c"]}),
        ("=1", {"": ["1"]}),
        ("&&a=1&", {"a": ["1"]}),
        ("a=1;b=2", {"a": ["1;b=2"]}),
        ("a=é", {"a": ["é"]}),
        (b"a=\xc3\xa9", {"a": ["é"]}),
        (b"a=\xe9", {"a": ["\ufffd"]}),
    ],
)
def test_fields_become_lists(query: Any, found: dict[str, list[str]]) -> None:
    assert parse_query(query) == found
    assert count_fields(query if isinstance(query, bytes) else query.encode()) >= sum(
        len(values) for values in found.values()
    )


@given(st.one_of(st.text(), st.binary()))
def test_nothing_makes_it_fail(query: str | bytes) -> None:
    for name, values in parse_query(query).items():
        assert isinstance(name, str) and values and all(isinstance(value, str) for value in values)


@given(st.dictionaries(st.text(), st.lists(st.text(), min_size=1), max_size=5))
def test_what_urlencode_writes_is_read_back(fields: dict[str, list[str]]) -> None:
    from urllib.parse import urlencode

    written = urlencode([(name, value) for name, values in fields.items() for value in values])
    assert parse_query(written) == fields
