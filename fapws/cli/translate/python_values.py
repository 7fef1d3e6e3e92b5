"""What a Python file assigns to its names, told from its text: nothing of the file is run.

Literals, arithmetic, texts put together, the environment, the number of processors and the paths of the file
itself are worked out. Whatever else an expression holds makes the value *unknown*, with the reason: a file of
somebody else is not run by looking at it.
"""

from __future__ import annotations

import ast
import os
from typing import NamedTuple

from fapws.cli.translate.python_expressions import (
    MOMENT,
    CannotTell,
    Function,
    Scope,
    Value,
    Work,
    shown,
)

__all__ = ["Function", "Read", "Value", "read"]


class Read(NamedTuple):
    """A file."""

    names: dict[str, Value]
    skipped: list[tuple[str, str]]
    """What is assigned behind conditions that do not hold here, and these."""
    environment: dict[str, Value]
    """Variables that the file sets for the application."""
    untold: list[tuple[str, str]]
    """Statements that may bind more names, such as a call that is given globals(), and why it is unknown."""


def read(source: str, path: str) -> Read:
    """The names of a file. Raises SyntaxError, RecursionError, ValueError for what is no Python."""
    reader = _Reader(path)
    reader.block(ast.parse(source, path).body)
    return Read(reader.names, reader.skipped, reader.scope.environment, reader.untold)


class _Reader:
    """Goes through the statements in their order."""

    def __init__(self, path: str) -> None:
        self.scope = Scope(path)
        self.names = self.scope.names
        self.skipped: list[tuple[str, str]] = []
        self.untold: list[tuple[str, str]] = []

    # ---- Statements ------------------------------------------------------------------------------

    def block(self, statements: list[ast.stmt], why: str = "") -> None:
        """why: not empty where it cannot be told whether these are run."""
        for statement in statements:
            self._statement(statement, why)

    def _statement(self, node: ast.stmt, why: str) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.scope.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node)
        elif isinstance(node, ast.FunctionDef):
            self.names[node.name] = Value(Function(node), f"def {node.name}(...)", (), why)
        elif isinstance(node, (ast.AsyncFunctionDef, ast.ClassDef)):
            self.names[node.name] = Value(None, node.name, (), MOMENT)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value, why)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._bind(node.target, node.value, why)
        elif isinstance(node, ast.AugAssign):
            self._augment(node, why)
        elif isinstance(node, ast.If):
            self._branch(node, why)
        elif isinstance(node, ast.Expr):
            self._call_alone(node.value, why)
        elif isinstance(node, ast.Delete) and not why:
            for target in node.targets:
                self.names.pop(target.id if isinstance(target, ast.Name) else "", None)
        else:
            self._others(node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.untold.append((f"from {node.module} import *", f"what it brings is unknown: {MOMENT}"))
            self.scope.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _bind(self, target: ast.expr, expression: ast.expr, why: str) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = self._value(expression, why)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._bind_each(target.elts, expression, why)
        elif isinstance(target, ast.Subscript) and self._is_environment(target.value):
            self._set_variable(target.slice, expression, why)
        else:
            if _computed_name(target):
                self.untold.append((f"{shown(target)} = {shown(expression)}", f"sets a name: {MOMENT}"))
            if isinstance(target, ast.Attribute):
                changed = "changes another module, which no option does; server_header is the Server field"
                self.untold.append((f"{shown(target)} = {shown(expression)}", changed))
            else:
                self._spoil(target, MOMENT)

    def _bind_each(self, targets: list[ast.expr], expression: ast.expr, why: str) -> None:
        parts = expression.elts if isinstance(expression, (ast.Tuple, ast.List)) else []
        simple = all(isinstance(target, ast.Name) for target in targets)
        if simple and len(parts) == len(targets) and not any(isinstance(one, ast.Starred) for one in parts):
            values = [self._value(part, why) for part in parts]
            self.names.update({target.id: value for target, value in zip(targets, values)})  # type: ignore[attr-defined]
        else:
            for target in targets:
                self._spoil(target, MOMENT)

    def _is_environment(self, node: ast.expr) -> bool:
        return Work(self.scope).dotted(node) == "os.environ"

    def _set_variable(self, name: ast.expr, expression: ast.expr, why: str, default: bool = False) -> None:
        """os.environ[NAME] = VALUE, which the application has as well."""
        key, value = self._value(name, why), self._value(expression, why)
        text = f"os.environ[{shown(name)}] = {value.text}"
        unknown = key.unknown or value.unknown
        if unknown or not isinstance(key.value, str) or not isinstance(value.value, str):
            self.untold.append((text, unknown or "it is no text"))
        elif default and key.value in os.environ:
            here = f"from the environment: {key.value} (it has this value here)"
            self.scope.environment[key.value] = Value(os.environ[key.value], text, (here,))
        elif not default or key.value not in self.scope.environment:
            self.scope.environment[key.value] = value._replace(text=text)

    def _value(self, expression: ast.expr, why: str) -> Value:
        text = shown(expression)
        if why:
            return Value(None, text, (), why)
        work = Work(self.scope)
        try:
            value = work.value(expression)
            return Value(value, text, tuple(dict.fromkeys(work.notes)))
        except CannotTell as error:
            return Value(None, text, (), str(error))
        except RecursionError:
            return Value(None, text, (), "it is too deep to work out")

    def _augment(self, node: ast.AugAssign, why: str) -> None:
        if not isinstance(node.target, ast.Name):
            self._spoil(node.target, MOMENT)
            return
        before = ast.Name(node.target.id, ast.Load())
        whole = ast.copy_location(ast.BinOp(before, node.op, node.value), node)
        self.names[node.target.id] = self._value(ast.fix_missing_locations(whole), why)

    def _branch(self, node: ast.If, why: str) -> None:
        work = Work(self.scope)
        try:
            holds = bool(work.value(node.test))
        except CannotTell:
            condition = f"it stands behind an if whose condition is not known here: {shown(node.test)}"
            self.block([*node.body, *node.orelse], why or condition)
            return
        before = set(self.names)
        taken, passed = (node.body, node.orelse) if holds else (node.orelse, node.body)
        self.block(taken, why)
        answer = f"the condition {shown(node.test)} {'holds' if holds else 'does not hold'} here"
        self.skipped += [(name, answer) for statement in passed for name in _assigned(statement)]
        note = f"the condition {shown(node.test)} was decided here"
        for statement in taken:
            for name in _assigned(statement):
                if name in self.names and (work.notes or name not in before):
                    value = self.names[name]
                    notes = (*value.notes, *work.notes, note)
                    self.names[name] = value._replace(notes=tuple(dict.fromkeys(notes)))

    def _call_alone(self, node: ast.expr, why: str) -> None:
        """A list that grows; of other calls only that they might change what they are a method of."""
        if not isinstance(node, ast.Call) or Work(self.scope).dotted(node.func) == "print":
            return
        target = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if not isinstance(node.func, ast.Attribute) or not isinstance(target, ast.Name):
            self._call_unknown(node, why)
            return
        if target.id not in self.names:
            self._call_unknown(node, why)
            return
        value = self.names[target.id]
        if node.func.attr in ("append", "extend") and isinstance(value.value, list) and len(node.args) == 1:
            added = self._value(node.args[0], why or value.unknown)
            more = [added.value] if node.func.attr == "append" else added.value
            if not added.unknown and isinstance(more, (list, tuple)):
                text = f"{value.text}, {shown(node.args[0])}"
                self.names[target.id] = Value([*value.value, *more], text, (*value.notes, *added.notes))
                return
        if isinstance(value.value, (list, dict)):
            self._spoil(target, MOMENT)

    def _call_unknown(self, node: ast.Call, why: str) -> None:
        """os.environ.setdefault() is known; any other call may bind names of the file."""
        name = Work(self.scope).dotted(node.func)
        if name == "os.environ.setdefault" and len(node.args) == 2 and not node.keywords:
            self._set_variable(node.args[0], node.args[1], why, default=True)
        else:
            self.untold.append((shown(node), f"a call that may set more: {MOMENT}"))

    def _others(self, node: ast.stmt) -> None:
        """Loops, try, with: what they assign is not known."""
        for name in _assigned(node):
            place = f"it is assigned within {type(node).__name__.lower()}, which is not followed"
            self.names[name] = Value(None, "...", (), f"{place}; --execute runs the file")
        for inner in ast.walk(node):
            if isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
                if _computed_name(inner) or self._is_environment(inner.value):
                    self.untold.append((f"{shown(inner)} = ...", f"sets a name: {MOMENT}"))
            elif isinstance(inner, ast.Call) and _gives_names(inner):
                self.untold.append((shown(inner), f"a call that may set more: {MOMENT}"))

    def _spoil(self, target: ast.expr, why: str) -> None:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                before = self.names.get(inner.id)
                self.names[inner.id] = Value(None, before.text if before else inner.id, (), why)


def _computed_name(target: ast.expr) -> bool:
    """Whether it is globals()[NAME] or the like."""
    return isinstance(target, ast.Subscript) and _is_names(target.value)


def _gives_names(node: ast.Call) -> bool:
    """Whether a call is given all names, or is a method of theirs."""
    holders = [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node.func, ast.Attribute):
        holders.append(node.func.value)
    return any(_is_names(holder) for holder in holders)


def _is_names(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in ("globals", "locals", "vars")


def _assigned(node: ast.stmt) -> list[str]:
    """The names that a statement may bind, wherever inside."""
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.append(inner.id)
        elif isinstance(inner, ast.FunctionDef):
            found.append(inner.name)
    return found
