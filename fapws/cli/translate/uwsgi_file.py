"""A configuration file of uWSGI to its options in their order: INI, YAML or JSON, with placeholders.

uWSGI puts together what stands in ``[uwsgi]``: ``%(name)`` is an option or a name that was set before,
``$(NAME)`` the environment, ``%d`` and other letters the place of the file. A condition is decided here where
it can be.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from fapws.settings.processors import processors


class Option(NamedTuple):
    """One line."""

    name: str
    value: str
    """With everything put in."""
    written: str
    """As the file has it."""
    notes: tuple[str, ...] = ()
    unknown: str = ""
    """Why its value cannot be told, or whether it counts."""
    skipped: str = ""
    """The condition that does not hold here."""
    followed: bool = False
    """Whether it names a section or a file whose lines stand behind it."""


class Read(NamedTuple):
    """A file."""

    options: list[Option]
    used: set[str]
    """Names that were put in somewhere by %(name)."""


class NotUwsgi(Exception):
    """The file is none of uWSGI; str() is why."""


_PLACEHOLDER = re.compile(r"%\(([^()]*)\)|\$\(([^()]*)\)|@\(([^()]*)\)|%([a-zA-Z0-9%])")
_CALCULATED = re.compile(r"(\S+)\s*([-+*/])\s*(\S+)")
_OWN_PLACEHOLDERS = ("log-format", "logformat")
"""Whose %(name) are something else."""
_SET = ("set", "set-placeholder", "set-ph")
_INCLUDES = ("ini", "include", "yaml", "yml", "json", "inherit", "config")
_ENDS = ("endif", "end-if", "endfor", "end-for")
_TEXT_MAX = 4096
_FILE_MAX = 2**20
_OPTIONS_MAX = 5000
_DEPTH_MAX = 8
"""Files that take in each other, and loops in loops."""


def read(text: str, path: str) -> Read:
    """The options of a file. Raises NotUwsgi."""
    return _Reader(os.path.abspath(path), text).read(_pairs(text, "uwsgi"))


def _pairs(text: str, section: str) -> list[tuple[str, str]]:
    """Names and values of a section as they are written."""
    bare, name = text.lstrip("\ufeff \t\r\n"), re.escape(section)
    if bare.startswith("{"):
        return list(_of_json(bare, section))
    if re.search(rf"^{name}:\s*(#.*)?$", text, re.M):
        return list(_of_yaml(text, section))
    if re.search(rf"^\s*\[{name}\]", text, re.M):
        return list(_of_ini(text, section))
    raise NotUwsgi(f'there is no [{section}] section, no {section}: and no "{section}"')


def _of_ini(text: str, section: str) -> Iterator[tuple[str, str]]:
    inside = False
    pending = ""
    for line in text.lstrip("\ufeff").splitlines():
        line = pending + line.strip()
        pending = ""
        if not line or line[0] in ";#":
            continue
        if line.endswith("\\"):
            pending = line[:-1]
        elif line.startswith("["):
            inside = line.rstrip("]").strip("[ ") == section
        elif inside:
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def _of_yaml(text: str, section: str) -> Iterator[tuple[str, str]]:
    """The part of YAML that uWSGI's own parser knows: one level of names, values, and lists of values."""
    inside, last = False, ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if not line[0].isspace():
            inside = bare.partition("#")[0].strip() == f"{section}:"
        elif inside and bare.startswith("- "):
            yield last, _unquoted(bare[2:])
        elif inside:
            name, _, value = bare.partition(":")
            last = _unquoted(name)
            if value.strip():
                yield last, _unquoted(value)


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return re.split(r"\s#", text)[0].strip()


def _of_json(text: str, section: str) -> Iterator[tuple[str, str]]:
    try:
        found = json.loads(text).get(section)
    except (ValueError, RecursionError, AttributeError) as error:
        raise NotUwsgi(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise NotUwsgi(f'there is no "{section}"')
    for name, value in found.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, "" if one is None else str(one).lower() if isinstance(one, bool) else str(one)


def _body(pairs: list[tuple[str, str]], start: int) -> list[tuple[str, str]]:
    """The lines of a loop that begins before ``start``, without its end."""
    deep = 1
    for at in range(start, len(pairs)):
        name = _folded(pairs[at][0])
        deep += name.startswith(("for", "if-")) - (name in _ENDS)
        if deep == 0:
            return pairs[start:at]
    return pairs[start:]


def _folded(name: str) -> str:
    """As uWSGI compares names."""
    return name.replace("_", "-").lower()


class _Reader:
    """Goes through the lines in their order."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._set: dict[str, str] = {}
        self._options: list[Option] = []
        self._used: set[str] = set()
        self._conditions: list[tuple[bool, str, tuple[str, ...]]] = []
        """Whether each holds, why that is not known, and what it was decided by."""

    def read(self, pairs: list[tuple[str, str]]) -> Read:
        self._lines(pairs, 0)
        return Read(self._options, self._used)

    def _lines(self, pairs: list[tuple[str, str]], depth: int) -> None:
        at = 0
        while at < len(pairs) and len(self._options) < _OPTIONS_MAX:
            own_name, written = pairs[at]
            at += 1
            name = _folded(own_name)
            words = self._words(name, written) if depth < _DEPTH_MAX else None
            if words is not None:
                body = _body(pairs, at)
                for word in words:
                    self._set["_"] = word
                    self._conditions.append((True, "", (f"{name} = {written} is written out",)))
                    self._lines(body, depth + 1)
                    del self._conditions[-1:]
                at += len(body) + 1
            elif name in _ENDS:
                del self._conditions[-1:]
            elif name.startswith("if-") or name in (
                "for",
                "for-glob",
                "for-times",
                "for-readline",
                "foreach",
            ):
                self._conditions.append(self._condition(name, written))
            else:
                self._line(name, written, own_name)
                if name in _INCLUDES and depth < _DEPTH_MAX:
                    self._take_in(depth)

    def _words(self, name: str, written: str) -> list[str] | None:
        """What a loop goes through; None: this is none, or it is not known whether and with what it runs."""
        if name not in ("for", "foreach") or not all(holds and not why for holds, why, _ in self._conditions):
            return None
        try:
            return self._put_in(written, []).split()
        except KeyError:
            return None

    def _take_in(self, depth: int) -> None:
        """The lines of a section of this file, or of another file, that the last line has named."""
        named = self._options[-1]
        if named.skipped or named.unknown:
            return
        name, _, section = named.value.partition(":")
        before = self._path, self._text
        try:
            if name:
                path = os.path.join(os.path.dirname(self._path), name)
                with open(path, encoding="utf-8") as file:
                    self._path, self._text = os.path.normpath(path), file.read(_FILE_MAX)
            pairs = _pairs(self._text, section or "uwsgi")
        except (OSError, ValueError, NotUwsgi):
            self._path, self._text = before
            return
        self._options[-1] = named._replace(followed=True)
        self._lines(pairs, depth + 1)
        self._path, self._text = before

    def _line(self, name: str, written: str, own_name: str) -> None:
        unknown = next((why for _, why, _ in self._conditions if why), "")
        if not unknown and not all(holds for holds, _, _ in self._conditions):
            return self._skip(name, written)
        notes = [note for _, _, noted in self._conditions for note in noted]
        try:
            value = written if name in _OWN_PLACEHOLDERS else self._put_in(written, notes)
        except KeyError as error:
            value, unknown = written, unknown or f"it needs {error.args[0]}, which is not known here"
        bare = re.split(r"\s[#;]", value)[0].strip()
        if bare and bare != value:
            notes.append(f"{value[len(bare) :].strip()} was taken for a comment")
            value = bare
        self._options.append(Option(name, value, written, tuple(dict.fromkeys(notes)), unknown))
        key, equals, rest = value.partition("=")
        if not unknown and name in _SET and equals:
            self._set[key.strip()] = rest.strip()
        elif not unknown:
            self._set[own_name] = self._set[name] = value
        return None

    def _skip(self, name: str, written: str) -> None:
        why = "; ".join(note for _, _, noted in self._conditions for note in noted)
        self._options.append(Option(name, "", written, skipped=why))

    def _condition(self, name: str, written: str) -> tuple[bool, str, tuple[str, ...]]:
        text = f"{name} = {written}"
        looks: dict[str, Callable[[str], bool]] = {
            "if-env": lambda value: value in os.environ,
            "if-not-env": lambda value: value not in os.environ,
            "if-exists": os.path.exists,
            "if-not-exists": lambda value: not os.path.exists(value),
            "if-file": os.path.isfile,
            "if-not-file": lambda value: not os.path.isfile(value),
            "if-dir": os.path.isdir,
            "if-not-dir": lambda value: not os.path.isdir(value),
        }
        if name not in looks and name not in ("if-opt", "if-not-opt"):
            return True, f"it stands behind {text}, which is not followed", ()
        try:
            value = self._put_in(written, [])
        except KeyError:
            return True, f"it stands behind {text}, which cannot be told", ()
        key, equals, wanted = value.partition("=")
        self._set["_"] = os.environ.get(key, "") if "-env" in name else value
        if name.endswith("-opt"):
            self._used.add(_folded(key.strip()))
            has = self._set.get(_folded(key.strip()))
            holds = (has is not None and (not equals or has == wanted.strip())) == (name == "if-opt")
        elif name in ("if-env", "if-not-env") and equals:
            holds = (os.environ.get(key) == wanted) == (name == "if-env")
        else:
            holds = looks[name](value)
        return holds, "", (f"{text} {'holds' if holds else 'does not hold'} here",)

    def _put_in(self, text: str, notes: list[str]) -> str:
        """A value with all placeholders replaced. Raises KeyError with what is not known."""
        for _ in range(8):  # %(%k + 1) has one in another
            done = _PLACEHOLDER.sub(lambda found: self._one(found, notes), text)
            if done == text or len(done) > _TEXT_MAX:
                break
            text = done
        if len(text) > _TEXT_MAX:
            raise KeyError("more room than a setting has")
        return text.replace("\0", "%")

    def _one(self, found: re.Match[str], notes: list[str]) -> str:
        if found[1] is not None:
            return self._named(found[1].strip(), notes)
        if found[2] is not None:
            name = found[2].strip()
            if name not in os.environ:
                raise KeyError(f"the variable {name} of the environment")
            notes.append(f"from the environment: {name} (it has this value here)")
            return os.environ[name]
        if found[3] is not None:
            raise KeyError(f"the file {found[3]}")
        return self._magic(found[4], notes)

    def _named(self, name: str, notes: list[str]) -> str:
        if name in self._set:
            self._used.add(_folded(name))
            return self._set[name]
        sum_of = _CALCULATED.fullmatch(name)
        if sum_of is None:
            raise KeyError(f"%({name})")
        left, right = self._number(sum_of[1], notes), self._number(sum_of[3], notes)
        if sum_of[2] == "/":
            if right == 0:
                raise KeyError(f"%({name})")
            return str(left // right)
        return str({"+": left + right, "-": left - right, "*": left * right}[sum_of[2]])

    def _number(self, word: str, notes: list[str]) -> int:
        if word.startswith("%") and len(word) == 2:
            text = self._magic(word[1], notes)
        else:
            text = self._named(word, notes) if word in self._set else word
        if not re.fullmatch(r"\d{1,12}", text):
            raise KeyError(f"%({word})")
        return int(text)

    def _magic(self, letter: str, notes: list[str]) -> str:
        folder, name = os.path.split(self._path)
        parts = folder.strip("/").split("/")
        known: dict[str, Any] = {
            "p": self._path,
            "o": self._path,
            "s": name,
            "n": os.path.splitext(name)[0],
            "e": os.path.splitext(name)[1].lstrip("."),
            "d": f"{folder}/",
            "c": parts[-1],
            "h": socket.gethostname(),
            "%": "\0",
        }
        if letter == "k":
            notes.append("%k, the number of processors, was counted here")
            return str(processors().workers)
        if letter.isdigit() and int(letter) < len(parts):
            return parts[int(letter)]
        if letter not in known:
            raise KeyError(f"%{letter}")
        return str(known[letter])
