"""In a chroot nothing can be imported any more: contrib has what it needs once it was imported.

No root is needed: the Python of the test forgets how to find files, as it would there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BEFORE = """
import io, os, sys
folder = sys.argv[1]

def environ(**more):
    return {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
            "SERVER_NAME": "x", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "::1",
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), **more}

def ask(application, **more):
    told = []
    def start_response(status, headers, exc_info=None):
        told[:] = [status, headers]
        return lambda data: None
    result = application(environ(**more), start_response)
    content = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in result)
    getattr(result, "close", lambda: None)()
    return told[0], dict(told[1]), content

def count(environ, start_response):
    session = environ["fapws.session"]
    session["count"] = session.get("count", 0) + 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(session["count"]).encode()]
"""
# The codecs are a worker's own: it imports them before chroot (fapws/worker/privileges.py). PyPy looks for
# that of the file system, which is ascii without a locale, when it first names a file.
JAIL = """
import encodings.ascii, encodings.latin_1, importlib.machinery
sys.meta_path.remove(importlib.machinery.PathFinder)
"""
PARTS = {
    "storages": (
        """
from fapws.contrib.sessions import FileStorage, MemoryStorage, Sessions, SignedCookie, SqliteStorage
storages = [FileStorage(folder + "/s"), MemoryStorage(), SignedCookie(b"k" * 32),
            SqliteStorage(folder + "/db")]
""",
        """
for storage in storages:
    application = Sessions(storage)(count)
    cookie = ask(application)[1]["Set-Cookie"].partition(";")[0]
    assert ask(application, HTTP_COOKIE=cookie)[2] == b"2"
    storage.clean(1e12)
""",
    ),
    "record": (
        "from fapws.contrib.sessions import Session",
        """
session = Session({})
session.setdata([1])
assert session.getdata() == [1]
""",
    ),
    "forms": (
        """
from fapws.contrib.siforms import forms, widgets

class Order(forms.Form):
    day = widgets.Date("Day")
    moment = widgets.DateTime("When")
""",
        """
form = Order()
assert form.validate({"day": ["2026-01-02"], "moment": ["2026-01-02 03:04:05"]}), form.errors
""",
    ),
    "files": (
        """
from fapws.contrib import headers, log, multipart, views, zip
with open(folder + "/x.html", "w") as file:
    file.write("many words " * 1000)
served = log.Log()(zip.Gzip()(views.Staticfile(folder)))
""",
        """
dated = {"HTTP_IF_MODIFIED_SINCE": "Sun, 06 Nov 1994 08:49:37 GMT", "HTTP_ACCEPT_ENCODING": "gzip"}
assert len(ask(served, PATH_INFO="/x.html", **dated)[2]) < 1000
assert headers.redirect(lambda status, fields: None, "/\xe4") == []
part = '--B\\r\\nContent-Disposition: form-data; name="a"; filename*=%s\\r\\n\\r\\nx\\r\\n'
content = ((part % "ISO-8859-1''%e4") + (part % "UTF-8''a") + "--B--").encode()
given = {"CONTENT_LENGTH": str(len(content)), "wsgi.input": io.BytesIO(content)}
form = multipart.parse(environ(CONTENT_TYPE="multipart/form-data; boundary=B", **given), basepath=folder)
assert [upload.filename for upload in form.get("a")] == ["\xe4", "a"]
""",
    ),
    "cgi": (
        """
from fapws.contrib.cgiapp import CGIApplication
for name, text in (("away", "echo Location: /x%20y; echo"), ("cat", "echo Content-Type: a/b; echo; cat"),
                   ("bad", "echo bad >&2")):
    with open(folder + "/" + name, "w") as file:
        file.write("#!/bin/sh\\n" + text + "\\n")
    os.chmod(folder + "/" + name, 0o755)
def there(environ, start_response):
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]
away = CGIApplication(folder + "/away", local=there)
cat, bad = CGIApplication(folder + "/cat"), CGIApplication(folder + "/bad")
""",
        """
assert ask(away)[2] == b"/x y"
assert ask(cat, CONTENT_LENGTH="3", **{"wsgi.input": io.BytesIO(b"abc")})[2] == b"abc"
assert ask(bad)[0] == "502 Bad Gateway"
""",
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_nothing_is_imported_while_requests_are_served(tmp_path: Path, name: str) -> None:
    before, inside = PARTS[name]
    source = BEFORE + before + JAIL + inside
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
