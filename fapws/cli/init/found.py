"""What there is in a folder: an application, its virtual environment; and what system this is."""

from __future__ import annotations

import ast
import os
import re
from typing import NamedTuple

from fapws.settings.virtualenv import check_virtualenv
from fapws.settings.warmups import parse_warmups

_SCRIPTS = ("wsgi.py", "app.py", "main.py", "application.py", "hello.py", "server.py")
_NAMES = ("application", "app", "PATHS")
_FACTORIES = ("create_app", "make_app")
_SETTINGS = re.compile(r"""["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")
_STATIC_ROOT = re.compile(
    r"""^STATIC_ROOT\s*=\s*(?:BASE_DIR\s*/\s*|os\.path\.join\(BASE_DIR,\s*)?["'](\w[\w./-]*)["']\)?\s*(?:#.*)?$""",
    re.M,
)
_STATIC_URL = re.compile(r"/?\w[\w./-]*")
"""A path of this site, not of another host."""
_HOST = re.compile(r"\.?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.I)
_LOCAL = re.compile(r"(?:.*\.)?localhost|127(?:\.\d+){3}", re.I)
_SIZE_MAX = 2**20
_SYSTEMD_RUNS = "/run/systemd/system"
"""There while it is the init of this machine (sd_booted(3)); its files may be there without."""


class Found(NamedTuple):
    """Proposals."""

    app: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    virtualenv: str = ""
    warmup: str = ""
    """Of a Django project, which reads its urls.py only with the first request."""
    static: str = ""
    """``PATH:FOLDER``, of a Django project whose static files have been collected."""
    hosts: tuple[str, ...] = ()
    """What clients may call it by, of a Django project; localhost is none."""


def look(directory: str) -> Found:
    """What may be served from a folder. Reads files, runs none."""
    environment: tuple[tuple[str, str], ...] = ()
    settings = _SETTINGS.search(_read(os.path.join(directory, "manage.py")))
    app = warmup = static = ""
    hosts: tuple[str, ...] = ()
    if settings:
        source = _source(os.path.join(directory, *settings[1].split(".")))
        warmup, static = _warmup(source), _static(source, directory)
        hosts = tuple(
            host for host in _allowed(source) if _HOST.fullmatch(host) and not _LOCAL.fullmatch(host)
        )
        environment = (("DJANGO_SETTINGS_MODULE", settings[1]),)
        package = settings[1].partition(".")[0]
        if os.path.isfile(os.path.join(directory, package, "wsgi.py")):
            app = f"{package}.wsgi:application"
    return Found(app or _script(directory), environment, _virtualenv(directory), warmup, static, hosts)


def _source(settings: str) -> str:
    """Of Django's settings, from their path without .py."""
    return _read(f"{settings}.py") or _read(os.path.join(settings, "__init__.py"))


def _static(source: str, directory: str) -> str:
    """``static``, if the folder is there and STATIC_ROOT is as ``BASE_DIR / "staticfiles"``."""
    url, root = _constants(source).get("STATIC_URL"), _STATIC_ROOT.search(source)
    if not isinstance(url, str) or not root or not os.path.isdir(os.path.join(directory, root[1])):
        return ""
    return f"/{url.strip('/')}:{root[1]}" if _STATIC_URL.fullmatch(url) else ""


def _warmup(source: str) -> str:
    """A request that Django takes, as far as its settings tell by constants."""
    scheme = "https" if _constants(source).get("SECURE_SSL_REDIRECT") is True else "http"
    for host in _allowed(source):
        try:
            return ", ".join(parse_warmups(f"GET {scheme}://{host.lstrip('.')}/ 200"))
        except ValueError:
            continue  # a pattern such as *
    return f"GET {scheme}://localhost/ 200"


def _allowed(source: str) -> list[str]:
    hosts = _constants(source).get("ALLOWED_HOSTS")
    return [host for host in hosts if isinstance(host, str)] if isinstance(hosts, (list, tuple)) else []


def _constants(source: str) -> dict[str, object]:
    """What a file's top level binds to constants, and to lists of them; the last one counts."""
    found: dict[str, object] = {}
    for node in _body(source):
        if isinstance(node, ast.Assign):
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                continue  # it has to be run
            found.update({target.id: value for target in node.targets if isinstance(target, ast.Name)})
    return found


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
    names: set[str] = set()
    for node in _body(source):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def _body(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


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
    return "systemd" if os.path.isdir(_SYSTEMD_RUNS) else "none"
