"""``fapws.run(application)``: this process becomes the master, its children serve the application."""

from __future__ import annotations

import threading

from fapws.embedding import given
from fapws.lean import Any, Callable
from fapws.settings.apart import read_apart

_NOT_GIVEN = {
    "app": "is the first argument of run()",
    "script": "is the first argument of run(), an application",
    "autoreload": "cannot be had: the application is in memory already; use fapws --reload",
}


class CannotServe(Exception):
    """The server has not come up; ``str`` says why."""


def run(
    application: Callable[..., Any],
    host: str = "127.0.0.1",
    port: int | str = 8888,
    workers: int | str = 1,
    *,
    tell: Callable[[int, str], None] | None = None,
    **options: Any,
) -> int:
    """Serves a WSGI application until SIGTERM or Ctrl-C; the exit status of the master.

    ``host``: a name or an address, or ``unix:PATH``, which needs no port. ``options``: any of fapws.ini(5),
    as numbers, texts, booleans, or lists where several values may stand. ``tell`` hears whether it serves, as
    exit status and text; without it that is printed. A reload renews the workers, not the application.

    Raises CannotServe, ConfigError for options, TypeError for what is no application.
    """
    if not callable(application):
        raise TypeError(f"{application!r} is no WSGI application: it cannot be called")
    if threading.current_thread() is not threading.main_thread():
        raise CannotServe("fapws.run() needs the main thread, where signals are heard")
    for name in options:
        if name in _NOT_GIVEN:
            raise TypeError(f"{name} {_NOT_GIVEN[name]}")
    texts = {"listen": address(host, port), "workers": str(workers)}
    texts.update((name, as_text(value)) for name, value in options.items())
    if options.get("access_log") is False:
        texts["access_log"] = "off"  # "no" is the name of a file there
    return _serve(application, texts, tell)


def _serve(
    application: Callable[..., Any], texts: dict[str, str], tell: Callable[[int, str], None] | None
) -> int:
    from fapws.supervisor.master import run as run_master
    from fapws.supervisor.master import tell_terminal

    complaint: list[str] = []

    def heard(code: int, text: str) -> None:
        if code:
            complaint.append(text)
        else:
            (tell or tell_terminal)(code, text)

    source = given.source_of(texts)
    given.hold(application)
    status = run_master(read_apart(source), source, heard)
    if complaint:
        raise CannotServe(complaint[0].strip())
    return status


def address(host: str, port: int | str) -> str:
    """As ``listen`` has it."""
    if host.startswith(("unix:", "fd:")):
        return host
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def as_text(value: Any) -> str:
    """An option's value as the INI file has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
