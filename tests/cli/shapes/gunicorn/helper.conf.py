import os

wsgi_app = "brew:app"


def env(name, default):
    """A variable of ours."""
    return os.environ.get("BREW_" + name, default)


def spread(share=0.1):
    return int(max_requests * share)


def on_exit(server):
    print("good bye")


bind = env("BIND", ":8006")
workers = int(env("WORKERS", 2)) or 1
max_requests = 500
max_requests_jitter = spread()
backlog = 2 ** 11
tmp_upload_dir = None
keepalive = 75
