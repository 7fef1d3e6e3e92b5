import json
import multiprocessing
import os

per_core_text = os.getenv("TUNED_PER_CORE", "0.5")
concurrency_text = os.getenv("TUNED_CONCURRENCY", None)

where = os.getenv("TUNED_HOST", "127.0.0.1")
port = os.getenv("TUNED_PORT", "8015")
bind_text = os.getenv("TUNED_BIND", None)
level = os.getenv("TUNED_LEVEL", "warning")
if bind_text:
    chosen = bind_text
else:
    chosen = f"{where}:{port}"

count = multiprocessing.cpu_count()
per_core = float(per_core_text)
usual = per_core * count
if concurrency_text:
    concurrency = int(concurrency_text)
    assert concurrency > 0
else:
    concurrency = max(int(usual), 3)
class_text = os.getenv("TUNED_CLASS", "uvicorn.workers.UvicornWorker")
leave_text = os.getenv("TUNED_LEAVE", "50")
limit_text = os.getenv("TUNED_LIMIT", "70")
open_text = os.getenv("TUNED_OPEN", "15")

# What gunicorn reads
loglevel = level
workers = concurrency
bind = chosen
errorlog = "-"
worker_tmp_dir = "/dev/shm"
worker_class = class_text
graceful_timeout = int(leave_text)
timeout = int(limit_text)
keepalive = int(open_text)


# To look at
told = {
    "level": loglevel,
    "workers": workers,
    # not gunicorn's
    "per_core": per_core,
    "port": port,
}
print(json.dumps(told))
