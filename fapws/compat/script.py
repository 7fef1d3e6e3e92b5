"""What a fapws4 script says about the server, found before the sockets are bound.

SERVER and MAX_BODY_SIZE, and what is wrong with PATHS, are wanted by the master, which must not import
the application. So a child
process is forked that reads the script's syntax tree, runs the script only if a value is no
constant, writes the result to a pipe and ends. Nothing of it stays in the master.
"""

from __future__ import annotations

import os
import select
import sys
import time

from fapws.descriptors import close_all_but
from fapws.lean import TYPE_CHECKING, Any, Callable, NoReturn, signal
from fapws.settings.model import Pool, ScriptSettings, split_callable

if TYPE_CHECKING:
    import ast

TIMEOUT = 15.0
"""Seconds the child may take."""
_NAMES = ("SERVER", "MAX_BODY_SIZE", "DEBUG")
_TEXT_MAX = 500
"""Characters of each text in the child's report."""
_ANSWER_MAX = 16_384
"""Bytes of the whole report: more than all texts together, and less than a pipe takes in one write."""
_END = b"\0\xff"
"""Ends the report: a process that the script has forked may hold the pipe open. UTF-8 has no 0xff."""
_WANTED = (
    "ast",
    "fapws.compat.alias",
    "fapws.compat.check",
    "fapws.compat.foreign",
    "fapws.compat.paths",
    "fapws.compat.start_call",
    "fapws.worker.loader",
    "fapws.worker.loop_owner",
)
"""What a look may import."""
_ARITHMETIC_MAX = 64
"""Characters; longer constant arithmetic is left to the running script."""
_WORDS = (*(name.encode() for name in _NAMES), b"PATHS", b"_evwsgi")
"""One of them is in every script that says something, unless an import of everything brings it."""
_OFFERS = (b"def application(", b"application =", b"def app(", b"app =")
"""How a line begins that gives a script something to serve, as most do."""


def script_settings(
    path: str, pool: Pool | None = None, may_run: bool = True, alone: bool = True
) -> ScriptSettings:
    """The settings of a script, ``file.py`` or ``file.py:callable``; pool says how to run it if
    need be. may_run: False if no value is worth it. alone: whether this process knows no other pools, of
    which a script that is run could find something in the memory of a child.

    A script that cannot be read or compiled has none: its worker tells why when it boots. If it has to
    be run and that fails or takes too long, ``unknown`` says so: a default may not take the place of what
    it would have said. Raises OSError if the system has no process or descriptor left to look.
    """
    apart = pool is not None and may_run and not alone
    reader, writer = os.pipe()
    needs, feeder = os.pipe() if apart else (-1, -1)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = os.fork()
    except OSError:
        _close(reader, writer, needs, feeder)
        raise
    if child == 0:
        _close(reader, feeder)
        if apart:
            _execute(writer, needs)
        look(writer, path, pool, may_run)
    _close(writer, needs)
    try:
        if apart:
            _feed(feeder, path, pool, may_run)
        data = _read_all(reader, time.monotonic() + TIMEOUT)
    finally:
        os.close(reader)
        _end(child)
    return _decode(data)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _execute(writer: int, needs: int) -> NoReturn:
    """The child becomes a Python of its own, fresh_look.py, and reads what it needs from standard input."""
    from fapws.supervisor.upgrade.landing import interpreter

    try:
        os.dup2(needs, 0)
        os.set_inheritable(writer, True)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fresh_look.py")
        root = os.path.dirname(os.path.dirname(os.path.dirname(script)))
        os.execv(sys.executable, [*interpreter(), script, root, str(writer)])
    except OSError as error:
        unknown = f"it needs a Python of its own, and {sys.executable} cannot be run: {error.strerror}"
        os.write(writer, _encode(ScriptSettings(unknown=unknown)))
    finally:
        os._exit(1)


def _feed(feeder: int, path: str, pool: Pool | None, may_run: bool) -> None:
    import marshal

    from fapws.settings.plain import plain

    known = {"script": path, "pool": plain(pool), "may_run": may_run}
    data = marshal.dumps({**known, "path": list(sys.path), "argv": list(sys.argv)})
    try:
        while data:
            data = data[os.write(feeder, data) :]
    except BrokenPipeError:
        pass  # it has ended, and said why or nothing
    finally:
        os.close(feeder)


def look(writer: int, script: str, pool: Pool | None, may_run: bool) -> NoReturn:
    """The child: writes the settings and ends without cleaning up what belongs to the parent."""
    try:
        path, attribute = split_callable(script)
        signal.set_wakeup_fd(-1)
        for number in (
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGCHLD,
        ):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        sys.stdout = sys.stderr = os.fdopen(null, "w", encoding="utf-8", errors="replace")
        close_all_but((0, 1, 2, writer))  # a script that is run must not find the master's files and sockets
        if pool is not None:
            from fapws.worker.privileges import drop_for_script

            drop_for_script(pool, _WANTED)
        settings = _find(path, attribute, pool, may_run, lambda found: os.write(writer, _encode(found)))
        os.write(writer, _encode(settings))
    except BaseException as error:
        os.write(writer, _encode(ScriptSettings(unknown=_complaint(error))))
    finally:
        os._exit(0)


def _complaint(error: BaseException) -> str:
    try:
        return f"it failed with {type(error).__name__}: {error}"
    except BaseException:  # the exception's own __str__ failed
        return f"it failed with {type(error).__name__}"


def _encode(settings: ScriptSettings) -> bytes:
    texts = [str(field)[:_TEXT_MAX].replace("\0", "?") for field in settings]
    return "\0".join(texts).encode("utf-8", "replace") + _END


def _decode(data: bytes) -> ScriptSettings:
    """The script may have written anything: it finds the pipe among its descriptors."""
    fields = data.partition(_END)[0].decode("utf-8", "replace").split("\0")
    if _END not in data or len(fields) != len(ScriptSettings._fields):
        return ScriptSettings(unknown="it did not come to an end, or ended the process")
    server, size, has_paths, debug, start, mistake, line, unknown = fields
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return ScriptSettings(server, size, has_paths == str(True), debug, start, mistake, number, unknown)


def _read_all(reader: int, deadline: float) -> bytes:
    data = b""
    while len(data) < _ANSWER_MAX and _END not in data:
        if not select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            break
        piece = os.read(reader, 4096)
        if not piece:
            break
        data += piece
    return data


def _end(child: int) -> None:
    """Kills a child that has not been waited for, so that its id is still its own."""
    # If this process ignores SIGCHLD, the kernel reaps its children.
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


# ---- In the child --------------------------------------------------------------------------------


def _find(
    path: str, attribute: str, pool: Pool | None, may_run: bool, tell: Callable[[ScriptSettings], Any]
) -> ScriptSettings:
    """tell: for a script that is run and does not come back."""
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError:
        return ScriptSettings()  # its worker fails in the same way
    if _says_nothing(source, attribute):
        return ScriptSettings()
    import ast

    from fapws.compat.check import find_mistake
    from fapws.compat.start_call import find_start

    try:
        tree = ast.parse(source, path)
    except (SyntaxError, ValueError):
        return ScriptSettings()  # its worker fails in the same way, with a traceback
    bound = _top_level_names(tree)
    if "*" in bound and may_run:
        return _run(path, attribute, pool, tell)
    has_paths = "PATHS" in bound
    values: dict[str, Any] = {}
    for name in _NAMES:
        nodes = bound.get(name)
        if nodes is None or (name == "DEBUG" and not has_paths):
            continue
        if len(nodes) != 1 or not _is_constant(nodes[0]):
            if may_run:
                return _run(path, attribute, pool, tell)
            continue
        # Only constants and arithmetic are in it, so that nothing of the script is run.
        values[name] = eval(compile(ast.Expression(nodes[0]), path, "eval"), {"__builtins__": {}})
    settings = _settings(values, has_paths)._replace(start=find_start(tree, bound))
    mistake = None if attribute else find_mistake(tree, bound)
    return settings._replace(mistake=mistake.message, mistake_line=mistake.line) if mistake else settings


def _says_nothing(source: bytes, attribute: str) -> bool:
    """Whether the bytes show already that there is nothing to find: ``ast`` takes a fifth of a start. In
    what is not plain ASCII, a name could be written in other ways."""
    if not source.isascii() or any(b"coding" in line for line in source.splitlines()[:2]):
        return False
    if any(word in source for word in _WORDS):
        return False
    if any(rest.lstrip(b" \t\f\r\n\\").startswith(b"*") for rest in source.split(b"import")[1:]):
        return False
    return bool(attribute) or any(line.startswith(_OFFERS) for line in source.splitlines())


def _top_level_names(tree: ast.Module) -> dict[str, list[Any]]:
    """The names a script binds, each with the expressions bound to it.

    A name bound in a branch, by an import or by unpacking gets None in its list; ``*`` stands for
    an import of everything.
    """
    import ast

    bound: dict[str, list[Any]] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.setdefault(statement.name, []).append(None)
            continue
        plain = _plain_assignment(statement)
        for name, value in plain:
            bound.setdefault(name, []).append(value)
        if plain:
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.setdefault(node.id, []).append(None)
            elif isinstance(node, ast.alias):
                bound.setdefault(node.asname or node.name, []).append(None)
    return bound


def _plain_assignment(statement: ast.stmt) -> list[tuple[str, Any]]:
    """The pairs of ``NAME = expression`` and ``NAME: type = expression``; empty for anything
    else."""
    import ast

    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        return [(statement.target.id, statement.value)]
    if isinstance(statement, ast.Assign):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        if len(names) == len(statement.targets):
            return [(name, statement.value) for name in names]
    return []


def _is_constant(node: Any) -> bool:
    """Whether an expression is a constant, or short arithmetic of numbers such as ``10 *
    2**20``."""
    import ast

    if node is None or len(ast.dump(node)) > 16 * _ARITHMETIC_MAX:
        return False
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    return all(isinstance(part, allowed) for part in ast.walk(node))


class _NoHost:
    """For a program of fapws3 that is only looked at: it must neither bind nor serve (see loop_owner.py)."""

    strict_paths = False
    debug = 0

    def __init__(self, namespace: dict[str, Any], tell: Callable[[ScriptSettings], Any]) -> None:
        self._namespace = namespace
        self._tell = tell

    def start(self, where: str, path: str) -> NoReturn:
        """Ends the child: all is known now. Not by an exception, which the program might catch."""
        plain = "" if path.startswith("\0") or "?" in path else where
        self._tell(_settings(self._namespace, "PATHS" in self._namespace)._replace(start=plain))
        os._exit(0)

    def run(self, application: Any) -> NoReturn:
        """Cannot be reached but by start()."""
        os._exit(0)


def _run(
    path: str, attribute: str, pool: Pool | None, tell: Callable[[ScriptSettings], Any]
) -> ScriptSettings:
    from fapws.worker import loop_owner
    from fapws.worker.loader import CALLABLE_NAMES, execute, make_module, prepare

    if pool is not None:
        prepare(pool)
    module, code = make_module(path, not attribute)
    namespace = vars(module)
    loop_owner.host = _NoHost(namespace, tell)
    execute(module, code)
    settings = _settings(namespace, "PATHS" in namespace)
    if attribute or "PATHS" not in namespace or any(name in namespace for name in CALLABLE_NAMES):
        return settings
    from fapws.compat.paths import of_program

    try:
        of_program(namespace, False)
    except (TypeError, ValueError) as error:
        return settings._replace(mistake=str(error))
    return settings


def _settings(values: dict[str, Any], has_paths: bool) -> ScriptSettings:
    texts = {name: "" if values.get(name) is None else str(values[name]) for name in _NAMES}
    debug = values.get("DEBUG")
    if not has_paths or debug is None:
        texts["DEBUG"] = ""
    elif isinstance(debug, bool):
        texts["DEBUG"] = str(int(debug))
    return ScriptSettings(texts["SERVER"], texts["MAX_BODY_SIZE"], has_paths, texts["DEBUG"])
