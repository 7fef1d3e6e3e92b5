"""The application: making its surroundings ready, importing it, saying plainly why it cannot be
loaded.

The master imports this module before it forks, so what only errors need is imported where they
happen. prepare() and load() run in the worker; the master itself never imports an application.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import islice

from fapws import tracebacks
from fapws.lean import Any, Callable, ModuleType
from fapws.settings.model import Pool, split_callable
from fapws.settings.values import nearest
from fapws.settings.virtualenv import site_packages
from fapws.worker import loop_owner
from fapws.wsgi.accelerated import accelerator

CALLABLE_NAMES = ("application", "app")
"""What a script's WSGI callable may be called, in the order of the search; PATHS comes after
them."""
NO_APPLICATION = "fapws.worker.nothing:application"
"""For a pool that has static folders alone."""
_SPARE_NAME = "fapws_script"
_MAIN = "__main__"
_PROGRAM_NAMES = frozenset(("_evwsgi", "start", "run"))
"""What a script must name to be taken for a program of fapws3."""
_ADAPTER = "fapws3"
"""Or this as a text, and run: Bottle's name for its adapter, bottle.run(server="fapws3")."""
_RACY_SECONDS = 2


class LoadError(Exception):
    """An application that cannot be loaded; str() is a traceback of its own, or a sentence, and
    ends in a newline."""


def prepare(pool: Pool) -> None:
    """Arguments, working directory, environment and import path, as the pool wants them.

    sys.argv afterwards: the script's path (or the module's name) and args, as ``python program.py`` has it.

    sys.path afterwards: the script's directory, directory, pythonpath, what was there (the standard
    library), the virtualenv's packages, Fapws's own packages. Raises LoadError.
    """
    sys.argv = [split_callable(pool.script)[0] or pool.app.partition(":")[0], *pool.args]
    if pool.clean_env:
        _clean_environment()
    for name, value in pool.env:  # not update(): its type checks touch 0.15 MB of shared memory
        os.environ[name] = value
        if name == "TZ":
            time.tzset()  # for what of this process was asked for the time before
    if pool.directory:
        try:
            os.chdir(pool.directory)
        except OSError as error:
            reason = f"cannot change to the directory {pool.directory}: {error.strerror}\n"
            raise LoadError(reason) from None
    if pool.virtualenv:
        _add_virtualenv(site_packages(pool.virtualenv))
    first = [os.path.dirname(split_callable(pool.script)[0])] if pool.script else []
    first += [pool.directory] if pool.directory else []
    sys.path[:0] = list(dict.fromkeys([*first, *pool.pythonpath]))


_HARMLESS = frozenset(("PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "HOME", "USER", "LOGNAME", "FAPWS_PURE"))


def _clean_environment() -> None:
    for name in [*os.environ]:
        if name not in _HARMLESS and not name.startswith("LC_"):
            del os.environ[name]


def bring_in(pools: tuple[Pool, ...]) -> None:
    """Imports what running a script takes: once in the master instead of in each worker, where the import
    machinery alone makes 0.3 MB of shared memory the worker's own."""
    if any(pool.script for pool in pools):
        import fapws.compat.alias  # noqa: F401


def load(pool: Pool) -> Callable[..., Any] | None:
    """Imports a pool's application, after prepare(). None: the script is a program of fapws3 that has served
    meanwhile, by fapws._evwsgi.run(), and has come to its end.

    Raises LoadError; and SystemExit, if such a program ends by it.
    """
    known = len(sys.modules)
    try:
        return _load_script(pool) if pool.script else _load_module(pool.app or NO_APPLICATION)
    except LoadError:
        if _may_end():
            return None
        raise
    except SystemExit as error:
        if _may_end():
            raise
        what = f"the application left by SystemExit({error.code!r}) while it was being loaded\n"
        raise LoadError(what + tracebacks.text_without(error, _THIS_FILE)) from None
    except KeyboardInterrupt as error:
        what = "interrupted while the application was being loaded\n"
        raise LoadError(what + tracebacks.text_without(error, _THIS_FILE)) from None
    except BaseException as error:
        # Whatever it is, it is the application's, and its traceback is the report.
        raise LoadError(tracebacks.text_without(error, _THIS_FILE)) from None
    finally:
        _drop_racy_bytecode(known)


# ---- package.module:callable ---------------------------------------------------------------------


def _load_module(app: str) -> Callable[..., Any]:
    name, _, attribute = app.partition(":")
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if (
            error.name is None
            or not f"{name}.".startswith(f"{error.name}.")
            or tracebacks.frames_without(error.__traceback__, _THIS_FILE)
        ):
            raise
        raise LoadError(_no_module(app, error.name)) from None
    return _resolve(sys.modules[name], attribute, app, f"module {name}")


def _no_module(app: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    if not parent:
        places = sys.path
    else:
        places = list(getattr(sys.modules.get(parent), "__path__", []))
        if not places:
            return f"app = {app}: {parent} is a module, not a package, so it has no {last}\n"
    found = sorted({name for place in places for name in _modules_in(place)})
    meant = nearest(last, found)
    hint = f", did you mean {parent + '.' if parent else ''}{meant}?" if meant else ""
    looked = ", ".join(place or "." for place in places if os.path.isdir(place or "."))
    return f"app = {app}: there is no module {missing}{hint}\n(looked in {looked})\n"


def _modules_in(directory: str) -> list[str]:
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return []
    return [name.partition(".")[0] for name in names if name.endswith((".py", ".so")) or "." not in name]


# ---- file.py -------------------------------------------------------------------------------------


def _load_script(pool: Pool) -> Callable[..., Any] | None:
    script = pool.script
    path, attribute = split_callable(script)
    module = run_script(path, not attribute)
    if _may_end():
        return None
    if attribute:
        return _resolve(module, attribute, script, path)
    for name in CALLABLE_NAMES:
        if hasattr(module, name):
            return _resolve(module, name, script, path)
    if hasattr(module, "PATHS"):
        from fapws.compat.paths import of_program

        try:
            return of_program(vars(module), pool.strict_paths)
        except (TypeError, ValueError) as error:
            raise LoadError(f"{path}: {error}\n") from None
    told = "" if loop_owner.host is None or "fapws._evwsgi" not in sys.modules else _PROGRAM_HINT
    raise LoadError(f"{path} defines none of application, app and PATHS{told or _callables_hint(module)}\n")


def _may_end() -> bool:
    return isinstance(loop_owner.host, loop_owner.WorkerHost) and loop_owner.host.may_end


_PROGRAM_HINT = (
    ", and its end was reached without fapws._evwsgi.run(); __name__ is __main__ in a script that names "
    "fapws._evwsgi, start and run itself"
)


def run_script(path: str, may_be_program: bool = False) -> ModuleType:
    """Runs a Python file and returns it as a module; see make_module()."""
    module, code = make_module(path, may_be_program)
    execute(module, code)
    return module


def make_module(path: str, may_be_program: bool) -> tuple[ModuleType, Any]:
    """A module for a Python file, and the code that is to be executed in it. Raises LoadError, SyntaxError.

    It is called like its file, so that what it defines can be pickled and imported, unless that name is
    taken. may_be_program: a program of fapws3, which starts the server by itself, perhaps behind
    ``if __name__ == "__main__":``, is called ``__main__``, as it is when it is started by hand. A WSGI
    script is not: what it has there would start a server of its own.

    It is always compiled anew: bytecode is matched by second and size, and would go stale when a file
    is saved and reloaded twice in a second.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise LoadError(f"cannot read {path}: {error.strerror}\n") from None
    code = _compiled(source, path)
    stem = os.path.splitext(os.path.basename(path))[0]
    name = stem if stem.isidentifier() and stem not in sys.modules else _SPARE_NAME
    if may_be_program and _is_program(code):
        name = _MAIN
    module = ModuleType(name)
    module.__file__ = path
    return module, code


def _compiled(source: bytes, path: str) -> Any:
    """The code of a source. Without compile(), whose first call makes the 150 types of a syntax tree's nodes:
    of a worker with a small script that is half a megabyte, and some ms of its start."""
    if accelerator is None or b"\0" in source:  # which compile() refuses in its own words
        return compile(source, path, "exec", dont_inherit=True)
    return accelerator.compile_script(source, path)


def _is_program(code: Any) -> bool:
    """Whether a script starts the server by itself, as far as its names tell."""
    names = _names_of(code)
    if names >= _PROGRAM_NAMES:
        return True
    # One that also offers an application needs no server of its own.
    return {_ADAPTER, "run"} <= names and names.isdisjoint((*CALLABLE_NAMES, "PATHS"))


def _names_of(code: Any) -> set[str]:
    """The names that code uses, in its functions too, and the adapter's if it has that as a text."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names |= _names_of(constant)
        elif constant == _ADAPTER:
            names.add(_ADAPTER)
    return {part for name in names for part in name.split(".")}


def execute(module: ModuleType, code: Any) -> None:
    """Runs a script's code. From now on ``fapws4`` can be imported too, for scripts written for it."""
    from fapws.compat.alias import offer_fapws4  # what app = module:callable does not need

    offer_fapws4()
    name = module.__name__
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
        raise


# ---- The callable in its module ------------------------------------------------------------------


def _resolve(module: ModuleType, expression: str, subject: str, where: str) -> Callable[..., Any]:
    """The callable that an expression like ``site.app`` or ``create_app()`` names."""
    name = expression.removesuffix("()")
    found: Any = module
    holder = where
    for part in name.split("."):
        if not hasattr(found, part):
            meant = nearest(part, [known for known in dir(found) if not known.startswith("__")])
            hint = f", did you mean {meant}?" if meant else _callables_hint(found)
            raise LoadError(f"{subject}: {holder} has no {part}{hint}\n")
        found, holder = getattr(found, part), part
    if not callable(found):
        raise LoadError(f"{subject}: {name} is {_describe(found)}, not callable\n")
    if expression != name:
        made = found()
        if not callable(made):
            raise LoadError(f"{subject}: {expression} returned {_describe(made)}, not a WSGI application\n")
        found = made
    elif not _takes_two(found):
        raise LoadError(
            f"{subject}: {name} does not take (environ, start_response); "
            f"if it makes the application, write {name}()\n"
        )
    return found  # type: ignore[no-any-return]


def _takes_two(found: Any) -> bool:
    """Whether a plain function can be called with two arguments; of anything else nothing is
    known."""
    code = getattr(found, "__code__", None)
    if not isinstance(found, type(_describe)) or code is None or hasattr(found, "__wrapped__"):
        return True
    required = code.co_argcount - len(found.__defaults__ or ())
    takes_rest = bool(code.co_flags & 0x04)  # CO_VARARGS, inspect's name for it
    return required <= 2 and (code.co_argcount >= 2 or takes_rest)


def _describe(found: Any) -> str:
    kind = type(found).__name__
    return "None" if found is None else f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def _callables_hint(found: Any) -> str:
    names = (
        [name for name, value in vars(found).items() if callable(value) and name[0] != "_"]
        if hasattr(found, "__dict__")
        else []
    )
    return f"; callable there: {', '.join(names[:10])}" if names else ""


_THIS_FILE = load.__code__.co_filename


# ---- Import path and bytecode --------------------------------------------------------------------


def _add_virtualenv(directory: str) -> None:
    """Puts a virtualenv's packages before the server's own, behind the standard library.

    site.addsitedir() reads the .pth files (editable installs), but adds at the end.
    """
    import site

    before = list(sys.path)
    site.addsitedir(directory)
    added = [place for place in sys.path if place not in before] or [directory]
    rest = [place for place in sys.path if place not in added]
    where = next((number for number, place in enumerate(rest) if _is_packages(place)), len(rest))
    sys.path[:] = rest[:where] + added + rest[where:]


def _is_packages(directory: str) -> bool:
    return os.path.basename(directory.rstrip("/")) in ("site-packages", "dist-packages")


def _drop_racy_bytecode(known: int) -> None:
    """Removes the cached bytecode of sources saved a moment ago, except of the first known modules.

    A .pyc is matched to its source by size and whole seconds, so a file that is saved, loaded and
    saved again within a second would be served in its old form after a reload.
    """
    horizon = time.time() - _RACY_SECONDS
    # Those of the master are not even looked at: it would make 0.4 MB of shared memory the worker's own.
    for module in list(islice(reversed(sys.modules.values()), max(len(sys.modules) - known, 0))):
        cached = getattr(module, "__cached__", None)
        source = getattr(module, "__file__", None)
        if not cached or not source:
            continue
        try:
            if os.stat(source).st_mtime > horizon:
                os.unlink(cached)
        except OSError:
            continue  # gone, or not ours to remove
