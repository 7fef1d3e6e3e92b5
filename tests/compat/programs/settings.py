"""A program in fapws3's habit: it changes fapws.config, also while it serves."""

from fapws import base, config

config.SERVER_IDENT = "mine/1.0"
base.supported_HTTP_command.append("BREW")


def switch(environ, start_response):
    for name, values in environ["fapws.params"].items():
        kind = type(getattr(config, name))
        setattr(config, name, values[0] == "True" if kind is bool else values[0])
    return "switched"


def fail(environ, start_response):
    raise LookupError("on purpose")


def own_server(environ, start_response):
    start_response("200 OK", [("Server", "own")])
    return "x"


def cookie(environ, start_response):
    start_response.set_cookie("a", "1", expires=1)
    return "x"


def brew(environ, start_response):
    return environ["REQUEST_METHOD"]


PATHS = [("/switch", switch), ("/fail", fail), ("/own", own_server), ("/cookie", cookie), ("/", brew)]
