"""The functions of old_bugs.py in a program as fapws3 ran it."""

import os

import old_bugs

import fapws._evwsgi as evwsgi
from fapws import base

evwsgi.start("127.0.0.1", os.environ.get("PORT", "0"))
evwsgi.set_base_module(base)
for route in old_bugs.PATHS:
    evwsgi.wsgi_cb(route)
evwsgi.run()
