"""Files by the server itself where it can (fapws, granian, nginx), by WhiteNoise where it cannot."""

import os

from whitenoise import WhiteNoise


def _missing(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


application = WhiteNoise(_missing, root=os.environ.get("BENCH_FILES", ""), prefix="static/")
