"""uwsgi.ini: what becomes of its options. uwsgi_rows.py has the table."""

from __future__ import annotations

import os

from fapws.cli.translate import uwsgi_file
from fapws.cli.translate.draft import Draft, Said
from fapws.cli.translate.rows import Given, Job, apply, is_on
from fapws.cli.translate.uwsgi_rows import TABLE
from fapws.cli.translate.uwsgi_takes import put_application

_UNKNOWN = "no option of uWSGI that is known here; if it is a name of your own, nothing uses it"


def translate(path: str, text: str, application: str, _run: bool) -> Draft:
    """The draft of a file with this text. Raises uwsgi_file.NotUwsgi."""
    draft = Draft("uWSGI", path)
    found = uwsgi_file.read(text, path)
    given = []
    for option in found.options:
        if option.skipped:
            draft.always_so(f"{option.name} = {option.written}", f"does not count here: {option.skipped}")
        elif option.followed:
            draft.always_so(f"{option.name} = {option.written}", "its lines are taken in where it stands")
        elif option.name in found.used and option.name not in TABLE:
            draft.always_so(
                f"{option.name} = {option.written}", "a name of this file's own, put in elsewhere"
            )
        else:
            given.append(_given(option))
    chdir = next((one.value for one in given if one.name == "chdir" and not one.unknown), "")
    job = Job(draft, os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), chdir)))
    draft.put("directory", job.directory, "where uWSGI is started, or its chdir")
    apply(job, TABLE, given, _UNKNOWN)
    if application:
        job.given.setdefault("module", []).append(
            Given("module", application, f"uwsgi --module {application}")
        )
    put_application(job)
    draft.fit_sizes()
    draft.name_pool()
    _defaults(job)
    _requests_in_the_log(job)
    return draft


def _given(option: uwsgi_file.Option) -> Given:
    text = f"{option.name} = {option.written}".rstrip(" =") or f"a line of {option.written!r}"
    if option.value != option.written and not option.unknown:
        text = f"{text} ({option.value})"
    return Given(option.name, option.value, text, option.notes, option.unknown)


def _defaults(job: Job) -> None:
    """What uWSGI does without being told, where Fapws would do something else."""
    draft = job.draft
    if not draft.value("listen") and not any(lack.startswith("set listen: ") for lack in draft.lacks):
        draft.lacks.append(
            "say where to listen: listen = 127.0.0.1:8888; this file says nothing that can be taken"
        )
    for key, names, value, told in (
        ("workers", ("processes", "workers", "p"), "1", "processes is 1 by default"),
        ("backlog", ("listen",), "100", "listen is 100 by default"),
    ):
        if not any(name in job.given for name in names):
            draft.put(key, value, f"uWSGI: {told}")
    for key, default, why in (
        ("request_timeout", "5m", "a request may take so long; uWSGI kills none without harakiri"),
        ("max_body_size", "10m", "larger content is refused with 413; uWSGI has no limit without limit-post"),
    ):
        if not draft.value(key):
            draft.own_limits.append(Said(f"{key} = {default}", why))


def _requests_in_the_log(job: Job) -> None:
    """uWSGI tells each request in its log, if it is not told otherwise."""
    draft = job.draft
    if draft.value("access_log") or is_on(job.first("disable-logging")):
        return
    log = draft.value("error_log")
    if log.startswith("syslog:"):
        target = log
    elif log and log != "stderr":
        target = os.path.splitext(log)[0] + "-access.log"
    else:
        target = "/dev/stdout"
    draft.put("access_log", target, "uWSGI: it logs each request unless disable-logging says otherwise")
