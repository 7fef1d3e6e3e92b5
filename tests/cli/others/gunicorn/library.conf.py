import multiprocessing
import os
from pathlib import Path

ENVIRONMENT = Path("/srv/library_env")
LIBRARY_HOME = os.environ.get("LIBRARY_HOME", "/srv/library/lending")

# For all
wsgi_app = "lending.web:wsgi"
accesslog = "/var/log/library/requests.log"
errorlog = "/var/log/library/errors.log"
loglevel = "warning"
limit_request_line = 8190  # a long search
limit_request_fields = 80
limit_request_field_size = 4095
preload_app = False  # after the fork
chdir = LIBRARY_HOME
daemon = False
user = "www-data"
group = "www-data"
bind = ["127.0.0.1:8011"]
workers = (1 * multiprocessing.cpu_count()) + 1
threads = 3
max_requests = 700
max_requests_jitter = 70
pythonpath = ",".join([
    str(ENVIRONMENT),
    LIBRARY_HOME,
])

if os.environ.get("LIBRARY_MODE", None) == "desk":
    reload = True
    loglevel = "debug"
    workers = 1
    threads = 1
