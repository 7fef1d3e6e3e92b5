"""Numbers for people. Pure; None is a dash."""

from __future__ import annotations

DASH = "\N{EN DASH}"
_SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB")
_RATES = ("KB/s", "MB/s", "GB/s", "TB/s")


def size(count: float | None) -> str:
    """Bytes as memory and disks are told: 1024 of each make the next."""
    return _scaled(count, 1024, _SIZES)


def rate(count: float | None) -> str:
    """Bytes a second as networks are told: 1000 of each make the next."""
    return _scaled(count, 1000, _RATES)


def _scaled(count: float | None, step: int, names: tuple[str, ...]) -> str:
    if count is None:
        return DASH
    value, place = count / step, 0
    while value >= 999.5 and place < len(names) - 1:
        value, place = value / step, place + 1
    return f"{value:.{0 if value >= 99.95 or not value else 1}f} {names[place]}"


def percent(value: float | None) -> str:
    """One decimal below ten, where it matters."""
    if value is None:
        return DASH
    return f"{value:.{0 if value >= 9.95 else 1}f} %"


def number(value: float | None) -> str:
    """With commas between thousands."""
    return DASH if value is None else f"{value:,.0f}"


def counted(count: int, what: str) -> str:
    """One thing, two things."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def span(seconds: float | None) -> str:
    """Two units at most: 3 d 4 h."""
    if seconds is None:
        return DASH
    whole = max(0, int(seconds))
    for name, length, below, below_length in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= length:
            rest = whole % length // below_length
            return f"{whole // length} {name} {rest} {below}" if rest else f"{whole // length} {name}"
    return f"{whole} s"


def minutes(seconds: float) -> str:
    """The width of a chart: 15 min."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
