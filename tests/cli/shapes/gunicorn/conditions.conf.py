import os

wsgi_app = "polls.wsgi:application"
bind = "127.0.0.1:8005"
DEBUG = os.environ.get("POLLS_DEBUG", "").lower() in ("1", "yes")
if DEBUG:
    reload = True
    workers = 1
    loglevel = "debug"
else:
    workers = 4
    loglevel = "warning"

if os.path.exists("/etc/polls.secrets"):
    raw_env = ["SECRETS=/etc/polls.secrets"]

try:
    import setproctitle  # noqa: F401

    proc_name = "polls"
except ImportError:
    pass
