"""fapws.lean stands in for typing and collections: what it gives must behave as theirs."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from fapws import lean


class Lean(lean.NamedTuple):
    """A record."""

    name: str
    count: int = 3
    """How many."""
    LIMIT = 7

    @property
    def twice(self) -> int:
        return 2 * self.count

    @classmethod
    def empty(cls) -> Lean:
        return cls("", 0)


class Usual(typing.NamedTuple):
    """A record."""

    name: str
    count: int = 3


def test_record_is_a_tuple_with_names() -> None:
    record = Lean("a", 4)
    assert record == ("a", 4) == Usual("a", 4)
    assert (record.name, record.count, record.twice, record.LIMIT) == ("a", 4, 8, 7)
    assert Lean.empty() == ("", 0)
    assert Lean("a") == Lean(name="a") == Lean("a", count=3)
    assert Lean.__doc__ == Usual.__doc__


def test_record_has_the_methods_of_a_named_tuple() -> None:
    record, usual = Lean("a", 4), Usual("a", 4)
    assert repr(record) == repr(usual).replace("Usual", "Lean")
    assert record._asdict() == usual._asdict()
    assert record._replace(count=9) == usual._replace(count=9)
    assert type(record._replace(count=9)) is Lean
    assert Lean._make(["b", 1]) == Lean("b", 1)
    assert Lean._fields == Usual._fields
    assert Lean._field_defaults == Usual._field_defaults
    assert copy.copy(record) == pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(),
        lambda kind: kind("a", 1, 2),
        lambda kind: kind("a", nmae=1),
        lambda kind: kind("a", name="b"),
        lambda kind: kind("a", 1, count=2),
        lambda kind: kind("a")._replace(size=1),
    ],
)
def test_wrong_fields_are_refused_as_usual(make: typing.Callable[[typing.Any], object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        make(Usual)
    with pytest.raises(TypeError, match="Lean"):
        make(Lean)


def test_record_cannot_be_changed() -> None:
    record = Lean("a")
    with pytest.raises(AttributeError):
        record.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        record.other = "b"  # type: ignore[attr-defined]
