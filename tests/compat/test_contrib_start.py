"""fapws.contrib.start: what the decorators of fapws.contrib make of a function's result."""

from __future__ import annotations

from typing import Any

import pytest

from fapws.contrib.start import content_of, native

RESPONSE = iter([b"a"])


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ([RESPONSE], RESPONSE),
        ((RESPONSE,), RESPONSE),
        ([None, RESPONSE, None], RESPONSE),
        (RESPONSE, RESPONSE),
        ([b"a", None, "b"], [b"a", "b"]),
        ([None], []),
        ([b"a"], [b"a"]),
        (["a"], ["a"]),
        ([5], [5]),
        (b"a", b"a"),
        (None, None),
    ],
)
def test_a_response_alone_in_a_list_stands_for_it_and_none_is_left_out(result: Any, content: Any) -> None:
    assert content_of(result) == content


def test_a_list_that_is_content_stays_the_same_object() -> None:
    result = ["a", b"b"]
    assert content_of(result) is result


@pytest.mark.parametrize(("given", "text"), [(b"\xe9", "\xe9"), ("a", "a"), (5, 5), (None, None)])
def test_bytes_are_the_text_that_pep_3333_has_for_them(given: Any, text: Any) -> None:
    assert native(given) == text
