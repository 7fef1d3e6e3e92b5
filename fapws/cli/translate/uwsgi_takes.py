"""Options of uWSGI that need more than a value; uwsgi_rows.py has them all."""

from __future__ import annotations

import os
import re

from fapws.cli.translate import log_formats
from fapws.cli.translate.rows import (
    CannotTake,
    Given,
    Job,
    Row,
    address,
    as_option,
    is_off,
    is_on,
    megabytes,
    number,
    plain,
    seconds,
    tell_application,
)
from fapws.settings import values

ONE_AT_A_TIME = "a worker of Fapws serves one request at a time"
UWSGI_PROTOCOL = (
    "Fapws speaks HTTP here, not the uwsgi protocol: in nginx, uwsgi_pass and include uwsgi_params become "
    "proxy_pass and proxy_set_header (conf/proxy/nginx-unix.conf)"
)
_MODULES = ("module", "wsgi", "w", "pypy-wsgi")
_FILES = ("wsgi-file", "file", "pypy-wsgi-file")
_APPLICATION_OPTIONS = (*_MODULES, *_FILES, "mount")


def put_application(job: Job) -> None:
    """After all others: module and callable, or a file, or a mount together say what is served."""
    found = [given for name in _APPLICATION_OPTIONS for given in job.given.get(name, []) if not given.unknown]
    if not found:
        lack = "name the application: app = package.module:callable, or script = file.py"
        job.draft.lacks.append(lack)
        return
    modules = [given for given in found if given.name in _MODULES]
    chosen = modules[-1] if modules else found[-1]
    for given in found:
        if given is not chosen:
            job.refuse(given, "one pool serves one application: give this one an [app:NAME] of its own")
    try:
        _put_one(job, chosen)
    except CannotTake as error:
        job.refuse(chosen, str(error))


def _put_one(job: Job, given: Given) -> None:
    callable_name = str(job.first("callable", "wsgi-callable", "call") or "")
    text = plain(given.value)
    if given.name == "mount":
        prefix, equals, text = text.partition("=")
        if not equals:
            raise CannotTake("it is no /PATH=APPLICATION")
        if prefix.strip("/"):
            job.put(given, "script_name", "/" + prefix.strip("/"))
    if given.name in _FILES or text.endswith(".py"):
        path = job.path(text)
        job.put(given, "script", f"{path}:{callable_name}" if callable_name else path)
    else:
        if callable_name and ":" not in text:
            text = f"{text}:{callable_name}"
        tell_application(job, given, text)


# ---- Options that need more than a value -----------------------------------------------------------


def with_application(job: Job, given: Given, row: Row) -> None:
    """put_application() has taken it along."""
    job.draft.always_so(given.text, row.told)


def later(_job: Job, _given: Given, _row: Row) -> None:
    """put_application() sees to it."""


def listen(job: Job, given: Given, row: Row) -> None:
    text = plain(given.value)
    if text.startswith("="):
        shared = job.given.get("shared-socket", [])
        if not text[1:].isdigit() or int(text[1:]) >= len(shared) or shared[int(text[1:])].unknown:
            raise CannotTake("there is no such shared-socket")
        text = plain(shared[int(text[1:])].value)
    job.put(given, "listen", _address(job, text), row.told)


def shared(job: Job, given: Given, row: Row) -> None:
    job.draft.always_so(given.text, "what takes it by =0, =1, ... listens there")


def _address(job: Job, text: str) -> str:
    text = text.partition(",")[0]
    if text.startswith("@"):
        raise CannotTake("an abstract socket has no file, and no permissions; use a unix socket with a path")
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        return address(host, port)
    if text.isdigit():
        return address("", text)
    if "/" not in text and not text.endswith((".sock", ".socket")):
        raise CannotTake(f"{text!r} is no address")
    return f"unix:{job.path(text.removeprefix('unix:'))}{_socket_rights(job)}"


def _socket_rights(job: Job) -> str:
    mode = job.first("chmod-socket", "chmod")
    said = []
    if mode is not None:
        digits = plain(mode)
        said.append(f"mode={digits[-3:]}" if re.fullmatch(r"[0-7]{3,4}", digits) else "mode=666")
    owner = str(job.first("chown-socket", "chown") or "")
    for key, name in zip(("user", "group"), owner.split(":")):
        if name:
            said.append(f"{key}={name}")
    return "?" + "&".join(said) if said else ""


def socket_owner(job: Job, given: Given, row: Row) -> None:
    job.draft.always_so(given.text, "stands behind the ? of a unix socket in listen")


def workers(job: Job, given: Given, row: Row) -> None:
    job.put(given, "workers", str(max(number(given.value), 1)))


def threads(job: Job, given: Given, row: Row) -> None:
    threads = number(given.value)
    if threads <= 1:
        job.draft.always_so(given.text, ONE_AT_A_TIME)
        return
    workers = job.first("processes", "workers", "p") or "1"
    told = ""
    if str(workers).isdigit():
        told = f"; workers = {max(int(workers), 1) * threads} would serve as many requests at one time"
    job.refuse(given, f"{ONE_AT_A_TIME}{told}")


def idle(job: Job, given: Given, row: Row) -> None:
    job.put(given, "idle_timeout", seconds(given.value), row.told)
    job.draft.put("min_workers", "0")


def evil(job: Job, given: Given, row: Row) -> None:
    if job.first("reload-on-rss") is not None:
        raise CannotTake("max_rss replaces a worker at reload-on-rss, when its requests are finished")
    megabytes(job, given, row)


def mercy(job: Job, given: Given, row: Row) -> None:
    if job.first("worker-reload-mercy") is not None:
        raise CannotTake("the master waits for its workers as long as worker-reload-mercy lets them")
    job.put(given, "drain_timeout", seconds(given.value))


def header_size(job: Job, given: Given, row: Row) -> None:
    text = plain(given.value).lower()
    unit = values.SIZE_UNITS.get(text[-1:], 1) if not text[-1:].isdigit() else 1
    size = number(text.rstrip("kmg")) * unit
    job.put(given, row.option, values.format_size(max(size, 1024)), row.told)


def body_size(job: Job, given: Given, row: Row) -> None:
    size = number(given.value)
    if size == 0:
        raise CannotTake("0 means no limit; max_body_size bounds the content of each request")
    job.put(given, row.option, values.format_size(size))


def environment(job: Job, given: Given, row: Row) -> None:
    name, equals, value = plain(given.value).partition("=")
    if not equals or " " in name.strip():
        raise CannotTake("it is no NAME=VALUE")
    told = f"uWSGI: {given.text}" if "(" in given.text else ""
    job.draft.environ(name.strip(), value.strip(), told, *given.notes)


def log(job: Job, given: Given, row: Row) -> None:
    text = plain(given.value)
    if not text or text in ("true", "1"):
        raise CannotTake("it names no file; error_log is stderr by default")
    if re.fullmatch(r"[\w.-]+:\d+", text):
        raise CannotTake("lines are not sent over the network: error_log = syslog:FACILITY may pass them on")
    job.put(given, row.option, job.path(text), row.told)


def logger(job: Job, given: Given, row: Row) -> None:
    kind, _, rest = plain(given.value).rpartition(" ")[2].partition(":")
    if kind == "file" and rest:
        job.put(given, row.option, job.path(rest), row.told)
    elif kind == "syslog":
        facility = rest.split(",")[1] if "," in rest else "daemon"
        job.put(given, row.option, f"syslog:{facility}", row.told)
    elif kind in ("stdio", "stderr"):
        job.put(given, row.option, "stderr" if row.option == "error_log" else "/dev/stdout", row.told)
    else:
        raise CannotTake("a log is a file, syslog or standard error; others are fed from there")


def requests_off(job: Job, given: Given, row: Row) -> None:
    if is_on(given.value) or given.value == "":
        job.draft.always_so(given.text, "the access log is off by itself")
    else:
        job.draft.always_so(given.text, "see access_log")


def access_format(job: Job, given: Given, row: Row) -> None:
    found = log_formats.of_uwsgi(str(given.value))
    job.put(given, "access_format", found, log_formats.SECONDS if "$request_time" in found else "")


def slow(job: Job, given: Given, row: Row) -> None:
    job.put(given, "slow_request", values.format_time(number(given.value) / 1000), row.told)


def static(job: Job, given: Given, row: Row) -> None:
    prefix, equals, folder = plain(given.value).partition("=")
    if not equals or not prefix.startswith("/"):
        raise CannotTake("it is no /PATH=FOLDER")
    path = job.path(folder)
    if given.name == "static-map2":
        path = os.path.join(path, prefix.strip("/"))
    if os.path.splitext(path)[1] and not os.path.isdir(path):
        raise CannotTake("static serves folders, and files by their own names: put it into one, if it fits")
    _put_static(job, given, prefix, path, row)


def check_static(job: Job, given: Given, row: Row) -> None:
    _put_static(job, given, "/", job.path(plain(given.value)), row)


def _put_static(job: Job, given: Given, prefix: str, folder: str, row: Row) -> None:
    job.put(given, "static", f"{prefix.rstrip('/') or '/'}:{folder}", row.told)
    job.draft.put("static_fallthrough", "yes", "uWSGI asks the application for what no folder has")


def expires(job: Job, given: Given, row: Row) -> None:
    pattern, _, age = plain(given.value).rpartition(" ")
    if len(job.given.get(given.name, [])) > 1 or pattern.strip() not in ("/*", ".*", "/.*", "*"):
        raise CannotTake(
            "static_max_age is one for all files, static_immutable names those that never change"
        )
    job.put(given, "static_max_age", seconds(age), row.told)


def pidfile(job: Job, given: Given, row: Row) -> None:
    folder, name = os.path.split(job.path(plain(given.value)))
    stem = os.path.splitext(name)[0]
    job.put(given, "pidfile", os.path.join(folder, f"{stem}-fapws.pid"), row.told)
    job.draft.put("control", os.path.join(folder, f"{stem}-fapws.sock"), "for fapwsctl")


def flag(job: Job, given: Given, row: Row) -> None:
    """uWSGI takes a name without a value for yes."""
    value = "true" if given.value == "" else given.value
    job.put(given, row.option, as_option(job, row.option, value), row.told)


def protocol(job: Job, given: Given, row: Row) -> None:
    if plain(given.value) == "http":
        job.draft.always_so(given.text, "Fapws speaks HTTP")
    else:
        job.refuse(given, UWSGI_PROTOCOL)


def both_timeouts(job: Job, given: Given, row: Row) -> None:
    job.put(given, "body_timeout", seconds(given.value), row.told)
    job.put(given, "write_timeout", seconds(given.value))


def umask(job: Job, given: Given, row: Row) -> None:
    job.put(given, "umask", plain(given.value).rjust(3, "0")[-3:], row.told)


def always_if_on(job: Job, given: Given, row: Row) -> None:
    if given.value != "" and is_off(given.value):
        job.refuse(given, f"cannot be turned off: {row.told}")
    else:
        job.draft.always_so(given.text, row.told)
