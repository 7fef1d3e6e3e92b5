from multiprocessing import cpu_count
from os.path import dirname

HERE = dirname(__file__)
wsgi_app = "registry.wsgi"
chdir = "/srv/registry"
bind = ["unix:/run/registry/web.sock", "127.0.0.1:8004"]
umask = 0o007
user = "www-data"
group = "www-data"
pidfile = "/run/registry/web.pid"
workers = min(cpu_count(), 4)
raw_env = ["DJANGO_SETTINGS_MODULE=registry.settings", "LANG=de_DE.UTF-8"]
proc_name = "registry"
daemon = False
errorlog = "/var/log/registry/web.log"
limit_request_line = 8190
limit_request_fields = 60
limit_request_field_size = 16380
