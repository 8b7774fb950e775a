# SPDX-License-Identifier: Apache-2.0
"""Where a file builds a class, or calls a function, by counting positions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.scopes import Link, linked
from scripts.port.merge.signature import Making
from scripts.port.names.library import Library
from scripts.port.names.modules import Chunk, Module

_ASKS = {
    *("isinstance", "issubclass", "cast", "TypeVar", "TypeAdapter", "fields"),
    *("is_dataclass", "hasattr", "getattr", "get_type_hints", "type", "spec_set"),
    *("field", "replace", "assert_type", "resolve_obj_by_qualname"),
}
"""Functions that take a class and do not build one by position."""
_SELF = {"cls", "type(self)", "self.__class__"}
_BUILD = {"partial", "partialmethod", "map", "starmap"}
"""Those that call what they are given."""


@dataclass(frozen=True)
class Target:
    """What is looked for."""

    made: Definition
    common: int
    """How many positions are safe to count."""
    library: Library


@dataclass(frozen=True)
class Spot:
    """One use that may tell positions apart, or a class that is built alike."""

    path: str
    row: int
    text: str
    what: str
    counts: bool = True
    """Whether it is seen to count; else nobody can see what it does."""
    below: str = ""
    """Name of a class that is built as the one that is looked for."""


@dataclass
class _File:
    """One file, with the way up from each node."""

    path: str
    target: Target
    above: Mapping[ast.AST, ast.AST]
    links: Mapping[str, Link]
    words: frozenset[str]
    first: int
    """How many lines of the file come before the nodes' first."""

    def is_it(self, node: ast.AST) -> bool:
        parts = _parts(node)
        if not parts or not (parts[-1] in self.words or parts[0] in self.words):
            return False
        start = self.links.get(parts[0])
        found = self.target.library.chain(self.path, parts, start)
        want = self.target.made
        return isinstance(found, Definition) and (
            (found.home, found.name) == (want.home, want.name)
        )

    def spot(
        self, node: ast.expr | ast.pattern | ast.stmt, what: str, counts: bool = True
    ) -> Spot:
        line = " ".join(ast.unparse(node).split())
        text = line if len(line) < 60 else f"{line[:57]}..."
        return Spot(self.path, node.lineno + self.first, text, what, counts)


def spots(path: str, found: Module, target: Target) -> Iterator[Spot]:
    """The uses of a name in a file that may count its positions.

    Args:
        path: The file.
        found: It, read.
        target: The name.
    """
    links: dict[str, Link] = {}
    for chunk in found.chunks:
        for node in _nodes(chunk):
            if isinstance(node, ast.Import | ast.ImportFrom):
                links |= linked(node, path)
    name = target.made.name
    words = {name, *(b for b, link in links.items() if link.name == name)}
    # What the top of the file imports is followed through its own table.
    inner = {b: link for b, link in links.items() if b not in found.links}
    apart = target.made.making is Making.TUPLE or any(
        b"astuple" in chunk.source for chunk in found.chunks
    )
    for chunk in found.chunks:
        nodes = _nodes(chunk)
        above = {c: node for node in nodes for c in ast.iter_child_nodes(node)}
        file = _File(path, target, above, inner, frozenset(words), chunk.above)
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                yield from _class(file, node)
            elif isinstance(node, ast.Name | ast.Attribute) and file.is_it(node):
                yield from _use(file, node)
        if apart:
            yield from _apart(file, nodes)


def _nodes(chunk: Chunk) -> list[ast.AST]:
    return list(ast.walk(ast.Module(chunk.body, [])))


def _parts(node: ast.AST) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _called(node: ast.AST | None) -> str:
    """Last part of the dotted name that is called; nothing of all else."""
    parts = _parts(node.func) if isinstance(node, ast.Call) else []
    return parts[-1] if parts else ""


def _use(file: _File, node: ast.Name | ast.Attribute) -> Iterator[Spot]:
    up = file.above.get(node)
    if isinstance(up, ast.Call) and up.func is node:
        yield from _call(file, up, 0)
    elif isinstance(up, ast.Attribute):
        call = file.above.get(up)
        if up.attr == "_make":
            yield file.spot(up, "makes it of a list")
        elif up.attr == "__init__" and isinstance(call, ast.Call):
            yield from _call(file, call, 1)
    elif isinstance(up, ast.MatchClass):
        if len(up.patterns) > file.target.common:
            yield file.spot(up, f"counts {len(up.patterns)} of")
    elif isinstance(node.ctx, ast.Load) and not _safe(file, node):
        counts = _called(up) in _BUILD
        if counts or file.target.made.sort is Sort.CLASS:
            at = up if isinstance(up, ast.expr) else node
            yield file.spot(at, "hands on what builds", counts)


def _call(file: _File, call: ast.Call, given: int) -> Iterator[Spot]:
    count = len(call.args) - given
    if any(isinstance(arg, ast.Starred) for arg in call.args):
        yield file.spot(call, "gives a list of arguments to")
    elif count > file.target.common:
        yield file.spot(call, f"gives {count} arguments by position to")


def _safe(file: _File, node: ast.AST) -> bool:
    """Whether a class is only asked for, or said as a type."""
    child, up = node, file.above.get(node)
    while isinstance(up, ast.expr):
        if isinstance(up, ast.Call):
            return _called(up) in _ASKS
        if isinstance(up, ast.Subscript) and up.slice is child:
            return True
        if isinstance(up, ast.Compare):
            return True
        if isinstance(up, ast.BinOp) and isinstance(up.op, ast.BitOr):
            return True
        child, up = up, file.above.get(up)
    if isinstance(up, ast.arg | ast.ExceptHandler | ast.ClassDef):
        return True
    if isinstance(up, ast.AnnAssign):
        return up.annotation is child
    if isinstance(up, ast.FunctionDef | ast.AsyncFunctionDef):
        return up.returns is child
    if isinstance(up, ast.keyword):
        return up.arg == "default_factory"
    return isinstance(up, ast.Expr)


def _class(file: _File, node: ast.ClassDef) -> Iterator[Spot]:
    """The class itself, and those below it: they build it by other names."""
    made = file.target.made
    top = isinstance(file.above.get(node), ast.Module)
    itself = top and (file.path, node.name) == (made.home, made.name)
    below = any(file.is_it(base) for base in node.bases)
    if not (itself or below):
        return
    own = any(
        isinstance(n, ast.FunctionDef) and n.name == "__init__" for n in node.body
    )
    if below and not own and top:
        yield Spot(
            file.path, node.lineno + file.first, node.name, "is", below=node.name
        )
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        said = ast.unparse(call.func)
        above = said.startswith("super(") and said.endswith(").__init__")
        if (below and above) or (itself and said in _SELF):
            yield from _call(file, call, 0)
        elif itself and said == "cls._make":
            yield file.spot(call, "makes it of a list")


def _number(node: ast.expr) -> int | None:
    """A whole number that is written down; None for all else."""
    minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    if not isinstance(inner, ast.Constant) or type(inner.value) is not int:
        return None
    return -inner.value if minus else inner.value


def _apart(file: _File, nodes: list[ast.AST]) -> Iterator[Spot]:
    """Where a file that has the name takes as many values apart as it has."""
    count = len(file.target.made.fields)
    for node in nodes:
        if _called(node) == "astuple" and isinstance(node, ast.Call):
            yield file.spot(node, "makes a tuple, maybe of")
        if isinstance(node, ast.Subscript):
            index = _number(node.slice)
            if index is not None and (index < 0 or file.target.common <= index < count):
                yield file.spot(node, f"takes value {index}, maybe of")
        if not isinstance(node, ast.Assign | ast.For | ast.comprehension):
            continue
        left = node.targets[0] if isinstance(node, ast.Assign) else node.target
        size = len(left.elts) if isinstance(left, ast.Tuple | ast.List) else 0
        if file.target.common < size <= count:
            yield file.spot(left, f"takes {size} values apart, maybe of")
