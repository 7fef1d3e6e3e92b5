"""CGI scripts, in whatever language: every executable file of cgi-bin/ gets an address.

    fapws run_cgi.py
    curl http://127.0.0.1:8888/cgi-bin/hello.sh?name=you
    curl -d name=you http://127.0.0.1:8888/cgi-bin/form.py

A script is a process of its own for each request; what it writes goes to the client as it comes,
and while it thinks others are served. A script added later is found after a reload.
"""

import os
from pathlib import Path

from fapws.contrib.cgiapp import CGIApplication

SERVER = "127.0.0.1:8888"
FOLDER = Path(__file__).parent / "cgi-bin"
TIMEOUT = 20
"""Seconds; then a script is killed with all it has started."""


def index(environ, start_response):
    """A list of the scripts; 404 for anything else, because nothing else stands behind "/"."""
    if environ["PATH_INFO"]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return "There is no such script.\n"
    links = "".join(f'<li><a href="{prefix}">{prefix}</a>\n' for prefix, _ in SCRIPTS)
    return f"<!doctype html><title>Scripts</title><ul>\n{links}</ul>\n"


SCRIPTS = [
    (f"/cgi-bin/{path.name}", CGIApplication(path, TIMEOUT))
    # The first prefix that matches counts, so of two the longer one must come first.
    for path in sorted(FOLDER.iterdir(), reverse=True)
    if path.is_file() and os.access(path, os.X_OK)
]
PATHS = [*SCRIPTS, ("/", index)]
