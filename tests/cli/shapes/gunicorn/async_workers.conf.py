# For long polls.
wsgi_app = "chat.server:app"
bind = "[::1]:8007"
worker_class = "gevent"
workers = 2
worker_connections = 1000
timeout = 90
keepalive = 2
statsd_host = "localhost:8125"
statsd_prefix = "chat"
logger_class = "chat.logs.Logger"
certfile = "/etc/ssl/chat.pem"
keyfile = "/etc/ssl/chat.key"
