"""
Serves the figures.
"""

import os

from figures_of_gunicorn import read_settings


settings_path = os.getenv("FIGURES_SETTINGS", "figures.yml")
read_settings(settings_path)

# These need the settings.
from figures_of_gunicorn.hooks import (  # noqa: E402
    usual_on_exit,
    usual_on_starting,
    usual_post_fork,
    usual_when_ready,
    usual_worker_int,
)


# The server
bind = "0.0.0.0:8020"
workers = int(os.getenv("FIGURES_WORKERS", 3))
worker_class = "figures_of_gunicorn.CountingWorker"
worker_connections = 500
timeout = 25
keepalive = 4

accesslog = "-"
errorlog = "-"
loglevel = "warning"

proc_name = "figures"

when_ready = usual_when_ready
on_starting = usual_on_starting
worker_int = usual_worker_int
on_exit = usual_on_exit
post_fork = usual_post_fork

preload_app = True
daemon = False
pidfile = None
user = None
group = None
tmp_upload_dir = None

keyfile = None
certfile = None

worker_tmp_dir = "/dev/shm"  # memory

graceful_timeout = 20

max_requests = 900
max_requests_jitter = 90

max_worker_connections = 500

backlog = 512

# once more
max_requests = 900
max_requests_jitter = 90

reload = False
reload_extra_files = []
reload_engine = "auto"
reload_extra_files = []
reload_engine = "auto"
