"""Respond first, work later: orders are taken at once, and written down when there is time.

    python defer.py                             # or: fapws defer.py
    curl -d order=tea -d order=cake http://127.0.0.1:8888/
    curl http://127.0.0.1:8888/

defer(function, argument, combine) puts a call into a queue; one call is made whenever nothing else
is waiting, in the order of the queue. With combine=True a call that is in the queue already, with
the same argument, is not queued again: ten orders, one new total. Each call holds this worker up
while it runs. A worker that is told to leave makes the calls that are left; one that crashes takes them
along: what must not be lost is stored before the response.
"""

import collections
import os

import fapws._evwsgi as evwsgi
from fapws import base

FILE = os.environ.get("ORDERS", "orders.txt")
PLAIN = [("Content-Type", "text/plain; charset=utf-8")]

totals = collections.Counter()
totals_made = [0]


def write_down(order):
    """Slow work that the customer need not wait for."""
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(f"{order}\n")


def add_up(path):
    """Work that is done for all orders at once."""
    totals_made[0] += 1
    totals.clear()
    with open(path, encoding="utf-8") as file:
        totals.update(line.strip() for line in file)


def serve(environ, start_response):
    """POST takes orders, GET tells the totals."""
    if environ["REQUEST_METHOD"] == "POST":
        orders = [" ".join(order.split()) for order in environ["fapws.params"].get("order", [])]
        for order in orders:
            evwsgi.defer(write_down, order, False)
        for _ in orders:
            evwsgi.defer(add_up, FILE, True)
        start_response("202 Accepted", PLAIN)
        return f"accepted: {len(orders)}, waiting: {evwsgi.defer_queue_size()}\n"
    start_response("200 OK", PLAIN)
    lines = [f"{number} {order}\n" for order, number in sorted(totals.items())]
    return [*lines, f"added up: {totals_made[0]}, waiting: {evwsgi.defer_queue_size()}\n"]


evwsgi.start("127.0.0.1", os.environ.get("PORT", "8888"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/", serve))
evwsgi.run()
