import os

wsgi_app = "samples.site:site"
bind = "0.0.0.0:8013"
user = "nobody"
reload = bool(int(os.getenv("SAMPLES_WATCH", "0")))
workers = int(os.getenv("SAMPLES_WORKERS", "3"))
