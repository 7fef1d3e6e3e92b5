"""Tells a WSGI application of other makers, Flask's for instance, from what a program wrote for its routes.

Below a prefix that ends with a slash fapws3's rule leaves PATH_INFO without its slash. A program's own
functions count on that. A framework's application counts on WSGI's rule and would redirect such a request to
itself for ever. So an application that others wrote gets the slash; see Slashed.

Foreign is an object of a class, or a function, from a package that is neither the program's own nor of the
standard library nor fapws's: from another folder than the program's, and a function only if it was installed,
because programs keep their own functions in further folders of sys.path.
"""

from __future__ import annotations

import os
import sys

from fapws.lean import Any, Callable, Iterator, NamedTuple

_OURS = "fapws"
_INSTALLED = ("site-packages", "dist-packages")


class Program(NamedTuple):
    """What is the program's own."""

    packages: frozenset[str]
    """Names of its top-level modules and packages."""
    folders: frozenset[str]
    """Where it lies."""


def program_of(namespace: dict[str, Any]) -> Program:
    """The program to which the globals of a module belong."""
    main = sys.modules.get("__main__")
    files = (namespace.get("__file__"), getattr(main, "__file__", None))
    folders = {os.path.dirname(os.path.realpath(file)) for file in files if file}
    folders.add(os.path.realpath(os.curdir))
    return Program(frozenset((_top(str(namespace.get("__name__"))), "__main__")), frozenset(folders))


def is_foreign(served: Any, program: Program) -> bool:
    """Whether others wrote it than the program's author."""
    is_function = isinstance(served, _FUNCTION)
    modules = [served.__module__] if is_function else [made.__module__ for made in _classes(served)]
    tops = {_top(module) for module in modules if isinstance(module, str)}
    if _OURS in tops:
        return False
    return any(_is_of_others(top, program, is_function) for top in tops - program.packages)


def _classes(served: Any) -> Iterator[Any]:
    """Of a bound method, those of its object; a class stands for the objects it makes."""
    owner = getattr(served, "__self__", served) if isinstance(served, _METHOD) else served
    made = owner if isinstance(owner, type) else type(owner)
    yield from made.__mro__


def _is_of_others(top: str, program: Program, installed_only: bool) -> bool:
    file = getattr(sys.modules.get(top), "__file__", None)
    if not isinstance(file, str):
        return False  # builtins, or a module that the program has made itself
    file = os.path.realpath(file)
    place = os.path.dirname(file)
    if os.path.basename(file).startswith("__init__."):
        place = os.path.dirname(place)
    if installed_only or any(part in _INSTALLED for part in place.split(os.sep)):
        return any(part in _INSTALLED for part in place.split(os.sep))
    standard = os.path.dirname(os.path.realpath(os.__file__))
    return place not in program.folders and place != standard and not place.startswith(standard + os.sep)


def _top(module: str) -> str:
    return module.partition(".")[0]


class Slashed:
    """A foreign application below a prefix that ends with a slash: the slash moves to PATH_INFO.

    settings: where strict_paths is looked up; False there leaves fapws3's rule as it is.
    """

    def __init__(self, served: Callable[..., Any], settings: Any) -> None:
        self._served = served
        self._settings = settings

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        name = environ.get("SCRIPT_NAME", "")
        if name.endswith("/") and getattr(self._settings, "strict_paths", None) is not False:
            environ["SCRIPT_NAME"] = name[:-1]
            environ["PATH_INFO"] = "/" + environ.get("PATH_INFO", "")
        return self._served(environ, start_response)


_FUNCTION = type(is_foreign)
_METHOD = type(Slashed(is_foreign, None).__call__)
