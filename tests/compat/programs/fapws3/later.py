"""Timers and deferred calls, in the form of fapws3's documentation."""

import os

import fapws._evwsgi as evwsgi
from fapws import base

seen = []
sums = []


def tick():
    seen.append("tick")


def twice():
    seen.append("twice")
    return seen.count("twice") < 2


def broken():
    seen.append("broken")
    raise RuntimeError("a timer that fails")


def add(number):
    sums.append(number)


def start_work(environ, start_response):
    for number in (1, 2, 2, 3, 2):
        evwsgi.defer(add, number, True)
    evwsgi.defer(add, 3, False)
    return [str(evwsgi.defer_queue_size())]


def results(environ, start_response):
    words = [f"{word}={seen.count(word)}" for word in ("tick", "twice", "broken", "lambda")]
    return [" ".join([*words, f"sums={sums}", f"waiting={evwsgi.defer_queue_size()}"])]


def stop(environ, start_response):
    evwsgi.stop_timer(0)
    return ["stopped"]


def again(environ, start_response):
    evwsgi.restart_timer(0)
    return ["again"]


def one_more(environ, start_response):
    return [str(evwsgi.add_timer(0.02, tick))]


evwsgi.start("127.0.0.1", os.environ.get("PORT", "8080"))
evwsgi.set_base_module(base)
evwsgi.wsgi_cb(("/work", start_work))
evwsgi.wsgi_cb(("/results", results))
evwsgi.wsgi_cb(("/stop", stop))
evwsgi.wsgi_cb(("/again", again))
evwsgi.wsgi_cb(("/more", one_more))
evwsgi.add_timer(0.02, tick)
evwsgi.add_timer(0.02, twice)
evwsgi.add_timer(0.02, broken)
evwsgi.add_timer(0.02, lambda: seen.append("lambda"))
evwsgi.run()
