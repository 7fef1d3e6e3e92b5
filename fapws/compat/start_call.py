"""Where a program of fapws3 wants to listen: its call of fapws._evwsgi.start(), found in the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from fapws.compat.start_address import start_address

_MODULE = "_evwsgi"
_FUNCTION = "start"


def find_start(tree: ast.Module, bound: dict[str, list[Any]]) -> str:
    """The address as the INI file has it; empty if there is none that is plain, or several.

    bound: names of the top level with what is bound to them. Arguments may be constants, or names of
    the top level that are bound once to a constant.
    """
    modules, functions = _names(tree)
    found = {
        address
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_start(node.func, modules, functions)
        for address in _address(node, bound)
    }
    return found.pop() if len(found) == 1 else ""


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What the module is called, and what its function is called."""
    modules, functions = {_MODULE}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {
                alias.asname
                for alias in node.names
                if alias.asname and alias.name.rpartition(".")[2] == _MODULE
            }
        elif isinstance(node, ast.ImportFrom):
            from_module = (node.module or "").rpartition(".")[2] == _MODULE
            for alias in node.names:
                if from_module and alias.name == _FUNCTION:
                    functions.add(alias.asname or alias.name)
                elif alias.name == _MODULE:
                    modules.add(alias.asname or alias.name)
    return modules, functions


def _is_start(called: ast.expr, modules: set[str], functions: set[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in functions
    if not isinstance(called, ast.Attribute) or called.attr != _FUNCTION:
        return False
    owner = called.value
    if isinstance(owner, ast.Attribute):
        return owner.attr == _MODULE
    return isinstance(owner, ast.Name) and owner.id in modules


def _address(call: ast.Call, bound: dict[str, list[Any]]) -> Iterator[str]:
    """One text; empty for what is not plain."""
    given: dict[str, Any] = dict(zip(("host", "port"), call.args))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    values = [_constant(given.get(name), bound) for name in ("host", "port")]
    try:
        where, path = start_address(*values)
    except ValueError:
        where, path = "", ""
    # The master binds no abstract socket, and a question mark begins the options of an address.
    yield "" if path.startswith("\0") or "?" in path else where


def _constant(node: Any, bound: dict[str, list[Any]]) -> Any:
    if isinstance(node, ast.Name) and len(bound.get(node.id, ())) == 1:
        node = bound[node.id][0]
    return node.value if isinstance(node, ast.Constant) else None
