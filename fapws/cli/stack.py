"""fapwsctl stack: the Python stacks of workers, with the requests that they have in hand."""

from __future__ import annotations

import os

from fapws.cli.arguments import Options
from fapws.cli.find_server import MARGIN, Ended, Result, ask, learn, running_control
from fapws.cli.status_text import span
from fapws.lean import Any, signal
from fapws.stacks import above
from fapws.supervisor.errors import DONE, FAILED
from fapws.supervisor.process.caught import holds

_WAIT = ("serving", "draining")
"""States of those that wait for requests where they have none in hand."""


def stack(options: Options) -> Result:
    """Asks one worker after the other."""
    control = running_control(options.file, options.command)
    seconds = options.seconds or MARGIN
    workers = chosen(learn(control, "status", seconds)["workers"], "".join(options.arguments))
    told = [{**_names(worker), **_ask(control, worker, seconds, options.all)} for worker in workers]
    failed = [one for one in told if "error" in one]
    text = "" if options.json else "\n".join(map(_render, told))
    return Result(FAILED if failed else DONE, text, {"stacks": told})


def chosen(workers: list[dict[str, Any]], which: str) -> list[dict[str, Any]]:
    """Those with a process that ``POOL`` or ``POOL/N`` names; all, if nothing does. Raises Ended."""
    named = [w for w in workers if w["pid"] and which in ("", w["pool"], f"{w['pool']}/{w['slot']}")]
    if not named:
        known = ", ".join(sorted({f"{w['pool']}/{w['slot']}" for w in workers if w["pid"]}))
        if not known:
            raise Ended(FAILED, "fapws: no worker runs")
        raise Ended(FAILED, f"fapws: there is no worker {which!r}; known: {known}")
    return named


def _names(worker: dict[str, Any]) -> dict[str, Any]:
    return {name: worker[name] for name in ("pool", "slot", "pid", "state")}


def _ask(control: str, worker: dict[str, Any], seconds: float, whole: bool) -> dict[str, Any]:
    pid = worker["pid"]
    more = {} if os.path.exists("/proc/self/status") else {"caught": caught_says_ps(pid)}
    try:
        reply = ask(control, "stack", seconds, pid=pid, **more)
    except Ended as ended:
        return {"error": ended.result.text}
    if not reply["ok"]:
        return {"error": reply["error"]}
    state = reply.setdefault("state", worker["state"])  # it may be another than when it was listed
    if not whole:
        reply["text"] = above(reply["text"], waits=state in _WAIT and not reply["request"])
    return {name: reply[name] for name in ("state", "request", "request_age", "text")}


def caught_says_ps(pid: int) -> bool | None:
    """Whether a process catches SIGUSR2, where the system has no /proc that tells."""
    import subprocess

    try:
        command = ["ps", "-o", "caught=", "-p", str(pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    return holds(done.stdout.strip(), signal.SIGUSR2)


def _render(one: dict[str, Any]) -> str:
    """A heading at the margin, and what the worker said behind two spaces: it cannot pass for another one."""
    head = f"{one['pool']}/{one['slot']} (pid {one['pid']}, {one['state']})"
    if "error" in one:
        return f"{head}: {one['error']}"
    request = "no request in hand"
    if one["request"]:
        request = f"{one['request']}, for {span(one['request_age'] or 0)}"
    lines = one["text"].rstrip("\n").split("\n")
    return "\n".join((f"{head}: {request}", *(f"  {line}" for line in lines)))
