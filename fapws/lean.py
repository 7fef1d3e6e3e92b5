"""Names of the standard library without the memory that their modules take.

``typing``, ``collections``, ``enum`` and ``functools`` with what they import cost a master and a worker
1.5 MB together, and the usual NamedTuple compiles the annotation of every field. A type checker sees the real
names here. A running program gets a NamedTuple that behaves the same, the C modules under ``collections``
and ``signal``, and stand-ins for what occurs only in annotations, which are never evaluated.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a name that type checkers take for true

if TYPE_CHECKING:
    import signal
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType, MappingProxyType, ModuleType, TracebackType
    from typing import Any, BinaryIO, NamedTuple, NoReturn, Protocol, Union

    __all__ = [
        "TYPE_CHECKING",
        "Any",
        "BinaryIO",
        "Callable",
        "FrameType",
        "Iterable",
        "Iterator",
        "Mapping",
        "MappingProxyType",
        "ModuleType",
        "NamedTuple",
        "NoReturn",
        "Protocol",
        "Sequence",
        "TracebackType",
        "Union",
        "deque",
        "signal",
    ]
else:
    import _signal as signal  # without the enums
    import sys
    from _collections import deque
    from _collections_abc import Callable, Iterable, Iterator, Mapping, Sequence

    try:
        from _collections import _tuplegetter
    except ImportError:  # PyPy

        def _tuplegetter(index, doc):
            return property(lambda self: tuple.__getitem__(self, index), doc=doc)

    Any = BinaryIO = NoReturn = Protocol = FrameType = TracebackType = object
    MappingProxyType = type(type.__dict__)
    ModuleType = type(sys)
    _SPECIAL = frozenset(("__annotations__", "__module__", "__qualname__", "__dict__", "__weakref__"))

    class Union:
        """``Union[A, B]`` in an alias: nothing."""

        def __class_getitem__(cls, _members):
            return object

    class _Fields(type):
        """Makes the fields of a class body, which are its annotated names, those of a tuple."""

        def __new__(cls, name, bases, namespace):
            fields = tuple(namespace.get("__annotations__", ()))
            body = {key: value for key, value in namespace.items() if key not in fields}
            body["__slots__"] = ()
            body["_fields"] = fields
            body["_field_defaults"] = {field: namespace[field] for field in fields if field in namespace}
            for index, field in enumerate(fields):
                body[field] = _tuplegetter(index, None)
            return type(name, (_Record,), body)

    class _Record(tuple):
        """What every NamedTuple inherits."""

        __slots__ = ()

        def __new__(cls, *values, **named):
            if len(values) != len(cls._fields) or named:
                values = cls._complete(values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _complete(cls, values, named):
            fields = cls._fields
            if len(values) > len(fields):
                raise TypeError(f"{cls.__name__} has {len(fields)} fields, not {len(values)}")
            for field in named:
                if field not in fields or field in fields[: len(values)]:
                    raise TypeError(f"{cls.__name__}: {field} is no field, or given twice")
            given = {**cls._field_defaults, **dict(zip(fields, values)), **named}
            missing = [field for field in fields if field not in given]
            if missing:
                raise TypeError(f"{cls.__name__} lacks {', '.join(missing)}")
            return [given[field] for field in fields]

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self):
            return dict(zip(self._fields, self))

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._asdict().items())})"

        def __getnewargs__(self):
            return tuple(self)

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})
