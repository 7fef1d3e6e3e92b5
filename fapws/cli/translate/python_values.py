"""What a Python file assigns to its names, told from its text: nothing of the file is run.

Literals, arithmetic, texts put together, the environment, the number of processors and the paths of the file
itself are worked out. Whatever else an expression holds makes the value *unknown*, with the reason: a file of
somebody else is not run by looking at it.
"""

from __future__ import annotations

import ast
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


def read(source: str, path: str) -> Read:
    """The names of a file. Raises SyntaxError, RecursionError, ValueError for what is no Python."""
    reader = _Reader(path)
    reader.block(ast.parse(source, path).body)
    return Read(reader.names, reader.skipped)


class _Reader:
    """Goes through the statements in their order."""

    def __init__(self, path: str) -> None:
        self.scope = Scope(path)
        self.names = self.scope.names
        self.skipped: list[tuple[str, str]] = []

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
            for alias in node.names:
                self.scope.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
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
        else:
            self._others(node)

    def _bind(self, target: ast.expr, expression: ast.expr, why: str) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = self._value(expression, why)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self._spoil(part, MOMENT)
        else:
            self._spoil(target, MOMENT)

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
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return
        target = node.func.value
        if not isinstance(target, ast.Name) or target.id not in self.names:
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

    def _others(self, node: ast.stmt) -> None:
        """Loops, try, with: what they assign is not known."""
        for name in _assigned(node):
            place = f"it is assigned within {type(node).__name__.lower()}, which is not followed"
            self.names[name] = Value(None, "...", (), f"{place}; --execute runs the file")

    def _spoil(self, target: ast.expr, why: str) -> None:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                before = self.names.get(inner.id)
                self.names[inner.id] = Value(None, before.text if before else inner.id, (), why)


def _assigned(node: ast.stmt) -> list[str]:
    """The names that a statement may bind, wherever inside."""
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.append(inner.id)
        elif isinstance(inner, ast.FunctionDef):
            found.append(inner.name)
    return found
