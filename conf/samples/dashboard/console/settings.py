"""The settings of the dashboard, from the environment; dashboard.py says what each is for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple


class Service(NamedTuple):
    """Something that has to be up."""

    name: str
    check: str
    """A process's name, a port, host:port, or the path of a unix socket."""


class Settings(NamedTuple):
    """All of them, with their defaults."""

    control: str = ""
    services: tuple[Service, ...] = ()
    hosts: frozenset[str] = frozenset()
    title: str = ""
    top: int = 8
    interval: float = 5.0


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises ValueError, naming the variable."""
    return Settings(
        control=environment.get("DASHBOARD_CONTROL", ""),
        services=tuple(_service(text) for text in _list(environment.get("DASHBOARD_SERVICES", ""))),
        hosts=frozenset(name.lower() for name in _list(environment.get("DASHBOARD_HOSTS", ""))),
        title=environment.get("DASHBOARD_TITLE", ""),
        top=int(_number(environment, "DASHBOARD_TOP", 8, 1, 1000)),
        interval=_number(environment, "DASHBOARD_INTERVAL", 5.0, 0.1, 3600),
    )


def _list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _service(text: str) -> Service:
    name, equals, check = (part.strip() for part in text.partition("="))
    service = Service(name, check if equals else name)
    host, colon, port = service.check.rpartition(":")
    if colon and port.isdigit() and not is_address(host):
        # Asking a name server may take a worker seconds, in which it serves nobody.
        raise ValueError(f"DASHBOARD_SERVICES takes addresses, not names: {service.check!r}")
    return service


def is_address(host: str) -> bool:
    """Whether it is an IPv4 address, or an IPv6 address in brackets."""
    family, bare = (AF_INET6, host[1:-1]) if host[:1] == "[" and host[-1:] == "]" else (AF_INET, host)
    try:
        inet_pton(family, bare)
    except (OSError, UnicodeError):
        return False
    return True


def _number(environment: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise ValueError(f"{name} is a number from {least:g} to {most:g}, not {text!r}")
    return value
