"""Media types by the ends of names, in the form of mime.types, as the core wants them."""

from __future__ import annotations

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
TYPE_MAX = 100
"""Characters of a type; csrc/static/file.c has room for its charset too."""
SIZE_MAX = 1 << 20
"""Bytes of a file of types."""


def read_types(path: str) -> bytes:
    """The table of a file, for fw_serve_folder(). Raises OSError, or ValueError naming the line."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(SIZE_MAX + 1)
    if len(text) > SIZE_MAX:
        raise ValueError(f"has more than {SIZE_MAX} characters")
    types: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        kind, *endings = line.partition("#")[0].split() or [""]
        if kind:
            _check(number, kind, endings)
            types.update((ending.lower(), kind) for ending in endings)
    return table_of(types)


def check_types(path: str) -> None:
    """Raises ValueError saying what is wrong with a file of types."""
    try:
        read_types(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def table_of(types: dict[str, str]) -> bytes:
    """Lines of an ending and the value of Content-Type; texts get their charset."""
    return b"".join(
        f"{ending} {with_charset(kind) if kind else ''}\n".encode("latin-1") for ending, kind in types.items()
    )


def with_charset(kind: str) -> str:
    """A text's type, with what it is encoded in if nothing is said of that."""
    return f"{kind}; charset=utf-8" if kind.startswith("text/") and ";" not in kind else kind


def _check(number: int, kind: str, endings: list[str]) -> None:
    main, slash, sub = kind.partition("/")
    if not (main and slash and sub) or not set(main + sub) <= _TOKEN or len(kind) > TYPE_MAX:
        raise ValueError(f"line {number}: {kind!r} is no type such as text/css")
    for ending in endings:
        if not set(ending) <= _TOKEN:
            raise ValueError(f"line {number}: {ending!r} is no end of a name such as css")
