import os

from letters_common.serving import apply_defaults

apply_defaults(globals())


# The package is heavy: it is loaded when it is needed.
def child_exit(server, worker):
    from letters_figures import processes

    processes.forget(worker.pid)


bind = "127.0.0.1:8018"
workers = 3
worker_class = "gevent"
worker_connections = 20  # not more
statsd_host = "{}:9125".format(os.getenv("LETTERS_FIGURES"))
keepalive = 0  # while we look for something
timeout = int(os.getenv("LETTERS_LIMIT", 45))  # gevent goes on
