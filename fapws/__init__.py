"""Fapws: a small, fast, pre-forking WSGI server on libuv."""

__version__ = "5.0.0.dev1"


def __getattr__(name: str) -> str:
    """``fapws.version``, which fapws3 had: a sentence made when a program asks for it."""
    if name != "version":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fapws._evwsgi import libev_version
    from fapws.config import SERVER_IDENT

    return "{} with libev-{}.{}".format(SERVER_IDENT, *libev_version())
