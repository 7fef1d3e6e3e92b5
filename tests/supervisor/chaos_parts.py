"""What chaos serves, and who reads what the server says."""

from __future__ import annotations

import os
import threading

from tests.support.house import PATIENCE

APP = """
import os
import subprocess
import sys
import time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/warmup":
        WARMUP
    elif path == "/canary":
        CANARY
    elif path == "/print":
        for number in range(50):
            print(number, "x" * 200)
            print(number, "y" * 200, file=sys.stderr)
    elif path == "/child":
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            os._exit(0)
    elif path == "/stray":
        os.fork()  # the child comes back as if it were the worker
    elif path == "/daemon":
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(2)
            os._exit(0)
        os.waitpid(child, 0)
    elif path == "/run":
        subprocess.run(["sh", "-c", "echo of a child; echo of a child >&2"], check=True)
    elif path == "/reap":
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
    body = b"GREETING %d\\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


class Reader:
    """Reads what the server says on its standard output and error, unless it is told to pause."""

    def __init__(self) -> None:
        self.fd, self.writer = os.pipe()
        self._going = threading.Event()
        self._going.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.said = 0
        """Bytes."""

    def pause(self) -> None:
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    def close(self) -> None:
        """When the last writer has gone."""
        os.close(self.writer)
        self.go_on()
        self._thread.join(PATIENCE)
        os.close(self.fd)

    def _read(self) -> None:
        while True:
            self._going.wait()
            piece = os.read(self.fd, 65536)
            if not piece:
                return
            self.said += len(piece)
