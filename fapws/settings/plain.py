"""Settings, and what is kept beside them, as plain data that another process of the program reads. Pure.

Every NamedTuple is written with its name and field names, so that another version may add fields (which get
their defaults) or drop some (which are ignored).
"""

from __future__ import annotations

from fapws.lean import Any, Mapping
from fapws.settings import model
from fapws.settings.environment import Environment

Kinds = Mapping[str, Any]
"""Classes by their names."""
KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (model.Address, model.Config, model.Limits, model.Network, model.Pool)
}
LISTS: dict[str, Any] = {"environment": Environment}
"""Classes that are made of the tuple of what is in them."""


def plain(value: Any, lists: Kinds = LISTS) -> Any:
    """Numbers, texts, lists and dicts of them. ``lists``: those of the caller too."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        fields = {name: plain(field, lists) for name, field in value._asdict().items()}
        return {"is": type(value).__name__, "fields": fields}
    for name, kind in lists.items():
        if isinstance(value, kind):
            return {"is": name, "of": [plain(item, lists) for item in value]}
    if isinstance(value, frozenset):
        return {"is": "frozenset", "of": sorted(value)}
    if isinstance(value, dict):
        return {"is": "dict", "of": [[plain(key, lists), plain(item, lists)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return [plain(item, lists) for item in value]
    assert value is None or isinstance(value, (str, int, float, bytes)), value
    return value


def rebuilt(data: Any, kinds: Kinds = KINDS, lists: Kinds = LISTS) -> Any:
    """The opposite. ``kinds`` and ``lists``: those of the caller too."""
    if isinstance(data, list):
        return tuple(rebuilt(item, kinds, lists) for item in data)
    if not isinstance(data, dict):
        return data
    name = data["is"]
    if name in lists:
        return lists[name](tuple(rebuilt(item, kinds, lists) for item in data["of"]))
    if name == "frozenset":
        return frozenset(data["of"])
    if name == "dict":
        return {rebuilt(key, kinds, lists): rebuilt(item, kinds, lists) for key, item in data["of"]}
    kind = kinds[name]
    known = frozenset(kind._fields)
    return kind(**{key: rebuilt(item, kinds, lists) for key, item in data["fields"].items() if key in known})
