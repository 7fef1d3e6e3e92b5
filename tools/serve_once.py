"""Starts an installed ``fapws`` with a hello, asks it once, stops it. Exit 0: it answered and left cleanly.

usage: python tools/serve_once.py PROGRAM      (.venv/bin/fapws)

Needs nothing but Python: it runs in the environment that is tried.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello world!!"]
"""
SECONDS = 60.0
"""For each step; an emulated machine is slow."""


def listening_socket(path: str) -> socket.socket:
    """A client of the unix socket at ``path``, as soon as there is one; the kernel keeps it waiting."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(SECONDS)
    client.connect(path)
    return client


def ask(path: str) -> bytes:
    with listening_socket(path) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def wait_until_it_serves(server: subprocess.Popen[str]) -> None:
    """Reads what the program prints up to the line that says so; it goes to standard output."""
    assert server.stdout is not None
    for line in server.stdout:
        sys.stderr.write(line)
        if "serving" in line:
            return
    raise SystemExit(f"fapws ended with status {server.wait(SECONDS)} before it served")


def main(program: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        script, path = os.path.join(folder, "hello.py"), os.path.join(folder, "socket")
        with open(script, "w", encoding="ascii") as file:
            file.write(HELLO)
        command = [program, "-b", f"unix:{path}", script]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_it_serves(server)
            answer = ask(path)
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=SECONDS)
    good = (
        answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello world!!") and server.returncode == 0
    )
    print(f"{program}: {'served' if good else f'status {server.returncode}, answered {answer!r}'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
