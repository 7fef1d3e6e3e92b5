"""Two workers a core and one more, as the books say."""

import multiprocessing

wsgi_app = "ledger.wsgi:application"
chdir = "/srv/ledger"
bind = "0.0.0.0:8002"
workers = multiprocessing.cpu_count() * 2 + 1
max_requests = 2000
max_requests_jitter = 200
keepalive = 5
accesslog = "/var/log/ledger/access.log"
errorlog = "/var/log/ledger/error.log"
loglevel = "info"
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
