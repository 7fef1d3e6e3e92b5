"""How many processors this process may use: ``workers = auto``. Linux's cgroups are read where there are any.

A container sees all processors of its machine, and is held back by a *quota*: so many microseconds of work in
each period. Both versions of cgroups have it, in a file of the process's own group and of every group above.
"""

from __future__ import annotations

import os

from fapws.lean import Callable, NamedTuple

Read = Callable[[str], str]
"""The text of a file; empty if it cannot be read."""
_NO_QUOTA = ("max", "-1")


class Processors(NamedTuple):
    """What there is."""

    usable: int
    """By the affinity of this process."""
    quota: float = 0.0
    """Of its cgroup, in processors; 0: none."""

    @property
    def workers(self) -> int:
        """One for each whole processor, and at least one."""
        return max(1, min(self.usable, int(self.quota)) if self.quota else self.usable)

    def __str__(self) -> str:
        usable = f"{self.usable} processor{'' if self.usable == 1 else 's'}"
        return f"{usable}, cgroup quota {self.quota:g}" if self.quota else usable


class Automatic(int):
    """A number of workers that nobody has written down."""


def processors() -> Processors:
    """Those of this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    return Processors(usable, quota(_read))


def quota(read: Read) -> float:
    """The smallest quota of the groups that this process is in; 0: there is none."""
    mounts = [mount for mount in map(_mount, read("/proc/self/mountinfo").splitlines()) if mount]
    found = []
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for mount in mounts:
            if mount.controls(controllers.split(",")):
                found += [_of_group(folder, read) for folder in mount.folders(path)]
    return min((share for share in found if share), default=0.0)


class _Mount(NamedTuple):
    """A hierarchy of cgroups that is mounted."""

    root: str
    """Which group of it is seen at the place."""
    place: str
    controllers: tuple[str, ...]
    """Of version 1; empty: it is of version 2, which has all in one."""

    def controls(self, controllers: list[str]) -> bool:
        """Whether a line of /proc/self/cgroup with these speaks of it, and of processors."""
        return "cpu" in self.controllers and "cpu" in controllers if self.controllers else controllers == [""]

    def folders(self, path: str) -> list[str]:
        """Of the group and of those above it, as far as they are seen."""
        if self.root != "/":
            path = path[len(self.root) :] if f"{path}/".startswith(f"{self.root}/") else "/"
        names = [name for name in path.split("/") if name not in ("", "..")]
        return ["/".join([self.place, *names[:depth]]) for depth in range(len(names) + 1)]


def _mount(line: str) -> _Mount | None:
    """A line of /proc/self/mountinfo; None: it is of something else."""
    before, _, after = line.partition(" - ")
    fields, kind = before.split(), after.split()
    if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
        return None
    controllers = tuple(kind[2].split(",")) if kind[0] == "cgroup" else ()
    return _Mount(_plain(fields[3]), _plain(fields[4]), controllers)


def _plain(text: str) -> str:
    """Without the escapes that stand for blanks and backslashes."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text


def _of_group(folder: str, read: Read) -> float:
    """Processors; 0: this group has no quota of its own."""
    words = read(f"{folder}/cpu.max").split()
    if not words:
        words = [read(f"{folder}/cpu.cfs_quota_us").strip(), read(f"{folder}/cpu.cfs_period_us").strip()]
    if len(words) != 2 or words[0] in _NO_QUOTA or not all(word.isdecimal() for word in words):
        return 0.0
    return int(words[0]) / int(words[1]) if int(words[1]) else 0.0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
