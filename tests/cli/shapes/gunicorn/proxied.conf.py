import pathlib

BASE = pathlib.Path(__file__).resolve().parent
wsgi_app = "atlas.wsgi:application"
pythonpath = str(BASE / "libraries")
bind = "127.0.0.1:8008"
workers = 2
forwarded_allow_ips = "127.0.0.1,10.0.0.0/8"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
proxy_protocol = False
reuse_port = True
accesslog = "/var/log/atlas/access.log"
access_log_format = '%({x-forwarded-for}i)s %(t)s "%(r)s" %(s)s %(B)s %(D)s'
disable_redirect_access_to_syslog = True
