"""Autoreload: has a source file of the application changed? Asked by a worker now and then."""

from __future__ import annotations

import os
import sys
import time

from fapws.lean import Any, Iterable, NamedTuple

_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_PACKAGE_DIRECTORIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_SERVER = __name__.partition(".")[0]


class _Stamp(NamedTuple):
    """What a file that was replaced or written to does not keep."""

    inode: int
    size: int
    modified: int
    """Nanoseconds since the epoch."""


class SourceWatch:
    """The Python files that the process has loaded, less the standard library's, installed
    packages' and Fapws's own; extra names more, such as the script. Files loaded later join by
    themselves.

    Made before the application is read: a file that is saved after Python has read it has changed, also
    while the rest is still being loaded.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._extra = tuple(extra)
        self._as_found = _note_before_reading()
        self._stamps: dict[str, _Stamp | None] = {}
        self._missing: set[str] = set()
        self._modules_seen = -1
        self._told_at = time.time_ns()
        """When a change was told last: the reload that it brought about read files after that."""
        self._take_new_files()

    def files(self) -> list[str]:
        """What is watched now."""
        self._take_new_files()
        return list(self._stamps)

    def add_named_in(self, traceback: str) -> None:
        """Watches the application's files of a traceback too: a reload has failed there, perhaps in a
        file that this process has never loaded.

        Saved since the last change was told, perhaps after the reload had read it, it counts as changed.
        """
        for piece in traceback.split('File "')[1:]:
            path = _own(piece.partition('"')[0])
            if path and path not in self._stamps:
                stamp = _stamp(path)
                recent = stamp is not None and self._told_at < stamp.modified <= time.time_ns()
                self._stamps[path] = None if recent else stamp

    def changed(self) -> str:
        """The first file that has changed since it was last looked at, or an empty text.

        One stat a file. Each change is told once. A file that is gone is given one more round to
        come back, because many editors remove it and put the new one in its place.
        """
        self._take_new_files()
        for path, known in self._stamps.items():
            now = _stamp(path)
            if now == known:
                self._missing.discard(path)
            elif now is None and path not in self._missing:
                self._missing.add(path)
            else:
                self._missing.discard(path)
                self._stamps[path] = now
                self._told_at = time.time_ns()
                return path
        return ""

    def _take_new_files(self) -> None:
        modules = list(sys.modules.items())
        if len(modules) == self._modules_seen:
            return
        self._modules_seen = len(modules)
        loaded = (_source(name, module) for name, module in modules)
        for path in (*self._extra, *loaded):
            if path and path not in self._stamps:
                self._stamps[path] = self._first_stamp(path)

    def _first_stamp(self, path: str) -> _Stamp | None:
        """As it was when Python found it. A file that is gone by now may have been made for one import."""
        now = _stamp(path)
        return now and self._as_found.pop(path, now)


class _Noting:
    """Finds what the finder of files finds, and notes how a source file is before Python reads it."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder
        self.stamps: dict[str, _Stamp | None] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As PathFinder's."""
        spec = self._finder.find_spec(name, path, target)
        if spec is not None and spec.has_location and spec.origin.endswith(".py"):
            file = os.path.abspath(spec.origin)
            self.stamps[file] = _stamp(file)
        return spec


def _note_before_reading() -> dict[str, _Stamp | None]:
    """What is noted from now on in this process; at every import that asks the finder of files."""
    for place, finder in enumerate(sys.meta_path):
        if isinstance(finder, _Noting):
            return finder.stamps
        if getattr(finder, "__name__", "") == "PathFinder":
            noting = _Noting(finder)
            sys.meta_path.insert(place, noting)
            return noting.stamps
    return {}


def _source(name: str, module: object) -> str:
    """The application's source file that a module was loaded from, or an empty text."""
    path = getattr(module, "__file__", None)
    if not isinstance(path, str) or name.partition(".")[0] == _SERVER:
        return ""
    return _own(path)


def _own(path: str) -> str:
    """The absolute path of a source file of the application, or an empty text."""
    if not path.endswith(".py"):
        return ""
    path = os.path.abspath(path)
    if any(part in path for part in _PACKAGE_DIRECTORIES):
        return ""
    return "" if os.path.realpath(path).startswith(_STANDARD_LIBRARY) else path


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
