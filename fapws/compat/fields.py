"""Response fields as a program sets them: a mapping that keeps repeated ones and lets none break out."""

from __future__ import annotations

import time

from fapws import config
from fapws.dates import http_date
from fapws.lean import TYPE_CHECKING, Any, Iterable, Iterator, Mapping

if TYPE_CHECKING:
    from collections.abc import MutableMapping
else:
    from _collections_abc import MutableMapping  # without the rest of collections; see fapws.lean

_DEFAULT_FORMAT = config.date_format
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CONTROLS = frozenset(map(chr, (*range(9), *range(10, 32), 127)))
"""What no field value holds (RFC 9110 5.5); a tab is allowed."""
_ACCEPTED_MAX = 200
"""Names of fields that are remembered as good; a program uses a few dozen."""
_ACCEPTED_LENGTH = 64
_accepted: dict[str, str] = {}
"""Such a name: itself in lower case if a response has but one of it, else empty."""
_SINGLE = frozenset(
    (
        "age",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
        "server",
    )
)
"""Fields of which a response has one: a second one takes the first one's place."""


class Fields(MutableMapping[str, str]):
    """Fields in the order they were given; names are found in any case.

    ``fields[name] = value`` replaces all of a name, add() lets them stand beside each other. Both
    raise ValueError for what is no field. Reading a repeated name gives its last value. Names and values
    may be bytes, values also numbers.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        self._pairs: list[tuple[str, str]] = []
        for name, value in pairs:
            self.add(name, value)

    @classmethod
    def of(cls, given: Any) -> Fields:
        """From a mapping or an iterable of pairs. Raises ValueError, TypeError."""
        if isinstance(given, cls):
            return given
        return cls(given.items() if isinstance(given, Mapping) else given)

    def pairs(self) -> list[tuple[str, str]]:
        """All of them, repeated ones too; a list of its own."""
        return list(self._pairs)

    def add(self, name: Any, value: Any) -> None:
        """Adds a field, or replaces the one there is if there can be but one (Content-Type).

        None as the value adds nothing: fapws3's programs give the type that mimetypes has guessed.
        """
        if value is None:
            return
        pair = check_field(name, value)
        if self._pairs and pair[0].lower() in _SINGLE:
            self._remove(pair[0])
        self._pairs.append(pair)

    def extend(self, pairs: Iterable[Any]) -> None:
        """Adds each (name, value) pair. Raises TypeError for what is none, and as add() does."""
        own = self._pairs
        for pair in pairs:
            if type(pair) is tuple and len(pair) == 2:
                name, value = pair
                if type(name) is str is type(value) and value.isascii() and value.isprintable():
                    # Every request comes here: two thirds of add()'s instructions are saved.
                    single = _accepted.get(name)
                    if single == "" or (single and (not own or not self._has(single))):
                        own.append(pair)
                        continue
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"a header must be a (name, value) tuple, not {pair!r}")
            self.add(pair[0], pair[1])
            own = self._pairs

    def merge(self, pairs: Iterable[Any]) -> None:
        """Adds what a later call of start_response gave: its fields take the place of those of the same name,
        but for Set-Cookie, of which all stay. Raises as extend() does, and changes nothing then."""
        later = Fields()
        later.extend(pairs)
        for name in later:
            if name.lower() != "set-cookie":
                self._remove(name)
        self._pairs += later._pairs

    def __setitem__(self, name: str, value: Any) -> None:
        pair = check_field(name, value)
        self._remove(pair[0])
        self._pairs.append(pair)

    def __getitem__(self, name: str) -> str:
        wanted = str(name).lower()
        for known, value in reversed(self._pairs):
            if known.lower() == wanted:
                return value
        raise KeyError(name)

    def __delitem__(self, name: str) -> None:
        if not self._remove(name):
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in self._pairs}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._pairs})

    def __repr__(self) -> str:
        return f"Fields({self._pairs!r})"

    def _has(self, lowered: str) -> bool:
        size = len(lowered)
        for name, _ in self._pairs:  # noqa: SIM110  # no generator for each request
            if len(name) == size and name.lower() == lowered:
                return True
        return False

    def _remove(self, name: str) -> bool:
        before, wanted = len(self._pairs), str(name).lower()
        if not before:
            return False
        self._pairs = [pair for pair in self._pairs if pair[0].lower() != wanted]
        return len(self._pairs) != before


def check_field(name: Any, value: Any) -> tuple[str, str]:
    """Name and value as they can be sent; a number and bytes become text. Raises ValueError, TypeError."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not isinstance(name, str):
        raise TypeError(f"the name of a field must be a str, not {type(name).__name__}: {name!r}")
    if isinstance(value, (int, float)):
        value = str(value)
    elif isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"the value of {name} must be a str, not {type(value).__name__}: {value!r}")
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"a field cannot be called {name!r}")
    if not _CONTROLS.isdisjoint(value):
        raise ValueError(f"the value of {name} has control characters: {value!r}")
    if not value.isascii() and max(value) > "\xff":
        raise ValueError(f"the value of {name} has characters beyond latin-1: {value!r}")
    if len(_accepted) < _ACCEPTED_MAX and len(name) <= _ACCEPTED_LENGTH:
        lowered = name.lower()
        _accepted[name] = lowered if lowered in _SINGLE else ""
    return name, value


def native(given: Any) -> Any:
    """bytes as the str that PEP 3333 has for them ("A Note On String Types"); anything else as it is."""
    return given.decode("latin-1") if isinstance(given, bytes) else given


def check_parameter(name: str, value: Any) -> None:
    """Raises ValueError for a cookie's parameter that would end it (RFC 6265 4.1.1), or be no field."""
    if isinstance(value, str):
        check_field("Set-Cookie", value)
        if ";" in value:
            raise ValueError(f"{name} of a cookie has characters that would end it: {value!r}")


def format_date(moment: Any) -> str:
    """Seconds since 1970 or a datetime in config.date_format. Raises TypeError, ValueError, OverflowError."""
    if hasattr(moment, "timestamp"):
        moment = moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        raise TypeError(f"a time is seconds or a datetime, not {type(moment).__name__}: {moment!r}")
    if config.date_format != _DEFAULT_FORMAT:
        return time.strftime(config.date_format, time.gmtime(moment))
    return http_date(moment)
