"""Fapws: a small, fast, pre-forking WSGI server on libuv."""

__version__ = "5.0.0.dev1"


TYPE_CHECKING = False
if TYPE_CHECKING:
    from fapws.embedding.run import run as run


def __getattr__(name: str) -> object:
    """What few programs ask for: run(), and ``fapws.version``, a sentence that fapws3 had."""
    if name == "run":
        from fapws.embedding.run import run

        return run
    if name != "version":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fapws._evwsgi import libev_version
    from fapws.config import SERVER_IDENT

    return "{} with libev-{}.{}".format(SERVER_IDENT, *libev_version())
