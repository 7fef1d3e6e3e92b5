"""Simple expressions of Python, worked out without running them: python_values.py says what for.

Values are small, and so is the work: bounds stand below.
"""

from __future__ import annotations

import ast
import os
import pathlib
import re
from typing import Any, Callable, NamedTuple

from fapws.settings.processors import processors

TEXT_MAX = 4096
_INTEGER_MAX = 2**63
_ITEMS_MAX = 1000
_SHOWN_MAX = 300
_STEPS_MAX = 20_000
_DEPTH_MAX = 12
"""Functions of the file that call each other."""


class CannotTell(Exception):
    """Why a value is unknown."""


class Function(NamedTuple):
    """A def of the file."""

    node: ast.FunctionDef


class Value(NamedTuple):
    """What a name is bound to at the end of the file."""

    value: Any
    text: str
    """The expression, or ``def name(...)``."""
    notes: tuple[str, ...] = ()
    unknown: str = ""


_KNOWN_CALLS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "len": len,
    "max": max,
    "min": min,
    "abs": abs,
    "round": round,
    "list": list,
    "tuple": tuple,
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.basename": os.path.basename,
    "os.path.abspath": os.path.normpath,
    "os.path.realpath": os.path.normpath,
    "os.path.normpath": os.path.normpath,
    "os.path.expanduser": os.path.expanduser,
    "pathlib.Path": pathlib.PurePosixPath,
    "pathlib.PurePath": pathlib.PurePosixPath,
}
_LOOKS: dict[str, Callable[[str], bool]] = {
    "os.path.exists": os.path.exists,
    "os.path.isfile": os.path.isfile,
    "os.path.isdir": os.path.isdir,
}
_TEXT_METHODS = (
    *("lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "startswith", "endswith"),
    *("replace", "split", "rsplit", "join", "removesuffix", "removeprefix", "isdigit"),
)
_PATH_METHODS = frozenset(("resolve", "absolute", "expanduser", "joinpath", "as_posix", "with_name"))
_PATH_ATTRIBUTES = frozenset(("parent", "name", "stem", "suffix"))
MOMENT = "it is known only when the file is run: --execute does that"


class Scope:
    """What the names of a file are bound to so far."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.names: dict[str, Value] = {"__file__": Value(self.path, "__file__")}
        self.imports: dict[str, str] = {}
        """Local names to what they stand for, such as ``os.environ``."""
        self.environment: dict[str, Value] = {}
        """Variables that the file has set so far."""


class Work:
    """One expression."""

    def __init__(self, scope: Scope, local: dict[str, Any] | None = None, depth: int = 0) -> None:
        self._scope = scope
        self._local = local or {}
        self._depth = depth
        self._steps = [0]
        self.notes: list[str] = []

    def value(self, node: ast.expr) -> Any:
        """Raises CannotTell."""
        self._steps[0] += 1
        if self._steps[0] > _STEPS_MAX:
            raise CannotTell("it takes too long to work out")
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            raise CannotTell(MOMENT)
        try:
            return _bounded(handler(self, node))
        except CannotTell:
            raise
        except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
            raise CannotTell(f"it cannot be worked out: {error}") from None

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self._local:
            return self._local[node.id]
        found = self._scope.names.get(node.id)
        if found is None:
            raise CannotTell(MOMENT)
        if found.unknown:
            raise CannotTell(found.unknown)
        self.notes += found.notes
        return found.value

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mod) and isinstance(left, str):
            if re.search(r"%[^a-zA-Z%]*\d{3}|\*", left):
                raise CannotTell(MOMENT)
            return left % right
        if isinstance(node.op, ast.Mult) and not (_is_number(left) and _is_number(right)):
            raise CannotTell(MOMENT)
        if type(node.op) not in _OPERATORS:
            raise CannotTell(MOMENT)
        return _OPERATORS[type(node.op)](left, right)

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not value
        if not _is_number(value) or isinstance(node.op, ast.Invert):
            raise CannotTell(MOMENT)
        return -value if isinstance(node.op, ast.USub) else value

    def _boolean(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for part in node.values:
            value = self.value(part)
            if bool(value) == isinstance(node.op, ast.Or):
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for operator, part in zip(node.ops, node.comparators):
            if isinstance(operator, (ast.In, ast.NotIn)) and self.dotted(part) == "os.environ":
                self.notes.append(f"whether {left} is in the environment was looked up here")
                there = left in os.environ or left in self._scope.environment
                met = there == isinstance(operator, ast.In)
            else:
                right = self.value(part)
                met = bool(_COMPARISONS[type(operator)](left, right))
                left = right
            if not met:
                return False
        return True

    def _choice(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _joined(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.value(part)) for part in node.values)

    def _formatted(self, node: ast.FormattedValue) -> str:
        if node.format_spec is not None:
            raise CannotTell(MOMENT)
        value = self.value(node.value)
        return repr(value) if node.conversion == ord("r") else str(value)

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any] | tuple[Any, ...]:
        parts = [self.value(part) for part in node.elts]
        return tuple(parts) if isinstance(node, ast.Tuple) else parts

    def _dictionary(self, node: ast.Dict) -> dict[Any, Any]:
        keys = [self.value(key) if key is not None else None for key in node.keys]
        return dict(zip(keys, map(self.value, node.values)))

    def _subscript(self, node: ast.Subscript) -> Any:
        if self.dotted(node.value) == "os.environ":
            name = str(self.value(node.slice))
            value = self._environment(name, None)
            if value is None:
                raise CannotTell(f"it is the variable {name} of the environment, which is not set here")
            return value
        holder = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            parts = (node.slice.lower, node.slice.upper, node.slice.step)
            return holder[slice(*(None if part is None else self.value(part) for part in parts))]
        return holder[self.value(node.slice)]

    def _attribute(self, node: ast.Attribute) -> Any:
        holder = self.value(node.value)
        if isinstance(holder, pathlib.PurePosixPath) and node.attr in _PATH_ATTRIBUTES:
            return getattr(holder, node.attr)
        raise CannotTell(MOMENT)

    def _call(self, node: ast.Call) -> Any:
        if any(keyword.arg is None for keyword in node.keywords):
            raise CannotTell(MOMENT)
        name = self.dotted(node.func)
        given = [self.value(part) for part in node.args]
        named = {str(keyword.arg): self.value(keyword.value) for keyword in node.keywords}
        if name in ("os.environ.get", "os.getenv") and given:
            default = given[1] if len(given) > 1 else named.get("default")
            return self._environment(str(given[0]), default)
        if name in ("multiprocessing.cpu_count", "os.cpu_count"):
            self.notes.append(f"{name}() was counted here; workers = auto counts at each start")
            return processors().workers
        if name in _LOOKS and len(given) == 1:
            self.notes.append(f"{name}({given[0]!r}) was looked up here")
            return _LOOKS[name](str(given[0]))
        if name == "os.getcwd":
            return os.path.dirname(self._scope.path)
        if name in _KNOWN_CALLS and not named:
            return _KNOWN_CALLS[name](*given)
        if isinstance(node.func, ast.Attribute):
            return _method(self.value(node.func.value), node.func.attr, given, named)
        if isinstance(node.func, ast.Name):
            return self._function(node.func.id, given, named)
        raise CannotTell(MOMENT)

    def _environment(self, name: str, default: Any) -> Any:
        own = self._scope.environment.get(name)
        if own is not None:
            self.notes += own.notes
            return own.value
        value = os.environ.get(name)
        told = "this is the default" if value is None else "it has this value here"
        self.notes.append(f"from the environment: {name} ({told})")
        return default if value is None else value

    def _function(self, name: str, given: list[Any], named: dict[str, Any]) -> Any:
        """One of the file's own that is a return alone."""
        found = self._scope.names.get(name)
        if found is None or not isinstance(found.value, Function) or self._depth >= _DEPTH_MAX:
            raise CannotTell(MOMENT)
        node = found.value.node
        body = [part for part in node.body if not _is_docstring(part)]
        plain = not (node.args.vararg or node.args.kwarg or node.args.kwonlyargs or node.decorator_list)
        if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None or not plain:
            raise CannotTell(
                f"it is what {name}() returns, which is more than one expression; --execute runs it"
            )
        names = [argument.arg for argument in node.args.args]
        defaults = [self.value(default) for default in node.args.defaults]
        local = dict(zip(names[len(names) - len(defaults) :], defaults))
        local.update(zip(names, given))
        local.update(named)
        inner = Work(self._scope, local, self._depth + 1)
        inner._steps = self._steps
        value = inner.value(body[0].value)
        self.notes += inner.notes
        return value

    def dotted(self, node: ast.expr) -> str:
        """The whole name of what an expression names, by the imports; empty: it is no name."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self._local or node.id in self._scope.names:
            return ""
        parts.append(self._scope.imports.get(node.id, node.id))
        return ".".join(reversed(parts))


def shown(node: ast.expr) -> str:
    """An expression as a text of one line."""
    try:
        text = ast.unparse(node)
    except RecursionError:
        return "..."
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} ..."


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _method(holder: Any, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    if isinstance(holder, str) and not named:
        if name == "format" and not re.search(r"\{[^{}]*[^\w{}]", holder):
            return holder.format(*given)
        if name in _TEXT_METHODS:
            return getattr(holder, name)(*given)
    if isinstance(holder, dict) and name == "get" and not named:
        return holder.get(*given)
    if isinstance(holder, pathlib.PurePosixPath) and name in _PATH_METHODS and not named:
        if name in ("resolve", "absolute", "expanduser"):
            return pathlib.PurePosixPath(os.path.expanduser(os.path.normpath(holder)))
        return getattr(holder, name)(*given)
    raise CannotTell(MOMENT)


def _bounded(value: Any) -> Any:
    too_large = (
        (isinstance(value, (str, bytes)) and len(value) > TEXT_MAX)
        or (isinstance(value, int) and abs(value) > _INTEGER_MAX)
        or (isinstance(value, (list, tuple, dict)) and len(value) > _ITEMS_MAX)
    )
    if too_large:
        raise CannotTell("it is too large for a setting")
    return value


def _power(left: Any, right: Any) -> Any:
    if not (isinstance(left, int) and isinstance(right, int) and abs(left) <= 1024 and 0 <= right <= 63):
        raise CannotTell(MOMENT)
    return left**right


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
    ast.BitOr: lambda left, right: left | right,
    ast.BitAnd: lambda left, right: left & right,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[[Work, Any], Any]] = {
    ast.Constant: Work._constant,
    ast.Name: Work._name,
    ast.BinOp: Work._binary,
    ast.UnaryOp: Work._unary,
    ast.BoolOp: Work._boolean,
    ast.Compare: Work._compare,
    ast.IfExp: Work._choice,
    ast.JoinedStr: Work._joined,
    ast.FormattedValue: Work._formatted,
    ast.List: Work._sequence,
    ast.Tuple: Work._sequence,
    ast.Set: Work._sequence,
    ast.Dict: Work._dictionary,
    ast.Subscript: Work._subscript,
    ast.Attribute: Work._attribute,
    ast.Call: Work._call,
}
