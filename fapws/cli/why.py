"""fapwsctl why: one page on what has failed last, from what the master remembers, and what to do next."""

from __future__ import annotations

import os
import shlex

from fapws.cli.arguments import DEFAULT_FILE, Options
from fapws.cli.find_server import MARGIN, Ended, Result, find, learn, running_control
from fapws.cli.status_text import span
from fapws.lean import Any
from fapws.settings.scan import Section, scan
from fapws.supervisor.errors import DONE, NOT_RUNNING
from fapws.supervisor.process import pidfile

_TAIL_LINES = 40
_TAIL_BYTES = 65536
_FAULT = "Fatal Python error"

_NAMES = {
    "reload": "a reload that failed",
    "boot": "a worker that could not start",
    "crash": "a worker that died",
    "hang": "a worker that hung",
    "refusals": "a storm of refused requests",
    "master": "that of the master before, which this start has found",
}
_LOADED = ("app", "script", "directory", "virtualenv", "pythonpath")
_KEYS = {
    "reload": (*_LOADED, "reload", "reload_watch"),
    "boot": _LOADED,
    "crash": ("app", "script"),
    "hang": ("app", "script", "request_timeout"),
    "refusals": ("listen", "max_header_size", "max_body_size", "max_spool", "debug"),
    "master": ("pidfile",),
}
"""The keys of the INI file that have to do with a failure."""
_STARTS = ("reload", "boot")
"""What fails by an application that does not come to serve."""
_LATE = ("(boot_timeout)", "(boot_timeout) and was killed")
"""What the line ends with on one that took too long."""
_RAISE = "If it only takes long to start, raise boot_timeout."
_ADVICE = {
    "reload": (
        "The old code and configuration serve on: nobody was cut off.",
        "Mend what is said above, then: fapwsctl configtest, and fapwsctl reload.",
        "Do so, or put the old files back, at once: without preload a worker that is replaced meanwhile",
        "(after a crash, by max_requests, max_rss or max_lifetime) loads the files that lie there now.",
    ),
    "boot": ("Mend what is said above, then: fapwsctl reload. The master tries again by itself, too.",),
    "crash": (
        "A signal such as SIGSEGV comes from C code: the stack names the call; look at that module first.",
        "SIGKILL that nobody sent: the system lacked memory. See dmesg; set max_rss, or have fewer workers.",
        "Send the requests above again, in their order, to a copy of the service.",
    ),
    "hang": (
        "The stack shows where it stood: a call without a timeout, a lock, or a loop.",
        "Give that call a timeout; raise request_timeout only if a request may take so long.",
        "fapwsctl stack shows what the workers are doing now.",
    ),
    "refusals": (
        "Set debug = 1 in the section above and reload: the log then says why each request is refused.",
        "docs/refusals.md leads from the reason to the rule; a status address counts them by reason.",
    ),
    "master": (
        "See dmesg (journalctl -k): a SIGKILL that nobody sent is the system's lack of memory.",
        "If so, set max_rss, or have fewer workers.",
        "Nobody is served between such an end and the next start: have systemd or the like start it again.",
    ),
}


def why(options: Options) -> Result:
    """The page. Raises Ended."""
    try:
        control = running_control(options.file, options.command)
    except Ended as ended:
        if ended.result.status != NOT_RUNNING:
            raise
        text = ended.result.text + _as_typed(_left(options.file), options.file) + _end_of_log(options.file)
        return Result(NOT_RUNNING, text)
    reply = learn(control, "why", options.seconds or MARGIN)
    failures = reply["failures"]
    values = {name: reply.get(name) for name in ("failures", "summary", "uptime", "config", "last_reload")}
    return Result(DONE, "" if options.json else page(reply, failures, options.file), values)


def page(reply: dict[str, Any], failures: list[dict[str, Any]], file: str = DEFAULT_FILE) -> str:
    """``reply``: the master's, and its failures, the latest first. ``file``: as the command line names it."""
    now = f"now: {reply['summary']}"
    if not failures:
        return f"fapws: nothing has failed that the master knows of (up {span(reply['uptime'])})\n{now}"
    last = failures[0]
    place = f" in pool {last['pool']}" if last["pool"] else ""
    since = _reloaded_since(reply, last)
    over = f"; a later reload has succeeded, {since} ago" if since else ""
    lines = [f"fapws: the last failure, {span(last['ago'])} ago, was {_NAMES[last['kind']]}{place}{over}"]
    lines += _behind(last["text"])
    lines += _part("traceback", last["traceback"])
    lines += _part("stack", last["stack"])
    lines += _part(*_printed(last["printed"]))
    lines += _part("requests answered before, the latest at the end", "\n".join(last["requests"]))
    lines += _part("configured in", "\n".join(_places(reply["config"], last)))
    lines += _part("what to do next", _as_typed("\n".join(_advice(last, since)), file))
    lines += _part(
        "failures before", "\n".join(f"{span(f['ago'])} ago: {_first(f['text'])}" for f in failures[1:])
    )
    return "\n".join((*lines, now, f"error log: {reply['error_log']}"))


def _reloaded_since(reply: dict[str, Any], last: dict[str, Any]) -> str:
    """How long ago the reload ended by which an application that had failed to load has come to serve; empty:
    there was none."""
    reload = reply.get("last_reload")
    if not reload or not reload["ok"] or reload["ago"] >= last["ago"] or last["kind"] not in _STARTS:
        return ""
    pools = reload.get("pools")
    return span(reload["ago"]) if not pools or last["pool"] in pools else ""


def _advice(last: dict[str, Any], since: str) -> tuple[str, ...]:
    if since:
        return (f"Nothing about this one: what was loaded {since} ago, by the later reload, serves.",)
    late = last["kind"] in _STARTS and last["text"].endswith(_LATE)
    return (*_ADVICE[last["kind"]], *((_RAISE,) if late else ()))


def _as_typed(text: str, file: str) -> str:
    """The commands in it with the file that this one was given."""
    return text if file == DEFAULT_FILE else text.replace("fapwsctl ", f"fapwsctl -c {shlex.quote(file)} ")


def _keys(last: dict[str, Any]) -> tuple[str, ...]:
    """Of the INI file, those that have to do with it."""
    keys = _KEYS[last["kind"]]
    if last["kind"] not in _STARTS:
        return keys
    if last["text"].endswith(_LATE):
        return (*keys, "boot_timeout", "warmup")
    return (*keys, "warmup") if "warmup: " in last["text"] else keys


def so_far(control: str, file: str) -> str:
    """Lines on how a server is that does not serve yet, and on its last failure; empty: nobody can say."""
    try:
        reply = learn(control, "why", MARGIN) if control else {}
    except Ended:
        return ""
    lines = [f"now: {reply['summary']}"] if reply else []
    for last in reply.get("failures", [])[:1]:
        lines.append(f"the last failure, {span(last['ago'])} ago: {_first(last['text'])}")
        lines.append(_as_typed("what is known of it: fapwsctl why", file))
    return "".join(f"\nfapws: {line}" for line in lines)


def _behind(text: str) -> list[str]:
    """Words that may be a worker's stand behind blanks: they cannot pass for the page's own lines."""
    return [f"  {line}" for line in text.rstrip("\n").split("\n")]


def _part(name: str, text: str) -> list[str]:
    return [f"{name}:", *_behind(text)] if text.strip() else []


def _first(text: str) -> str:
    return text.split("\n", 1)[0]


def _printed(text: str) -> tuple[str, str]:
    """Of what it printed, the stack of a fault if there is one, else all that is remembered."""
    at = text.rfind(_FAULT)
    return ("stack", text[at:]) if at >= 0 else ("printed last", text)


def _places(path: str, failure: dict[str, Any]) -> list[str]:
    """Lines of the INI file: the pool's section, and the options that have to do with it."""
    try:
        with open(path, "rb") as file:
            sections = scan(file.read(), path).sections
    except OSError as error:
        return [f"{path}: {error.strerror}"] if path else []
    names = (f"app:{failure['pool']}", "fapws")
    found = [section for name in names for section in sections if section.name == name]
    keys = _keys(failure)
    return [line for section in found for line in _lines(path, section, keys)] or [path]


def _lines(path: str, section: Section, keys: tuple[str, ...]) -> list[str]:
    lines = [
        f"{path}:{entry.line}: {entry.key} = {entry.value}" for entry in section.entries if entry.key in keys
    ]
    return (
        [f"{path}:{section.line}: [{section.name}]", *map(_first, lines)]
        if lines or section.name != "fapws"
        else []
    )


def _left(path: str) -> str:
    """Where the pidfile of a dead master is there, what that means; else empty."""
    place = find(path).pidfile
    try:
        pid = pidfile.probe(place).pid if place else 0
    except OSError:
        return ""
    if not pid:
        return ""
    return (
        f": the master ended without stopping, for its pidfile {place} (pid {pid}) is still there\n"
        "  It was killed (kill -9, or by the system for lack of memory: see dmesg, journalctl -k),\n"
        "  ended by a fault, or the machine went down. Start it again: fapwsctl start\n"
        "fapws: not running"
    )


def _before_rotation(log: str) -> str:
    """Where logrotate and newsyslog leave what was there; empty where nothing is."""
    old = next((log + end for end in (".1", ".0", ".1.gz", ".0.gz") if os.path.exists(log + end)), "")
    return f": those before its rotation are in {old}" if old else ""


def _end_of_log(path: str) -> str:
    """Of a server that does not run, the log is all there is; empty where it cannot be read."""
    from fapws.settings import ini
    from fapws.settings.problems import ConfigError

    log = ""
    try:
        log = ini.read(path, look=False).error_log
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
    except FileNotFoundError:
        lines = [""]
    except (OSError, ConfigError):
        return ""
    if lines == [""]:
        return f"; {log} has no lines" + _before_rotation(log) if os.path.isabs(log) else ""
    return "\n".join((f"; the end of {log}:", *(f"  {line}" for line in lines[-_TAIL_LINES:])))
