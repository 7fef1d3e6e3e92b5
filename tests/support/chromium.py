"""A headless Chromium that a test drives: the DevTools protocol over a pipe, without another library.

Commands and events are JSON objects, each ended by a zero byte; Chromium reads them from descriptor 3
and writes to descriptor 4 (--remote-debugging-pipe). https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any

COMMAND = shutil.which("chromium")
"""None: it is not installed (Debian: chromium)."""
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--remote-debugging-pipe",
]
_SECONDS = 60.0
"""For any one thing: a cold start on a busy machine takes many."""
_PLACE_THEM = """
import os, sys
incoming, outgoing = (os.dup(int(word)) for word in sys.argv[1:3])
while min(incoming, outgoing) < 5:
    incoming, outgoing = os.dup(incoming), os.dup(outgoing)
os.dup2(incoming, 3)
os.dup2(outgoing, 4)
os.closerange(5, 256)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts two descriptors where Chromium looks for them, and becomes it."""


class Chromium:
    """One browser with one page. A context manager; leaving it ends all its processes."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        """What the browser's console says of the page: errors, breaches of its own policy."""
        self._number = 0
        self._session = ""
        self._pending = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Chromium:
        assert COMMAND is not None
        self._home = tempfile.mkdtemp(prefix="fapws-chromium-")
        their_input, self._commands = os.pipe()
        self._answers, their_output = os.pipe()
        words = [COMMAND, *_FLAGS, f"--user-data-dir={self._home}", "about:blank"]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PLACE_THEM, str(their_input), str(their_output), *words],
                pass_fds=(their_input, their_output),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "HOME": self._home},
                start_new_session=True,
            )
        finally:
            os.close(their_input)
            os.close(their_output)
        try:
            target = self.tell("Target.createTarget", url="about:blank")["targetId"]
            attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.tell(f"{domain}.enable")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        # The group is ours alone: it was made for this process.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        pause, deadline = threading.Event(), time.monotonic() + 10
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:  # a process that still writes would leave the folder behind
                os.killpg(self._process.pid, 0)
                pause.wait(0.02)
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self._home, ignore_errors=True)

    # ---- The page --------------------------------------------------------------------------------

    def look_like(self, width: int, height: int, *, phone: bool = False, scheme: str = "light") -> None:
        """The size of the screen in CSS pixels, and light or dark."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def allow_scripts(self, allowed: bool) -> None:
        """Of pages opened from now on."""
        self.tell("Emulation.setScriptExecutionDisabled", value=not allowed)

    def open(self, url: str) -> None:
        """Opens a page and waits until it has loaded."""
        self.forget_events()
        self.tell("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        answer = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    # ---- The protocol ----------------------------------------------------------------------------

    def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _SECONDS
        while True:
            answer = self._next(method, deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self._keep(answer)

    def forget_events(self) -> None:
        """What happened until now is nothing that wait_for() waits for."""
        self._events.clear()

    def wait_for(self, event: str) -> None:
        """Waits until an event has happened since the page was opened."""
        deadline = time.monotonic() + _SECONDS
        while not any(seen["method"] == event for seen in self._events):
            self._keep(self._next(event, deadline))

    def _keep(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event["method"] == "Log.entryAdded":
            entry = event["params"]["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']}")
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))

    def _next(self, what: str, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"no answer of Chromium to {what} in {_SECONDS} s"
            piece = os.read(self._answers, 1 << 20)
            assert piece, f"Chromium has ended before {what}"
            self._pending += piece
        text, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(text))
