"""A real nginx in front of a server under test, with a configuration as shipped, on a socket that the test
has opened for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.haproxy import replace_once
from support.server import Address

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(
    PROGRAM is None, reason="nginx is not installed: runs where it is, and in CI"
)

_AROUND = """\
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""
"""What a distribution's nginx.conf says, kept inside the test's directory; its includes would come from
the machine."""


@contextmanager
def shipped_nginx(text: str, server: Address, directory: Path) -> Iterator[tuple[str, int]]:
    """nginx with a site's configuration as shipped, but for the addresses in it; where it listens."""
    unix = isinstance(server, str)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        where = f"unix:{server}" if unix else f"{server[0]}:{server[1]}"
        shipped = "unix:/run/fapws/app.sock" if unix else "127.0.0.1:8888"
        text = replace_once(text, "listen 80;", f"listen {host}:{port};")
        text = replace_once(text, f"server {shipped};", f"server {where};")
        with running_nginx(text, directory, listener):
            yield host, port


@contextmanager
def running_nginx(
    text: str, directory: Path, listener: socket.socket, errors: bool = False
) -> Iterator[None]:
    """nginx with this site, whose address is the listener's; errors: servers may fail."""
    assert PROGRAM is not None
    (directory / "site.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""  # a user that may enter the test's directories
    (directory / "nginx.conf").write_text(_AROUND.format(user=user, directory=directory))
    # So nginx hands its sockets to a newer nginx; it knows them by their address.
    inherited = {**os.environ, "NGINX": f"{listener.fileno()};"}
    output = directory / "nginx.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "-p", str(directory), "-c", str(directory / "nginx.conf")],
            pass_fds=[listener.fileno()],
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
    said = output.read_text()
    assert "[emerg]" not in said and (errors or "[error]" not in said), said
