"""Work at regular intervals, beside the requests: the load of this machine, measured by a timer.

    python timers.py                            # or: fapws timers.py
    curl http://127.0.0.1:8888/
    curl -d '' http://127.0.0.1:8888/stop       # and /restart

A timer is called between requests, in the same thread: what it changes needs no lock, and while it
works nobody is served, so it must be quick. Under a master with several workers each worker has
timers of its own; what must happen once belongs into a pool of its own with workers = 1.
"""

import collections
import os
import time

import fapws._evwsgi as evwsgi
from fapws import base

SECONDS = float(os.environ.get("SECONDS", "1"))
PLAIN = [("Content-Type", "text/plain")]

measured = collections.deque(maxlen=60)
"""(time of day, load) of the last minute: a deque forgets the oldest by itself."""
countdown = [3]
beats = [0]


def measure():
    """The first timer. What a timer returns does not matter, unless it is False."""
    measured.append((time.strftime("%H:%M:%S"), os.getloadavg()[0]))


def count_down():
    """The second timer ends itself: after False it is not called again."""
    countdown[0] -= 1
    return countdown[0] > 0


def beat():
    """The third one only counts."""
    beats[0] += 1


def report(environ, start_response):
    """What the timers have done so far. They go on between two pieces: this one needs what there is now."""
    start_response("200 OK", PLAIN)
    now = list(measured)
    yield f"countdown: {countdown[0]}\nbeats: {beats[0]}\nmeasured: {len(now)}\n"
    for when, load in now:
        yield f"{when} {load:.2f} {'#' * int(load * 10)}\n"


class Switch:
    """Stops or restarts the first timer, which these two functions call number 0."""

    def __init__(self, switch):
        self.switch = switch

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] != "POST":
            start_response("405 Method Not Allowed", [*PLAIN, ("Allow", "POST")])
            return "POST, please\n"
        self.switch(0)
        start_response("200 OK", PLAIN)
        return "done\n"


evwsgi.start("127.0.0.1", os.environ.get("PORT", "8888"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/stop", Switch(evwsgi.stop_timer)))
evwsgi.wsgi_cb(("/restart", Switch(evwsgi.restart_timer)))
evwsgi.wsgi_cb(("/", report))
evwsgi.add_timer(SECONDS, measure)
evwsgi.add_timer(SECONDS, count_down)
evwsgi.add_timer(SECONDS, beat)
evwsgi.run()
