# SPDX-License-Identifier: Apache-2.0
"""Through the statements of a Python file, for the names that they use."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from scripts.port.merge.scopes import Link, linked
from scripts.port.names.localnames import Frame, innermost, looped, told
from scripts.port.names.naming import arguments, dotted_text, launch, of_call, of_key
from scripts.port.names.used import Call, How, Use, last_word, name_of

_CALLED = re.compile(r"[A-Za-z_][\w.]*")
_OWN = {"self", "cls", "super()"}
"""What stands for the class around a method, or for one of it."""
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_ELEMENTS = {"sorted", "len", "set", "list", "tuple", "any", "all", "enumerate"}


@dataclass
class Walk:
    """One file, and what was found in it."""

    path: str
    rows: frozenset[int] | None
    names: Collection[str] | None
    above: int = 0
    """How many lines of the file come before the nodes' first."""
    found: list[Use] = field(default_factory=list)
    own: dict[tuple[str, str], int] = field(default_factory=dict)
    """Function and name to the line of a use of what the function itself binds."""
    frames: list[Frame] = field(default_factory=list)
    scope: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    said: bool = False
    """Whether an annotation is gone through."""

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if self._near(node):
                self.visit(node, How.READ)

    def _near(self, node: ast.stmt) -> bool:
        marks = getattr(node, "decorator_list", ())
        return self._wanted(min([node.lineno, *(d.lineno for d in marks)]), node)

    def _wanted(self, first: int, node: ast.stmt | ast.expr) -> bool:
        """Whether a node, from a line on, has a line that is to be looked at."""
        if self.rows is None:
            return True
        last = node.end_lineno or node.lineno
        return not self.rows.isdisjoint(
            range(first + self.above, last + self.above + 1)
        )

    def visit(self, node: ast.AST, how: How) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.Call):
            named = isinstance(node.func, ast.Name) and node.func.id in _ELEMENTS
            self._call(node)
            for part in (*node.args, *(k.value for k in node.keywords)):
                self.visit(part, How.LISTED if named else How.READ)
        elif isinstance(node, ast.If) and (known := told(node, self.frames)):
            self.visit(node.test, How.READ)
            self.frames.append(known)
            self.body(node.body)
            self.frames.pop()
            self.body(node.orelse)
        elif isinstance(node, ast.Compare):
            self.visit(node.left, How.READ)
            for op, part in zip(node.ops, node.comparators, strict=True):
                listed = isinstance(op, ast.In | ast.NotIn)
                self.visit(part, How.LISTED if listed else How.READ)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            self.visit(node.iter, How.LISTED)
            self.frames += (over := looped(node, self.frames))
            for child in ast.iter_child_nodes(node):
                if child is not node.iter:
                    self.visit(child, How.READ)
            del self.frames[len(self.frames) - len(over) :]
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        elif isinstance(node, ast.Attribute | ast.Name):
            self._name(node, how, None)
        elif isinstance(node, ast.Subscript):
            for parts in of_key(node):
                self._add(node, parts, How.NAMED, None, None)
            for child in (node.value, node.slice):
                self.visit(child, How.READ)
        elif isinstance(node, ast.arg):
            self._annotation(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            self._annotation(node.annotation)
            self.visit(node.target, How.READ)
            if node.value is not None:
                self.visit(node.value, How.READ)
        elif isinstance(node, ast.Starred):
            self.visit(node.value, How.LISTED)
        elif isinstance(node, ast.Constant):
            if parts := dotted_text(node.value):
                self._add(node, parts, How.NAMED, None, Link(parts[0]))
        else:
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, ast.stmt) or self._near(child):
                    self.visit(child, How.READ)

    def _comprehension(self, node: ast.expr) -> None:
        generators = getattr(node, "generators", [])
        before = len(self.frames)
        for one in generators:
            self.visit(one, How.READ)
            self.frames += looped(one, self.frames)
        for child in ast.iter_child_nodes(node):
            if child not in generators:
                self.visit(child, How.READ)
        del self.frames[before:]

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    ) -> None:
        frame = Frame({a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)})
        self.visit(node.args, How.READ)
        if isinstance(node, ast.Lambda):
            self.frames.append(frame)
            self.visit(node.body, How.READ)
            self.frames.pop()
            return
        for part in node.decorator_list:
            self.visit(part, How.READ)
        self._annotation(node.returns)
        frame.fill(node, self.path)
        self.frames.append(frame)
        self.scope.append(node.name)
        self.body(node.body)
        self.scope.pop()
        self.frames.pop()

    def _annotation(self, node: ast.expr | None) -> None:
        if node is not None:
            self.said = True
            self.visit(node, How.READ)
            self.said = False

    def _class(self, node: ast.ClassDef) -> None:
        for part in (
            *node.decorator_list,
            *node.bases,
            *(k.value for k in node.keywords),
        ):
            self.visit(part, How.READ)
        self.scope.append(node.name)
        self.owners.append(".".join(self.scope))
        self.body(node.body)
        self.owners.pop()
        self.scope.pop()

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for bound, link in linked(node, self.path).items():
            if link.name != "*":
                self._add(node, (bound,), How.IMPORTED, None, link)
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._add(node, (alias.name,), How.IMPORTED, None, Link(alias.name))

    def _call(self, node: ast.Call) -> None:
        call = arguments(node, self.frames[-1].dicts if self.frames else {})
        for parts in of_call(node):
            self._add(node, parts, How.NAMED, None, None)
        first = node.args[0] if node.args else None
        if last_word(node.func) == "partial" and isinstance(
            first, ast.Attribute | ast.Name
        ):
            later = replace(call, positional=call.positional - 1, part=True)
            self._name(first, How.CALLED, later)
        if isinstance(node.func, ast.Attribute | ast.Name):
            self._name(node.func, How.CALLED, call)
        elif isinstance(node.func, ast.Subscript) and isinstance(
            node.func.value, ast.Attribute | ast.Name
        ):
            # As Triton starts a kernel: `kernel[grid](...)`.
            self.visit(node.func.slice, How.READ)
            self._name(node.func.value, How.CALLED, launch(call))
        else:
            self.visit(node.func, How.READ)

    def _name(
        self, node: ast.Attribute | ast.Name, how: How, call: Call | None
    ) -> None:
        parts: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner, How.READ)
            if parts and isinstance(inner, ast.Call):
                if isinstance(inner, ast.Call) and last_word(inner.func) == "super":
                    self._add(node, ("super()", *reversed(parts)), how, call, None)
                else:
                    self._of_call(node, inner, tuple(reversed(parts)), how, call)
            return
        if isinstance(node.ctx, ast.Load) or parts:
            parts.append(inner.id)
            how = how if isinstance(node.ctx, ast.Load) else How.SET
            self._add(node, tuple(reversed(parts)), how, call, None)

    def _of_call(
        self,
        node: ast.Attribute | ast.Name,
        inner: ast.Call,
        parts: tuple[str, ...],
        how: How,
        call: Call | None,
    ) -> None:
        """A use of what a call gives, where the top of the file has the function."""
        made = ast.unparse(inner.func)
        first = made.partition(".")[0]
        known = innermost(self.frames, first) or first == "self"
        if _CALLED.fullmatch(made) and not known:
            self._add(node, (f"{made}()", *parts), how, call, None, made)

    def _add(
        self,
        node: ast.expr | ast.stmt,
        parts: tuple[str, ...],
        how: How,
        call: Call | None,
        start: Link | None,
        kind: str = "",
    ) -> None:
        if not self._wanted(node.lineno, node):
            return
        if parts == ("cls",) and self.owners and how is How.CALLED:
            parts = tuple(self.owners[-1].split("."))
        if self.names is not None and not self.names & {*parts, *name_of(start)}:  # type: ignore[operator]
            return
        owner, row = "", node.lineno + self.above
        if start is None and not kind:
            if parts[0] in _OWN and self.owners and len(parts) > 1:
                owner = self.owners[-1]
            else:
                frame = innermost(self.frames, parts[0])
                start = frame.links.get(parts[0]) if frame else None
                if frame and start is None:
                    self.own.setdefault((".".join(self.scope), parts[0]), row)
                    kind = frame.kinds.get(parts[0], "")
                    if not kind or len(parts) == 1:
                        return
        scope = ".".join(self.scope)
        use = Use(row, scope, parts, how, call, start, owner, kind, self.said)
        self.found.append(use)
