"""The members of Unit's configuration, one by one."""

from __future__ import annotations

from typing import Any

from fapws.cli.translate import log_formats
from fapws.cli.translate.rows import (
    ALWAYS,
    CannotTake,
    Given,
    Job,
    Row,
    below,
    by_name,
    is_off,
    number,
    plain,
    seconds,
    tell_application,
)

_ONE_AT_A_TIME = "a worker of Fapws serves one request at a time"
_TLS = "TLS is the proxy's in front: Caddy, nginx, HAProxy or relayd"


def _module(job: Job, given: Given, row: Row) -> None:
    module = plain(given.value)
    name = plain(job.first("applications.*.callable") or "application")
    factory = "()" if job.first("applications.*.factory") is True and not name.endswith("()") else ""
    tell_application(job, given, module if ":" in module else f"{module}:{name}{factory}")


def _type(job: Job, given: Given, row: Row) -> None:
    if plain(given.value).replace(" ", "").startswith("python2"):
        job.draft.lacks.append("the application is of Python 2, and Fapws serves Python 3: port it first")
        job.refuse(given, "Fapws serves Python 3")
    else:
        job.draft.always_so(given.text, row.told)


def _with_module(job: Job, given: Given, row: Row) -> None:
    job.draft.always_so(given.text, "stands behind the : of app")


def _protocol(job: Job, given: Given, row: Row) -> None:
    if str(given.value).lower() == "asgi":
        job.draft.lacks.append("the application is ASGI, and Fapws serves WSGI: it stays where it is")
        job.refuse(given, "Fapws serves WSGI applications")
    else:
        job.draft.always_so(given.text, "WSGI is what Fapws serves")


def _paths(job: Job, given: Given, row: Row) -> None:
    for part in given.value if isinstance(given.value, list) else [given.value]:
        job.put(given, "pythonpath", job.path(plain(part)), row.told)


def _arguments(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _processes(job: Job, given: Given, row: Row) -> None:
    if not isinstance(given.value, dict):
        job.put(given, "workers", str(max(number(given.value), 1)))
        return
    members = _arguments(given.value)
    told = "as many as max: they run all the time"
    if members.get("spare") == 0:
        told = "as many as max; the first client starts them, and they leave together"
        job.draft.put("min_workers", "0", "Unit: processes.spare = 0")
        job.draft.put(
            "idle_timeout", seconds(members.get("idle_timeout", 15)), "Unit: processes.idle_timeout"
        )
    job.put(given, "workers", str(max(number(members.get("max", 1)), 1)), told)


def _threads(job: Job, given: Given, row: Row) -> None:
    if number(given.value) <= 1:
        job.draft.always_so(given.text, _ONE_AT_A_TIME)
    else:
        job.refuse(given, row.told)


def _environment(job: Job, given: Given, row: Row) -> None:
    for name, value in _arguments(given.value).items():
        if not name.isprintable() or " " in name:
            raise CannotTake(f"{name!r} is no name of a variable")
        job.draft.environ(name, plain(value))


def _proxies(job: Job, given: Given, row: Row) -> None:
    sources = given.value if isinstance(given.value, list) else [given.value]
    for source in map(str, sources):
        if source.startswith("!") or "-" in source or source.count(":") == 1:
            job.refuse(given, f"{source}: trusted_proxies has addresses and networks, and nothing to except")
        else:
            job.put(given, "trusted_proxies", plain(source), row.told)


def _field(job: Job, given: Given, row: Row) -> None:
    """forwarded.client_ip and forwarded.protocol: the fields of a proxy."""
    name = plain(given.value).lower()
    if name in ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"):
        if job.draft.value("forwarded") != "forwarded":
            job.put(given, "forwarded", name, row.told)
    else:
        job.refuse(given, "the fields that are known are X-Forwarded-For, -Proto and -Host, and Forwarded")


def _access_log(job: Job, given: Given, row: Row) -> None:
    members = given.value if isinstance(given.value, dict) else {"path": given.value}
    if members.get("path"):
        job.put(given, "access_log", job.path(plain(members["path"])), row.told)
    if members.get("format"):
        job.put(given, "access_format", log_formats.of_unit(str(members["format"])))
    if "if" in members:
        job.refuse(given, "if: each response is logged, or none")


def _version(job: Job, given: Given, row: Row) -> None:
    if is_off(given.value):
        job.draft.always_so(given.text, "the Server field has no version; server_header = sends none at all")
    else:
        job.draft.always_so(given.text, "the Server field is server_header, without a version")


def _output(job: Job, given: Given, row: Row) -> None:
    job.draft.always_so(given.text, row.told)


_APP, _LISTENER, _HTTP = "applications.*.", "listeners.*.", "settings.http."
ROWS = (
    Row(f"{_APP}type", ALWAYS, "Fapws serves Python, by the interpreter that it is installed for", _type),
    Row(f"{_APP}module", "app", "with callable: module:callable, module:factory()", _module),
    Row(f"{_APP}callable {_APP}factory", "app", "stands behind the : of app", _with_module),
    Row(f"{_APP}path", "pythonpath", "", _paths),
    Row(f"{_APP}home", "virtualenv"),
    Row(f"{_APP}protocol", ALWAYS, "WSGI alone; what is ASGI stays where it is", _protocol),
    Row(
        f"{_APP}processes {_APP}workers",
        "workers",
        "a number, or max; with spare = 0 also min_workers = 0 and idle_timeout",
        _processes,
    ),
    Row(f"{_APP}threads", "", f"{_ONE_AT_A_TIME}: as many workers as threads serve as many", _threads),
    Row(f"{_APP}thread_stack_size", "", "threads are the application's own"),
    Row(f"{_APP}targets", "[app:NAME]", "each is a pool of its own, with workers of its own"),
    Row(f"{_APP}prefix", "script_name", "", below),
    Row(f"{_APP}environment", "[app:NAME:env]", "a section of its own", _environment),
    Row(f"{_APP}user", "user", "takes a master that runs as root"),
    Row(f"{_APP}group", "group"),
    Row(f"{_APP}working_directory", "directory"),
    Row(
        f"{_APP}limits.timeout",
        "request_timeout",
        "the Python stack of a worker that is killed is in the error log",
    ),
    Row(f"{_APP}limits.requests", "max_requests", "the next worker serves before the old one leaves"),
    Row(f"{_APP}isolation.rootfs", "chroot", "with user"),
    Row(f"{_APP}isolation.*", "", "systemd has namespaces and groups: PrivateTmp, ProtectSystem, Slice, ..."),
    Row(
        f"{_APP}stdout {_APP}stderr",
        "error_log",
        "what the application prints is in the error log",
        _output,
    ),
    Row(f"{_APP}options", "", "of other languages"),
    Row(f"{_LISTENER}tls", "", f"{_TLS}"),
    Row(f"{_LISTENER}backlog", "backlog"),
    Row(f"{_LISTENER}threads", ALWAYS, "workers accept connections themselves"),
    Row(
        f"{_LISTENER}forwarded.source {_LISTENER}client_ip.source",
        "trusted_proxies",
        "of a proxy on a unix socket: unix",
        _proxies,
    ),
    Row(
        f"{_LISTENER}forwarded.client_ip {_LISTENER}client_ip.header {_LISTENER}forwarded.protocol",
        "forwarded",
        "",
        _field,
    ),
    Row(
        f"{_LISTENER}forwarded.recursive {_LISTENER}client_ip.recursive",
        ALWAYS,
        "the last address that is not a trusted proxy's counts",
    ),
    Row(f"{_HTTP}header_read_timeout", "header_timeout"),
    Row(f"{_HTTP}body_read_timeout", "body_timeout"),
    Row(f"{_HTTP}send_timeout", "write_timeout"),
    Row(f"{_HTTP}idle_timeout", "keepalive_timeout"),
    Row(f"{_HTTP}max_body_size", "max_body_size"),
    Row(f"{_HTTP}body_buffer_size", "", "body_memory and body_pool say what waits in memory"),
    Row(f"{_HTTP}body_temp_path", "spool_directory"),
    Row(f"{_HTTP}discard_unsafe_fields", ALWAYS, "fields with characters that no name has are refused"),
    Row(f"{_HTTP}log_route", "", "there are no routes; debug = 1 tells why requests are refused"),
    Row(f"{_HTTP}server_version", "server_header", "", _version),
    Row(f"{_HTTP}chunked_transform", ALWAYS, "chunked content reaches the application as any other"),
    Row(f"{_HTTP}static.mime_types", "", "static_types names a file in the form of mime.types"),
    Row("settings.listen_threads settings.js_module settings.telemetry", "", "has no use here"),
    Row("access_log", "access_log", "with access_format", _access_log),
    Row("upstreams", "", "balancing is the proxy's: conf/cluster"),
    Row("certificates", "", f"{_TLS}"),
    Row("js_modules", "", "rules for requests are the application's, or the proxy's in front"),
    Row("status", "", "status = 127.0.0.1:9117 in [fapws]: docs/monitoring.md"),
)
TABLE = by_name(ROWS)
