"""A base module of one's own: Environ and Start_response subclassed, as fapws3 allowed."""

import os
import sys
import types

import fapws._evwsgi as evwsgi
from fapws import base


class Environ(base.Environ):
    def update_headers(self, data):
        super().update_headers(data)
        self["own.steps"] = ["headers"]

    def update_uri(self, data):
        super().update_uri(data)
        self["own.steps"].append("uri")

    def update_from_request(self, data):
        super().update_from_request(data)
        self["own.steps"].append("request")


class Start_response(base.Start_response):
    def __call__(self, status, headers, exc_info=None):
        self.add_header("X-Own", "yes")
        return super().__call__(status, headers, exc_info)


def steps(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(environ["own.steps"]), " ", type(environ).__name__, " ", environ["HTTP_HOST"]]


mybase = types.ModuleType("mybase")
mybase.Environ = Environ
mybase.Start_response = Start_response
mybase.supported_HTTP_command = ["GET", "POST", "REPORT"]
mybase.config = base.config
sys.modules["mybase"] = mybase

if __name__ == "__main__":
    try:
        evwsgi.wsgi_cb(("/", steps))
    except Exception as error:
        print(f"too early: {error}", flush=True)
    evwsgi.start("127.0.0.1", os.environ.get("PORT", "8080"))
    evwsgi.set_base_module(mybase)
    evwsgi.wsgi_cb(("/", steps))
    evwsgi.run()
