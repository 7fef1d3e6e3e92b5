import os
from logging.config import fileConfig


def post_fork(server, worker):
    fileConfig(os.environ["PARCELS_LEVEL"] + ".ini")


# Address
bind = ":8019"
# Processes
workers = os.environ["PARCELS_WORKERS"]
threads = os.environ["PARCELS_THREADS"]
worker_tmp_dir = "/dev/shm"
# The proxy's
secure_scheme_headers = {"X-FORWARDED-PORT": "8443", "X-FORWARDED-PROTO": "https"}
forwarded_allow_ips = "*"
accesslog = "-"
errorlog = "-"
# It grows.
max_requests = os.environ["PARCELS_REQUESTS"]
max_requests_jitter = 25
