import os

wsgi_app = "probe.web:application"
bind = os.getenv("PROBE_BIND", "0.0.0.0:8010").strip()
worker = 4  # means nothing: the setting is called workers
workers = 2
syslog = True
syslog_facility = "local3"
syslog_addr = "udp://localhost:514"
root_path = "/probe/"
request_timeout = 20
timeout = 20
initgroups = True
secrets = open  # what it is for, nobody knows
errorlog = "/var/log/probe.log" if os.environ.get("PROBE_LOG") else "-"
