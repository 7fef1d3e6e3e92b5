"""WsgiDAV over the folder DAV_FOLDER, with locks and properties; DAV_USER=name:word asks for a login.

Run as a program it is served by cheroot, WsgiDAV's own server, and says on which port.
"""

from __future__ import annotations

import os

from wsgidav.wsgidav_app import WsgiDAVApp

USER, _, WORD = os.environ.get("DAV_USER", "").partition(":")
SOME = {USER: {"password": WORD}} if USER else True

application = WsgiDAVApp(
    {
        "provider_mapping": {"/": os.environ["DAV_FOLDER"]},
        "simple_dc": {"user_mapping": {"*": SOME}},
        "http_authenticator": {"accept_basic": True, "accept_digest": True, "default_to_digest": True},
        "property_manager": True,
        "lock_storage": True,
        "verbose": 1,
        "logging": {"enable": False},
    }
)

if __name__ == "__main__":
    from cheroot import wsgi

    server = wsgi.Server(("127.0.0.1", 0), application)
    server.prepare()
    print(f"serving on port {server.bind_addr[1]}", flush=True)
    server.serve()
