import logging
import multiprocessing
import os

from gunicorn import glogging

per_core = int(os.getenv("NEWS_PER_CORE", "1"))
usual = int(per_core * multiprocessing.cpu_count())
concurrency = os.getenv("NEWS_CONCURRENCY", usual)
address = os.getenv("NEWS_HOST", "127.0.0.1")
number = os.getenv("NEWS_PORT", "8012")
bind = os.getenv("NEWS_BIND", f"{address}:{number}")
level = os.getenv("NEWS_LEVEL", "warning")
wsgi_app = os.getenv("NEWS_APP", "newsroom:site")
watch = False
post_worker_init = "newsroom.begin"

if os.getenv("NEWS_DEBUG", "no").lower() == "yes":
    level = "debug"
    watch = True

# What gunicorn reads
loglevel = level
workers = concurrency
reload = watch
keepalive = 45
timeout = 240
errorlog = "-"
accesslog = "-"
log_file = "-"
disable_redirect_access_to_syslog = True

told = {
    "level": loglevel,
    "count": workers,
    "address": bind,
    "per_core": per_core,
    "number": number,
}


class QuietLogger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        logging.getLogger("gunicorn.access").addFilter(WithoutProbes())


class WithoutProbes(logging.Filter):
    def filter(self, record):
        return "GET /ping" not in record.getMessage()


accesslog = "-"
logger_class = QuietLogger
