"""A program in fapws4's form with an Environ and a Start_response of its own."""

import threading

from fapws4 import base, config
from fapws4.base import Environ as Original
from fapws4.base import Start_response as OriginalStart


class Environ(Original):
    def __init__(self):
        super().__init__()
        self.order = []

    def update_headers(self, data):
        self.order.append("headers:" + ",".join(sorted(data)))
        super().update_headers(data)
        self["HTTP_ADDED"] = "yes"

    def update_uri(self, data):
        self.order.append("uri:" + data["PATH_INFO"])
        super().update_uri(data)

    def update_from_request(self, data):
        self.order.append("request:" + str("wsgi.input" in data))
        super().update_from_request(data)


class Start_response(OriginalStart):
    def __call__(self, status, response_headers, exc_info=None):
        self.add_header("X-Own", "1")
        return super().__call__(status, response_headers, exc_info)


def order(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return "\n".join([type(environ).__name__, environ["HTTP_ADDED"], *environ.order])


def cookies(environ, start_response):
    start_response.set_cookie("a", "1", max_age=10)
    start_response.set_cookie("b", "2")
    start_response.delete_cookie("c")
    start_response.add_header("X-Twice", "1")
    start_response.add_header("X-Twice", "2")
    jar = base.parse_cookies(environ)
    return jar["seen"].value if jar else "none"


def inject(environ, start_response):
    start_response.add_header("X-A", environ["fapws.params"]["v"][0])
    return "injected"


def same(environ, start_response):
    found = []

    def look():
        import fapws4.compat.query

        import fapws.compat.query

        found.append(fapws4.compat.query is fapws.compat.query)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    import fapws4
    import fapws4.settings.model as model

    import fapws
    import fapws.settings.model

    found += [fapws4 is fapws, base is fapws.base, config is fapws.config, model is fapws.settings.model]
    found += [fapws.base.__spec__.name == "fapws.base", fapws.__name__ == "fapws"]
    try:
        import fapws4.nothing
    except ModuleNotFoundError as error:
        found.append("fapws4.nothing" in str(error))
    return repr(found)


PATHS = [("/order", order), ("/cookies", cookies), ("/inject", inject), ("/same", same)]
SERVER = "127.0.0.1:0"
