"""What there is in a folder: an application, its virtual environment; and what system this is."""

from __future__ import annotations

import ast
import os
import re
from typing import NamedTuple

from fapws.settings.virtualenv import check_virtualenv

_SCRIPTS = ("wsgi.py", "app.py", "main.py", "application.py", "hello.py", "server.py")
_NAMES = ("application", "app", "PATHS")
_FACTORIES = ("create_app", "make_app")
_SETTINGS = re.compile(r"""["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")
_SIZE_MAX = 2**20


class Found(NamedTuple):
    """Proposals."""

    app: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    virtualenv: str = ""


def look(directory: str) -> Found:
    """What may be served from a folder. Reads files, runs none."""
    environment: tuple[tuple[str, str], ...] = ()
    settings = _SETTINGS.search(_read(os.path.join(directory, "manage.py")))
    app = ""
    if settings:
        environment = (("DJANGO_SETTINGS_MODULE", settings[1]),)
        package = settings[1].partition(".")[0]
        if os.path.isfile(os.path.join(directory, package, "wsgi.py")):
            app = f"{package}.wsgi:application"
    return Found(app or _script(directory), environment, _virtualenv(directory))


def _script(directory: str) -> str:
    for name in _SCRIPTS:
        bound = _bound(_read(os.path.join(directory, name)))
        module = name[:-3]
        for wanted in _NAMES:
            if wanted in bound:
                return name if wanted in ("application", "app", "PATHS") else f"{module}:{wanted}"
        for wanted in _FACTORIES:
            if wanted in bound:
                return f"{module}:{wanted}()"
    return ""


def _bound(source: str) -> set[str]:
    """The names of a file's top level."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_SIZE_MAX)
    except OSError:
        return ""


def _virtualenv(directory: str) -> str:
    for name in (".venv", "venv", "env"):
        path = os.path.join(directory, name)
        if os.path.isfile(os.path.join(path, "pyvenv.cfg")):
            try:
                check_virtualenv(path)
            except ValueError:
                continue  # of another Python
            return name
    return ""


def name_of(app: str) -> str:
    """``blog`` of blog.wsgi:application, ``hello`` of hello.py; empty where that says nothing."""
    path = app.partition(":")[0]
    if path.endswith(".py"):
        path = os.path.splitext(os.path.basename(path))[0]
    name = path.partition(".")[0]
    return "" if name in ("wsgi", "app", "main", "application", "server") else name


def valid_name(text: str) -> str:
    """What a pool may be called."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in text
    )
    return kept.strip("-") or "app"


def own_name() -> str:
    """The user's; empty for root, who needs no mention."""
    if os.geteuid() == 0:
        return ""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def system() -> str:
    """A key of files.SYSTEMS."""
    name = os.uname().sysname
    if name == "OpenBSD":
        return "openbsd"
    if name in ("FreeBSD", "DragonFly"):
        return "freebsd"
    return "systemd" if name == "Linux" and os.path.isdir("/lib/systemd") else "none"
