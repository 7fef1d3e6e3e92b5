"""A gate: an application stops at it until the test lets it on. No clock is involved.

The application (see ``APPLICATION_SIDE``) connects to a unix socket of the test and waits for one
byte; the test sees by the connection that the application has come that far.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from types import TracebackType

PATIENCE = 30.0
"""Seconds for the application to come; it waits there for longer."""

APPLICATION_SIDE = '''
import socket as _socket


def at_gate(path, word=b"here", wait=True):
    """Tells the test that this place was reached and waits for its leave (at most 60 s)."""
    with _socket.socket(_socket.AF_UNIX) as gate:
        gate.settimeout(60)
        gate.connect(path)
        gate.sendall(word + b"\\n")
        if wait:
            gate.recv(1)
'''
"""Python source to be placed before an application."""


class Gate:
    """The test's side."""

    def __init__(self, seconds: float = PATIENCE) -> None:
        self.seconds = seconds
        self._directory = tempfile.mkdtemp(prefix="fapws-gate-")
        self.path = self._directory + "/g"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._listener.settimeout(seconds)
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._waiting:
            one.close()
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def arrival(self) -> str:
        """Waits until the application comes to the gate; the word it brings."""
        try:
            one, _ = self._listener.accept()
        except socket.timeout:
            raise AssertionError(f"the application did not come within {self.seconds} s") from None
        self._waiting.append(one)
        one.settimeout(self.seconds)
        word = b""
        while not word.endswith(b"\n"):
            more = one.recv(100)
            if not more:
                break
            word += more
        return word.decode().strip()

    def open(self) -> None:
        """Lets the one that came first go on."""
        one = self._waiting.pop(0)
        try:
            one.sendall(b".")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not want to wait
        finally:
            one.close()

    def nobody(self) -> bool:
        """Whether nobody is knocking at this moment."""
        self._listener.setblocking(False)
        try:
            one, _ = self._listener.accept()
        except BlockingIOError:
            return True
        finally:
            self._listener.settimeout(self.seconds)
        self._waiting.append(one)
        return False
