"""A pool's own environment variables, which may be secrets: a worker of another pool lets go of them.

Configurations are handed from function to function, so frames that a worker cannot leave refer to those of
all pools. They refer to objects of this kind, which can be emptied.
"""

from __future__ import annotations

from _weakref import ref

from fapws.lean import Any, Iterable

_all: list[Any] = []
"""Weak references to every Environment there is."""


class Environment(list[tuple[str, str]]):
    """Names and values, in their order; compares by content, also with a tuple."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(pairs)
        _all[:] = [one for one in _all if one() is not None]
        _all.append(ref(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (list, tuple)) and [*self] == [*other]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # pools are compared, never changed
        return hash(tuple(self))


def forget_all_but(mine: Environment) -> None:
    """In a worker: empties the environments of other pools, also where something still refers to them."""
    for one in _all:
        environment = one()
        if environment is not None and environment is not mine:
            environment.clear()
