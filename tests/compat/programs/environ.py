"""Answers what it finds in environ, as JSON."""

import json


def env(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {key: value for key, value in environ.items() if isinstance(value, (str, int, dict, list))}
    told["content"] = environ["wsgi.input"].read().decode("latin-1")
    return json.dumps(told)


PATHS = [("/env", env)]
