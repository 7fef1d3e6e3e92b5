"""Starts the servers that have no command line, or a long one: run.py SERVER MODULE:CALLABLE PORT BACKLOG

Each is imported only when it is asked for: what another one imports is not part of its memory.
"""

import importlib
import sys

HOST = "127.0.0.1"


def bjoern(app, port, backlog):  # type: ignore[no-untyped-def]
    import bjoern

    bjoern.run(app, HOST, port, listen_backlog=backlog)


def fastpysgi(app, port, backlog):  # type: ignore[no-untyped-def]
    import fastpysgi

    fastpysgi.server.backlog = backlog
    fastpysgi.server.max_content_length = 64 << 20  # upload sends 20 MB
    fastpysgi.run(app, HOST, port)


def floor(app, port, backlog):  # type: ignore[no-untyped-def]
    import bench_floor

    bench_floor.serve(app, port, backlog)


def waitress(app, port, backlog):  # type: ignore[no-untyped-def]
    import waitress

    # Its own limit is 100 connections, and select() has one of 1,024; one thread runs the application.
    room = {"connection_limit": 20000, "asyncore_use_poll": True}
    waitress.serve(app, host=HOST, port=port, threads=1, backlog=backlog, **room)


def cheroot(app, port, backlog):  # type: ignore[no-untyped-def]
    from cheroot.wsgi import Server

    Server((HOST, port), app, numthreads=4, request_queue_size=backlog).start()


def netius(app, port, backlog):  # type: ignore[no-untyped-def]
    import logging

    from netius.servers import WSGIServer

    WSGIServer(app, level=logging.ERROR).serve(host=HOST, port=port, backlog=backlog)


def werkzeug(app, port, backlog):  # type: ignore[no-untyped-def]
    import logging

    from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

    # As `flask run`: threads; HTTP/1.1 is what its run_simple() chooses for them.
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ThreadedWSGIServer.request_queue_size = backlog
    ThreadedWSGIServer(HOST, port, app).serve_forever()


def sanic(app, port, backlog):  # type: ignore[no-untyped-def]
    """Not WSGI: its own hello, in its own way."""
    from sanic import Sanic
    from sanic.response import raw

    own = Sanic("hello")

    @own.get("/")
    async def hello(request):  # type: ignore[no-untyped-def]
        return raw(b"Hello world!", content_type="text/plain")

    own.run(host=HOST, port=port, backlog=backlog, access_log=False, single_process=True, motd=False)


SERVERS = (bjoern, fastpysgi, floor, waitress, cheroot, netius, werkzeug, sanic)


def main():  # type: ignore[no-untyped-def]
    name, where, port, backlog = sys.argv[1:]
    module, _, function = where.partition(":")
    app = getattr(importlib.import_module(module), function)
    next(server for server in SERVERS if server.__name__ == name)(app, int(port), int(backlog))


if __name__ == "__main__":
    main()
