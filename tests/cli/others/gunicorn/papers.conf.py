import os

bind = f'127.0.0.1:{os.getenv("PAPERS_PORT", 8016)}'
workers = int(os.getenv("PAPERS_WORKERS", 3))
worker_class = 'papers.serving.ChosenWorker'
timeout = 75

def pre_fork(server, worker):
    pass

def pre_exec(server):
    server.log.info("again")

def when_ready(server):
    server.log.info("all there")

def worker_int(worker):
    worker.log.info("told to leave")

    ## where it is
    import sys, threading, traceback
    names = dict([(one.ident, one.name) for one in threading.enumerate()])
    lines = []
    for number, frame in sys._current_frames().items():
        lines.append("\n%s %d" % (names.get(number,""),
            number))
        for line in traceback.extract_stack(frame):
            lines.append('%s' % (line,))
    worker.log.debug("\n".join(lines))

def worker_abort(worker):
    worker.log.info("aborted")
