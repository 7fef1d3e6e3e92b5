from os import environ


bind = "unix:/tmp/notes-web.sock"
worker_tmp_dir = "/dev/shm"
workers = environ["NOTES_WORKERS"]

max_requests = 2_000_000
max_requests_jitter = 500_000
