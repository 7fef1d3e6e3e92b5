"""Stacks as people want to see them: without the frames of the server that stand below the application.

The worker's own first call tells where they end: what has called that is of the master, which has forked it.
"""

from __future__ import annotations

WAITING = "(waiting for requests)"
_FRAME = '  File "'
"""As faulthandler writes it."""
_FIRST = "fapws/worker/life.py"
_IN_PACKAGE = len("worker/life.py")
_PLACES = ("<frozen", "<builtin", "<string>")


def base(paths: list[str], package: str = "") -> int:
    """How many frames of a stack stand below the application; that may be all.

    ``paths``: their files, the outermost first. ``package``: the server's own directory, with a slash at its
    end, for a stack that does not begin as a worker's does.
    """
    first = next((at for at, path in enumerate(paths) if path.endswith(_FIRST)), -1)
    if first >= 0:
        package = paths[first][:-_IN_PACKAGE]
    elif not package:
        return 0
    rest = range(max(first, 0), len(paths))
    return next((at for at in rest if not _is_below(paths[at], package)), len(paths))


def above(text: str, waits: bool = False) -> str:
    """What faulthandler has written, without those frames. Of a thread that has no others, what the worker
    itself does is left, or, if it ``waits`` (not while it starts), a line that says so."""
    lines: list[str] = []
    frames: list[str] = []
    for line in (*text.rstrip("\n").split("\n"), ""):
        if line.startswith(_FRAME):
            frames.append(line)
        else:
            lines += (*_above(frames, waits), line)
            frames = []
    return "\n".join(lines[:-1])


def _above(frames: list[str], waits: bool) -> list[str]:
    paths = [frame[len(_FRAME) :].partition('"')[0] for frame in reversed(frames)]
    below = base(paths)
    if not below or below < len(frames):
        return frames[: len(frames) - below]
    if waits:
        return [f"  {WAITING}"]
    first = next(at for at, path in enumerate(paths) if path.endswith(_FIRST))
    return frames[: len(frames) - first]


def _is_below(path: str, package: str) -> bool:
    """Whether it is of the server, or starts Python."""
    return path.startswith((package, *_PLACES)) or path.rpartition("/")[2] == "runpy.py"
