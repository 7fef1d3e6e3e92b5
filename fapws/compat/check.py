"""Finds mistakes in a script's PATHS from its syntax tree alone, before any socket is bound.

Never wrong about a script that works: whatever is not plain is left to the worker, which runs it.
"""

from __future__ import annotations

import ast
import builtins
import sys
from typing import NamedTuple

from fapws.compat.fields import native
from fapws.compat.paths import NO_PATHS

Bound = dict[str, list["ast.expr | None"]]
"""Names bound at the top level, each with the expressions bound to it (fapws.compat.script)."""

NAMES = ("application", "app", "PATHS")
"""Names under which a script offers what is served; the first that exists counts."""
_LITERALS = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_TYPE_NAMES = {
    "JoinedStr": "str",
    "ListComp": "list",
    "SetComp": "set",
    "DictComp": "dict",
    "GeneratorExp": "generator",
}
_MATCHING = ("MatchAs", "MatchStar", "MatchMapping")  # from 3.10 on; they bind names as well
_REACH_NAMESPACE = frozenset(("globals", "locals", "vars", "exec", "eval", "setattr", "__import__"))
_DEFINING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
_HARMLESS = frozenset(("fapws", "fapws4", "__future__", *getattr(sys, "stdlib_module_names", ())))
_SHOWN_MAX = 200
"""Characters of an entry that a message quotes."""


class Mistake(NamedTuple):
    """What is wrong, and where."""

    line: int
    message: str


def find_mistake(tree: ast.Module, bound: Bound) -> Mistake | None:
    """The first mistake in PATHS, or that there is nothing to serve; None if none is found."""
    if "*" in bound or "__getattr__" in bound or _reaches_namespace(tree):
        return None
    served_by = next((name for name in NAMES if name in bound), "")
    if not served_by:
        return Mistake(0, _nothing_told(tree)) if _only_defines(tree) else None
    nodes = bound[served_by]
    if served_by != "PATHS" or len(nodes) != 1 or nodes[0] is None:
        return None
    paths = nodes[0]
    if isinstance(paths, ast.ListComp):
        return None
    if not isinstance(paths, (ast.List, ast.Tuple)):
        kind = _literal_type(paths)
        told = f"PATHS must be a list of (prefix, callable) pairs, not {kind}"
        return Mistake(paths.lineno, told) if kind else None
    if _is_changed(tree):
        return None
    if not paths.elts:
        return Mistake(paths.lineno, NO_PATHS)
    for number, entry in enumerate(paths.elts):
        if isinstance(entry, ast.Starred):
            return None  # the entries behind it have another number
        problem = _entry_problem(entry, tree, bound)
        if problem:
            shown = ast.unparse(entry)
            shown = shown if len(shown) <= _SHOWN_MAX else shown[:_SHOWN_MAX] + "..."
            return Mistake(entry.lineno, f"PATHS[{number}] = {shown}{problem}")
    return None


def _entry_problem(entry: ast.expr, tree: ast.Module, bound: Bound) -> str:
    """What fapws.compat.paths would say behind the entry; empty: nothing."""
    if isinstance(entry, ast.ListComp):
        return ""
    if not isinstance(entry, (ast.Tuple, ast.List)):
        return " is not a (prefix, callable) pair" if _literal_type(entry) else ""
    if any(isinstance(part, ast.Starred) for part in entry.elts):
        return ""
    if len(entry.elts) != 2:
        return " is not a (prefix, callable) pair"
    prefix, served = entry.elts
    kind = _literal_type(prefix)
    if kind and kind not in ("str", "bytes"):
        return f": the prefix must be a str, not {kind}"
    if isinstance(prefix, ast.Constant) and not str(native(prefix.value)).startswith("/"):
        return ": the prefix must begin with /"
    return _served_problem(served, tree, bound)


def _served_problem(served: ast.expr, tree: ast.Module, bound: Bound) -> str:
    kind = _literal_type(served)
    if isinstance(served, ast.Name):
        name = served.id
        if name not in bound:
            known = _times_bound(tree, name) or hasattr(builtins, name) or name.startswith("__")
            return "" if known else f": {name} is not defined"
        nodes = bound[name]
        only = len(nodes) == 1 and _times_bound(tree, name) == 1
        kind = _literal_type(nodes[0]) if only and nodes[0] is not None else ""
    elif isinstance(served, ast.Call) and isinstance(served.func, ast.Name):
        kind = _uncallable_class(served.func.id, tree, bound)
    return f": {kind} is not callable" if kind else ""


def _times_bound(tree: ast.Module, name: str) -> int:
    """How often a name is bound anywhere: in branches, by :=, and also where it is another name."""
    return sum(
        node.id == name and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Name)
        # Of import a.b, a. Definitions and except have a name too.
        else name in (str(getattr(node, "name", "")).partition(".")[0], getattr(node, "asname", None))
        for node in ast.walk(tree)
    )


def _uncallable_class(name: str, tree: ast.Module, bound: Bound) -> str:
    """The name, if it is a plain class of the script whose instances cannot be called."""
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    if len(found) != 1 or len(bound.get(name, ())) != 1 or _times_bound(tree, name) != 1:
        return ""
    only = found[0]
    if only.bases or only.keywords or only.decorator_list:
        return ""
    for node in only.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Expr, ast.Pass)):
            return ""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in ("__call__", "__new__"):
            return ""
    attributes = (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return "" if "__call__" in attributes else name


def _literal_type(node: ast.expr | None) -> str:
    """The type that a literal has; empty: it is none."""
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    if isinstance(node, _LITERALS):
        name = type(node).__name__
        return _TYPE_NAMES.get(name, name.lower())
    return ""


def _reaches_namespace(tree: ast.Module) -> bool:
    """Whether names may be bound that the top level does not show, as far as a tree can tell."""
    return any(
        isinstance(node, ast.Global)
        or type(node).__name__ in _MATCHING
        or (isinstance(node, ast.Name) and node.id in _REACH_NAMESPACE)
        or (isinstance(node, ast.Attribute) and node.attr == "modules")
        for node in ast.walk(tree)
    )


def _is_changed(tree: ast.Module) -> bool:
    """Whether PATHS is used again behind its assignment, PATHS.append(...) or PATHS[0] = for instance."""
    return sum(isinstance(node, ast.Name) and node.id == "PATHS" for node in ast.walk(tree)) > 1


def _only_defines(tree: ast.Module) -> bool:
    """Whether the script does nothing when it is run: one that calls something may serve by itself."""
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        plain = isinstance(node, (*_DEFINING, ast.AnnAssign, ast.Pass)) and not _imports_others(node)
        if not plain or _calls(node):
            return False
    return True


def _calls(node: ast.AST) -> bool:
    """Whether a definition calls something when it is run; the body of a function is not run yet."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return bool(node.decorator_list) or _calls(node.args)
    if isinstance(node, ast.ClassDef):
        return bool(node.decorator_list) or any(map(_calls, (*node.bases, *node.keywords, *node.body)))
    return any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def _nothing_told(tree: ast.Module) -> str:
    defined = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    callable_there = f"; callable there: {', '.join(defined[:10])}" if defined else ""
    return f"defines none of application, app and PATHS{callable_there}"


def _imports_others(node: ast.AST) -> bool:
    """Whether it imports what may serve by itself, as fapws._evwsgi does, or may not be there at all."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module or '.'}.{alias.name}" for alias in node.names]
    else:
        return False
    return any("_evwsgi" in name or name.partition(".")[0] not in _HARMLESS for name in names)
