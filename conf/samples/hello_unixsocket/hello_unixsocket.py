"""Hello world on a unix socket, where a proxy on the same machine finds it and nobody else.

    python hello_unixsocket.py
    fapws -c fapws.ini                          # under a master
    curl --unix-socket hello.sock http://localhost/

The port "unix" makes start()'s first argument a path. "\\0name" instead of a path is an abstract
socket (Linux), which needs no file. For nginx: proxy_pass http://unix:/srv/hello/hello.sock;
"""

import os

import fapws._evwsgi as evwsgi
from fapws import base

SOCKET = os.environ.get("SOCKET", "hello.sock")


def hello(environ, start_response):
    """On a unix socket the client has no address; the proxy tells it (trusted_proxies = unix)."""
    who = environ["REMOTE_ADDR"] or "somebody on this machine"
    return f"Hello {who}!\n"


evwsgi.start(SOCKET, "unix")
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", hello))
evwsgi.run()
