import os

port = os.environ.get("LEMON_PORT", "8003")
bind = f"0.0.0.0:{port}"
wsgi_app = "lemonade.app"
workers = int(os.getenv("LEMON_WORKERS", "2"))
worker_class = "gthread"
threads = int(os.getenv("LEMON_THREADS", "4"))
timeout = int(os.getenv("LEMON_TIMEOUT", "0"))
graceful_timeout = 20
accesslog = errorlog = "-"
worker_tmp_dir = "/dev/shm"
preload_app = True
capture_output = True


def post_fork(server, worker):
    server.log.info("worker %s is there", worker.pid)


def when_ready(server):
    server.log.info("ready")
