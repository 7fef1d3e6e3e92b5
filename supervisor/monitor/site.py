"""What is answered at the status address: which path gives what."""

from __future__ import annotations

import time

from fapws.lean import Callable

from ..control import status
from ..control.commands import View
from ..control.control_socket import VERSION
from ..core import outlook
from ..process import usage
from . import http, metrics
from .http import Reply

TOO_LATE = http.render(Reply(408, b"no request came in time\n"))
_READY = "/readyz"


class Site:
    """Answers for one master."""

    def __init__(
        self, view: View, figures: Callable[[], metrics.Figures], on_defect: Callable[[], None]
    ) -> None:
        """``on_defect``: is called while an exception of our own is handled, to log it."""
        self._view = view
        self._figures = figures
        self._on_defect = on_defect
        self._pages: dict[str, Callable[[], Reply]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/livez": lambda: Reply(200, b"ok\n"),
            _READY: lambda: self._readiness(""),
            "/status.json": self._json,
        }

    def answer(self, received: bytes) -> bytes | None:
        """The response; None: the request is not whole yet."""
        try:
            question = http.parse(received)
        except http.Refusal as refusal:
            return http.render(refusal.reply)
        return None if question is None else http.render(self._reply(question.path), question.head)

    def _reply(self, path: str) -> Reply:
        try:
            page = self._pages.get(path)
            if page is not None:
                return page()
            start, _, pool = path.rpartition("/")
            known = {pool.name for pool in self._view.state.config.pools}
            if start == _READY and pool in known:
                return self._readiness(pool)
        except Exception:
            self._on_defect()
            return Reply(500, b"this page cannot be made; the error log has the reason\n")
        return Reply(404, b"there is /livez, /readyz, /readyz/POOL, /metrics, /status.json and /\n")

    def _readiness(self, pool: str) -> Reply:
        """May clients be sent here: 200, or 503 with the sentence of ``fapwsctl health``."""
        trouble = outlook.complaint(self._view.state, pool)
        return Reply(503 if trouble else 200, f"{trouble or outlook.HEALTHY}\n".encode())

    def _json(self) -> Reply:
        import json  # half a megabyte that only this page needs

        described = {"ok": True, "exit_status": 0, "v": VERSION, **self._described()}
        return Reply(200, json.dumps(described).encode("ascii") + b"\n", "application/json")

    def _metrics(self) -> Reply:
        text = metrics.render(self._view.state, self._view.facts(), self._figures())
        return Reply(200, text.encode("utf-8"), metrics.KIND)

    def _page(self) -> Reply:
        from .page import render

        # A path may hold bytes that are no UTF-8.
        content = render(self._described()).encode("utf-8", "backslashreplace")
        return Reply(200, content, "text/html; charset=utf-8")

    def _described(self) -> dict[str, object]:
        described = status.describe(self._view.state, self._view.facts(), time.monotonic())
        pids = [worker["pid"] for worker in described["workers"] if worker["pid"]]
        usage.put_in(described, usage.usage_of_proc(pids))
        return described
