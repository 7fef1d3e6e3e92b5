"""gunicorn.conf.py: its settings, one by one."""

from __future__ import annotations

import os
from typing import Any

from fapws.cli.translate import execute, log_formats, python_values
from fapws.cli.translate.draft import Draft, Said
from fapws.cli.translate.rows import (
    ALWAYS,
    CannotTake,
    Given,
    Job,
    Row,
    address,
    apply,
    as_option,
    below,
    by_name,
    is_off,
    is_on,
    number,
    plain,
    seconds,
    tell_application,
)
from fapws.settings import values
from fapws.settings.core_limits import FIELDS_MAX

_ONE_AT_A_TIME = "a worker of Fapws serves one request at a time"
_TLS = "TLS is the proxy's in front (Caddy, nginx, HAProxy, relayd); listen speaks plain HTTP"
_HOOK = "Fapws runs no code of a configuration"
_LENIENT = "Fapws is strict about HTTP, and has no option for it (docs/http.md)"
_STATSD = "metrics are fetched from the status address, not sent: status, docs/monitoring.md"
_HTTP2 = "Fapws speaks HTTP/1.1 to the proxy; HTTP/2 is the proxy's"
_ASGI = "Fapws serves WSGI, not ASGI"


def translate(path: str, source: str, application: str, run: bool) -> Draft:
    """The draft of a file with this text. Raises SyntaxError, execute.CannotRun."""
    directory = os.path.dirname(os.path.abspath(path))
    draft = Draft("gunicorn", path)
    read = execute.read(path, directory) if run else python_values.read(source, path)
    names = read.names
    given = [_given(name, names[name]) for name in names if name in TABLE]
    chdir = next((one.value for one in given if one.name == "chdir" and not one.unknown), "")
    job = Job(draft, os.path.normpath(os.path.join(directory, str(chdir or ""))))
    if application:
        given.append(Given("wsgi_app", application, f"gunicorn {application}"))
    draft.put("directory", job.directory, "where gunicorn is started, or its chdir")
    apply(job, TABLE, given, "")
    _defaults(job)
    for name, why in read.skipped:
        if name in TABLE:
            draft.always_so(f"{name} = ...", f"does not count here: {why}")
    _tell_statements(job, read)
    _tell_others(draft, names)
    draft.fit_sizes()
    draft.name_pool()
    if "wsgi_app" not in job.given:
        draft.lacks.append(
            "name the application: app = package.module:callable, what stands on gunicorn's command line"
        )
    return draft


def _given(name: str, value: python_values.Value) -> Given:
    if isinstance(value.value, python_values.Function):
        return Given(name, True, value.text, value.notes, value.unknown)
    return Given(name, value.value, f"{name} = {value.text}", value.notes, value.unknown)


def _tell_statements(job: Job, read: python_values.Read) -> None:
    """What the file does beside giving names to values."""
    for name, value in read.environment.items():
        try:
            job.draft.environ(name, plain(value.value), f"gunicorn: {value.text}", *value.notes)
        except CannotTake as error:
            job.draft.refuse(value.text, str(error))
    for text, why in read.untold:
        job.draft.refuse(text, why)


def _tell_others(draft: Draft, names: dict[str, python_values.Value]) -> None:
    """gunicorn passes over names that it does not know; so does this, but says so."""
    others = [name for name in names if name not in TABLE and not name.startswith("_")]
    helpers = [name for name in others if isinstance(names[name].value, (python_values.Function,))]
    rest = [name for name in others if name not in helpers]
    if others:
        listed = ", ".join([*rest, *(f"{name}()" for name in helpers)])
        draft.always_so(listed, "no setting of gunicorn; it passes over such names too")


def _defaults(job: Job) -> None:
    """What gunicorn does without being told, where Fapws would do something else."""
    for name, value, told in (
        ("bind", "127.0.0.1:8000", "with PORT in its environment gunicorn listens on 0.0.0.0:PORT"),
        ("backlog", 2048, ""),
        ("timeout", 30, ""),
        ("graceful_timeout", 30, ""),
        ("keepalive", 2, ""),
        ("limit_request_line", 4094, ""),
    ):
        if name not in job.given:
            given = Given(name, value, f"{name} is {value} by default", (told,) if told else ())
            row = TABLE[name]
            if row.take is not None:
                row.take(job, given, row)
            else:
                job.put(given, row.option, as_option(job, row.option, value))
    if "workers" not in job.given:
        text = "workers is 1, or WEB_CONCURRENCY of its environment, by default"
        job.put(Given("workers", 1, text), "workers", "1")
    job.draft.own_limits.append(
        Said("max_body_size = 10m", "larger request content is refused with 413; gunicorn has no limit")
    )


# ---- Settings that need more than a value ---------------------------------------------------------


def _bind(job: Job, given: Given, row: Row) -> None:
    parts = given.value if isinstance(given.value, (list, tuple)) else str(given.value).split(",")
    for part in parts:
        found = _address(job, plain(part))
        job.put(given, "listen", found, row.told if found.startswith("unix:") else "")


def _address(job: Job, text: str) -> str:
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        path = path[1:] if path.startswith("//") else path
        return f"unix:{job.path(path)}{_socket_rights(job)}"
    if text.startswith("fd://"):
        return f"fd:{text[len('fd://') :]}"
    text = text.removeprefix("tcp://").rstrip("/")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "8000"
    if not port.isdigit() or "/" in host:
        raise CannotTake(f"{text!r} is no address; a unix socket is unix:PATH")
    return address(host, port)


def _socket_rights(job: Job) -> str:
    """gunicorn makes the socket under its umask, and gives it to the workers' user."""
    umask = job.first("umask")
    if not isinstance(umask, (int, str)) or is_off(umask):
        return ""
    bits = 0o666 & ~_octal(umask)
    owners = [(key, job.first(key)) for key in ("user", "group")]
    return f"?mode={bits:03o}" + "".join(f"&{key}={plain(name)}" for key, name in owners if name)


def _octal(value: Any) -> int:
    """gunicorn takes a number, or a text such as "0o22" or "0x12"."""
    try:
        return int(value, 0) if isinstance(value, str) else int(value)
    except (ValueError, TypeError):
        raise CannotTake("it is no number") from None


def _umask(job: Job, given: Given, row: Row) -> None:
    bits = _octal(given.value)
    if bits:
        job.put(given, "umask", f"{bits & 0o777:03o}", row.told)
    else:
        job.draft.always_so(given.text, "0 takes no permission away; without umask it stays as it is")


def _worker_class(job: Job, given: Given, row: Row) -> None:
    name = plain(given.value)
    if name in ("sync", "gunicorn.workers.sync.SyncWorker"):
        job.draft.always_so(given.text, f"{_ONE_AT_A_TIME}, as gunicorn's sync workers do")
    elif "uvicorn" in name.lower() or name.lower() == "asgi":
        job.draft.lacks.append("the application is ASGI, and Fapws serves WSGI: it stays where it is")
        job.refuse(given, "it serves ASGI applications, which Fapws does not")
    elif "gthread" in name:
        job.refuse(given, f"{_ONE_AT_A_TIME}: see threads")
    else:
        job.refuse(
            given,
            f"{_ONE_AT_A_TIME}, and nothing is patched to take turns: an application that keeps requests "
            "open for long (WebSockets, long polling) stays where it is; another one needs as many workers "
            "as it has requests that wait at one time",
        )


def _threads(job: Job, given: Given, row: Row) -> None:
    threads = number(given.value)
    workers = job.first("workers") or 1
    if threads <= 1:
        job.draft.always_so(given.text, f"{_ONE_AT_A_TIME}")
    elif isinstance(workers, int):
        told = f"workers = {workers * threads} would serve as many requests at one time"
        job.refuse(given, f"{_ONE_AT_A_TIME}; {told}, for the memory of as many processes")
    else:
        job.refuse(given, f"{_ONE_AT_A_TIME}; more workers serve more of them")


def _workers(job: Job, given: Given, row: Row) -> None:
    job.put(given, "workers", str(max(number(given.value), 1)))


def _timeout(job: Job, given: Given, row: Row) -> None:
    told = row.told
    if job.first("worker_class") not in (None, "sync") or (job.first("threads") or 1) != 1:
        told = (
            "with threads or greenlets gunicorn gives a worker that serves others meanwhile more time; here "
            "the request itself has to be over by then"
        )
    job.put(given, "request_timeout", seconds(given.value), told)


def _header_size(job: Job, given: Given, row: Row) -> None:
    size = number(given.value)
    if size == 0:
        raise CannotTake("0 means no limit; the whole head has one here: max_header_size, 64k at most")
    job.put(given, row.option, values.format_size(max(32 * 1024, min(size * 2, 65536))), row.told)


def _keepalive(job: Job, given: Given, row: Row) -> None:
    if number(given.value):
        job.put(given, row.option, seconds(given.value), row.told)
    else:
        told = "0 closes the connection after each response; here 0 would be no limit"
        job.put(given, row.option, "1s", told)


def _fields(job: Job, given: Given, row: Row) -> None:
    """gunicorn takes 0 for as many as it can."""
    fields = number(given.value) or FIELDS_MAX
    job.put(given, row.option, str(fields), row.told)


def _request_line(job: Job, given: Given, row: Row) -> None:
    size = number(given.value) or 65536
    job.put(given, row.option, values.format_size(size), row.told)


def _environment(job: Job, given: Given, row: Row) -> None:
    pairs = given.value if isinstance(given.value, (list, tuple)) else [given.value]
    for pair in pairs:
        name, equals, value = str(pair).partition("=")
        if not equals or not name.isprintable() or " " in name:
            raise CannotTake(f"{pair!r} is no NAME=VALUE")
        job.draft.environ(name, plain(value), "gunicorn: raw_env", *given.notes)


def _python_path(job: Job, given: Given, row: Row) -> None:
    for part in str(given.value).split(","):
        job.put(given, "pythonpath", job.path(plain(part)), row.told)


def _access_log(job: Job, given: Given, row: Row) -> None:
    if not given.value:
        job.draft.always_so(given.text, "the access log is off by itself")
    else:
        target = "/dev/stdout" if given.value == "-" else job.path(plain(given.value))
        job.put(given, "access_log", target, row.told)


def _error_log(job: Job, given: Given, row: Row) -> None:
    if is_on(job.first("syslog")):
        raise CannotTake("there is one error log, and syslog asks for the system's")
    target = "stderr" if given.value in ("-", None, "") else job.path(plain(given.value))
    job.put(given, "error_log", target, row.told)


def _access_format(job: Job, given: Given, row: Row) -> None:
    found = log_formats.of_gunicorn(str(given.value))
    job.put(given, "access_format", found, log_formats.SECONDS if "$request_time" in found else "")


def _log_level(job: Job, given: Given, row: Row) -> None:
    if str(given.value).lower() == "debug":
        job.put(given, "debug", "1", row.told)
    else:
        job.draft.always_so(given.text, "the error log has what the operator has to know, and no levels")


def _syslog(job: Job, given: Given, row: Row) -> None:
    if is_off(given.value):
        job.draft.always_so(given.text, "is off, as it is here")
        return
    facility = str(job.first("syslog_facility") or "user").lower().removeprefix("log_")
    if facility not in ("daemon", "user", *(f"local{number}" for number in range(8))):
        raise CannotTake(f"of the facilities there are daemon, user and local0 to local7, not {facility}")
    job.put(given, "error_log", f"syslog:{facility}", "to the syslog of this machine; see syslog_addr")


def _proxies(job: Job, given: Given, row: Row) -> None:
    text = ",".join(map(str, given.value)) if isinstance(given.value, (list, tuple)) else str(given.value)
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part == "*":
            raise CannotTake(
                "* believes everybody; name the proxy's address in trusted_proxies, or unix for a unix socket"
            )
        job.put(given, "trusted_proxies", plain(part), row.told)


def _allowed_proxies(job: Job, given: Given, row: Row) -> None:
    if is_on(job.first("proxy_protocol")):
        _proxies(job, given, row)
    else:
        job.draft.always_so(given.text, "counts only with proxy_protocol, which is off")


def _pidfile(job: Job, given: Given, row: Row) -> None:
    if not given.value:
        job.draft.always_so(given.text, "is off, as it is here")
        return
    folder, name = os.path.split(job.path(plain(given.value)))
    stem = os.path.splitext(name)[0]
    job.put(given, "pidfile", os.path.join(folder, f"{stem}-fapws.pid"), row.told)
    job.draft.put("control", os.path.join(folder, f"{stem}-fapws.sock"), "for fapwsctl")


def _named(job: Job, given: Given, row: Row) -> None:
    text = plain(given.value)
    tell_application(job, given, text, "" if ":" in text else row.told)


_HOOKS = (
    "on_starting on_reload when_ready pre_fork post_fork post_worker_init worker_int worker_abort pre_exec "
    "pre_request post_request child_exit worker_exit nworkers_changed on_exit ssl_context"
)
ROWS = (
    Row("wsgi_app", "app", "module alone means its application", _named),
    Row("bind", "listen", "unix sockets are of mode 666 unless ?mode= says otherwise", _bind),
    Row("backlog", "backlog"),
    Row("workers", "workers", "workers = auto starts one for each processor", _workers),
    Row(
        "worker_class",
        "",
        f"{_ONE_AT_A_TIME}, as sync does; ASGI workers stay where they are",
        _worker_class,
    ),
    Row("threads", "", f"{_ONE_AT_A_TIME}: as many workers as threads serve as many", _threads),
    Row(
        "worker_connections",
        "",
        f"of gevent and eventlet: {_ONE_AT_A_TIME}, and keeps 10,000 connections open beside it "
        "(max_connections)",
    ),
    Row("max_requests", "max_requests", "the next worker serves before the old one leaves"),
    Row("max_requests_jitter", "max_requests_jitter"),
    Row(
        "timeout",
        "request_timeout",
        "the Python stack of a worker that is killed is in the error log",
        _timeout,
    ),
    Row("graceful_timeout", "drain_timeout"),
    Row("keepalive", "keepalive_timeout", "", _keepalive),
    Row("limit_request_line", "max_uri", "counts the target alone", _request_line),
    Row("limit_request_fields", "max_headers", "", _fields),
    Row("limit_request_field_size", "max_header_size", "counts the whole head, of all fields", _header_size),
    Row("reload", "autoreload"),
    Row("reload_engine", ALWAYS, "files are looked at once a second; nothing needs to be installed"),
    Row("reload_extra_files", "", "only Python files that were imported are watched"),
    Row("spew", "", "debug = 2 tells each request and response; lines of Python are not traced"),
    Row("check_config", "", "fapwsctl configtest"),
    Row("print_config", "", "fapwsctl dump"),
    Row("preload_app", "preload", "and a reload brings new code all the same"),
    Row("sendfile", ALWAYS, "files of wsgi.file_wrapper and of static go out by sendfile"),
    Row("reuse_port", "reuseport"),
    Row("chdir", "directory"),
    Row("daemon", ALWAYS, "fapwsctl start serves in the background, fapwsctl start -F in the foreground"),
    Row("raw_env", "[app:NAME:env]", "a section of its own", _environment),
    Row("pidfile", "pidfile", "by another name, so that both can run side by side", _pidfile),
    Row("worker_tmp_dir", ALWAYS, "workers tell that they live through shared memory, not a file"),
    Row("user", "user", "takes a master that runs as root"),
    Row("group", "group"),
    Row("umask", "umask", "", _umask),
    Row("initgroups", ALWAYS, "a worker has the groups of its user"),
    Row("tmp_upload_dir", "spool_directory"),
    Row(
        "secure_scheme_headers",
        "",
        "forwarded names the fields that a trusted proxy sets: X-Forwarded-Proto",
    ),
    Row("forwarded_allow_ips", "trusted_proxies", "of a proxy on a unix socket: unix", _proxies),
    Row("accesslog", "access_log", "", _access_log),
    Row("disable_redirect_access_to_syslog", "", "access_log goes where it says, to syslog:FACILITY too"),
    Row(
        "access_log_format",
        "access_format",
        "with variables such as $status; sizes are of the content",
        _access_format,
    ),
    Row("errorlog", "error_log", "what the application prints is there too", _error_log),
    Row("loglevel", "debug", "debug = 1 tells each request that is refused", _log_level),
    Row("capture_output", ALWAYS, "what the application prints is in the error log"),
    Row(
        "logger_class logconfig logconfig_dict logconfig_json",
        "",
        "the application's logging is its own: configure it there; the server's log is error_log, "
        "as JSON with error_log_format = json",
    ),
    Row("syslog", "error_log", "syslog:FACILITY", _syslog),
    Row("syslog_addr", "", "the log goes to the syslog of this machine, which may pass it on"),
    Row("syslog_prefix", ALWAYS, "lines in syslog bear the name fapws"),
    Row("syslog_facility", ALWAYS, "is part of error_log = syslog:FACILITY"),
    Row("enable_stdio_inheritance", ALWAYS, "what the application prints is in the error log, unbuffered"),
    Row("statsd_host dogstatsd_tags statsd_prefix enable_backlog_metric", "", f"{_STATSD}"),
    Row(
        "proc_name default_proc_name",
        ALWAYS,
        "processes are called fapws: master FILE, fapws: worker POOL/N",
    ),
    Row("pythonpath", "pythonpath", "", _python_path),
    Row(
        "paste raw_paste_global_conf",
        "",
        "pserve serves a PasteDeploy file: use = egg:fapws (docs/embedding.md)",
    ),
    Row(
        f"{_HOOKS}",
        "",
        f"{_HOOK}; what a worker needs at its start belongs into the application, which each "
        "worker loads for itself",
    ),
    Row("proxy_protocol", "proxy_protocol"),
    Row("proxy_allow_ips", "trusted_proxies", "with proxy_protocol", _allowed_proxies),
    Row(
        "keyfile certfile ca_certs ciphers ssl_version cert_reqs suppress_ragged_eofs "
        "do_handshake_on_connect",
        "",
        f"{_TLS}",
    ),
    Row(
        "permit_obsolete_folding strip_header_spaces permit_unconventional_http_method "
        "permit_unconventional_http_version casefold_http_method",
        "",
        f"{_LENIENT}",
    ),
    Row("forwarder_headers", "", "forwarded names the fields that are believed of trusted_proxies"),
    Row("header_map", ALWAYS, "fields whose names could be taken for others in environ are refused"),
    Row("root_path", "script_name", "", below),
    Row("asgi_loop asgi_lifespan asgi_disconnect_grace_period", "", f"{_ASGI}"),
    Row(
        "http_protocols http2_max_concurrent_streams http2_initial_window_size "
        "http2_max_frame_size http2_max_header_list_size",
        "",
        f"{_HTTP2}",
    ),
    Row("http_parser", ALWAYS, "the parser is Fapws's own, in C"),
    Row(
        "control_socket control_socket_mode control_socket_disable",
        "",
        "fapwsctl's socket is control; control_group says whose it is beside root",
    ),
    Row(
        "dirty_apps dirty_workers dirty_timeout dirty_threads dirty_graceful_timeout",
        "",
        "long work belongs into a queue of its own",
    ),
    Row("config", "", "the file itself; what it reads of others is not followed"),
)
TABLE = by_name(ROWS)
