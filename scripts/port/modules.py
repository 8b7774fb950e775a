# SPDX-License-Identifier: Apache-2.0
"""What a Python module offers to those that import it, read and never run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, lru_cache

from tree_sitter import Node

from scripts.port.languages import text, tree


class Sort(Enum):
    """What a name stands for."""

    FUNCTION = "a function"
    CLASS = "a class"
    VALUE = "a value"
    """What an assignment makes, or a field that is only annotated."""
    MODULE = "a module"


@dataclass(frozen=True)
class Param:
    """A parameter of a function, or a field that a class is built with."""

    name: str
    default: str | None
    """Its source; None where one has to be given."""
    annotation: str = ""
    by_position: bool = True
    by_name: bool = True


@dataclass(frozen=True)
class Definition:
    """What one name of a module or class is."""

    name: str
    sort: Sort
    params: tuple[Param, ...] | None = None
    """None where they are not known, as of a class whose base is not read."""
    more: frozenset[str] = frozenset()
    """`*` and `**`, where any more arguments are taken."""
    gives: str = ""
    """What comes back or is held: an annotation, or the kind of a collection."""
    marks: frozenset[str] = frozenset()
    """`async`, `generator`, `property`, `staticmethod`, `classmethod`."""
    bases: tuple[str, ...] = ()
    members: Mapping[str, Definition] = field(default_factory=dict)
    home: str = ""
    """Path of the module that defines it; for a module its dotted name."""
    again: bool = False
    """Whether there are several of the name, so that none is the one."""


@dataclass(frozen=True)
class Link:
    """What an imported name stands for: a module, or a name of one."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class Chunk:
    """One statement at the top of a file; it is parsed when it is asked for."""

    path: str
    source: bytes
    row: int
    """Line that it starts at, from 1."""

    @cached_property
    def body(self) -> list[ast.stmt]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(b"\n" * (self.row - 1) + self.source).body

    @cached_property
    def defined(self) -> dict[str, list[Definition]]:
        """What it binds; a block of many names is gone through once."""
        found: dict[str, list[Definition]] = {}
        for node in statements(self.body):
            for made in _defined(node, self.path):
                found.setdefault(made.name, []).append(made)
        return found

    @property
    def rows(self) -> range:
        return range(self.row, self.row + self.source.count(b"\n") + 1)


@dataclass(frozen=True)
class Module:
    """One file: what stands at its top, and where."""

    chunks: tuple[Chunk, ...]
    places: Mapping[str, tuple[Chunk, ...]]
    """Where each name is bound by other than an import."""
    links: Mapping[str, Link]
    stars: tuple[str, ...]
    """Modules of which it takes everything."""
    known: dict[str, Definition | None] = field(default_factory=dict)
    """What `get` found before."""

    @property
    def opens(self) -> bool:
        """Whether it has a `__getattr__`, so that names may come from anywhere."""
        return "__getattr__" in self.places

    def get(self, name: str) -> Definition | None:
        """What a name is; None where it is not bound here."""
        if name not in self.known:
            found = [
                made
                for chunk in self.places.get(name, ())
                for made in chunk.defined.get(name, ())
            ]
            one = found[-1] if found else None
            several = one is not None and len(found) > 1
            self.known[name] = replace(one, again=True) if one and several else one
        return self.known[name]


MARKS = {"property", "staticmethod", "classmethod", "cached_property"}
_MADE = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
}


@lru_cache(maxsize=1024)
def module(path: str, data: bytes) -> Module | None:
    """Read a file; None where it does not parse."""
    root = tree(path, data)
    if root is None or root.has_error:
        return None
    chunks: list[Chunk] = []
    places: dict[str, list[Chunk]] = {}
    links: dict[str, Link] = {}
    stars: list[str] = []
    try:
        for node in root.named_children:
            if node.type == "comment":
                continue
            chunk = Chunk(path, text(node), node.start_point[0] + 1)
            chunks.append(chunk)
            for name in _bound(node, chunk, links, stars):
                places.setdefault(name, []).append(chunk)
    except (SyntaxError, ValueError):
        return None  # Python's own parser is stricter
    at = {name: tuple(found) for name, found in places.items()}
    return Module(tuple(chunks), at, links, tuple(stars))


def _bound(
    node: Node, chunk: Chunk, links: dict[str, Link], stars: list[str]
) -> Iterator[str]:
    """Names that a statement at the top binds; imports go to `links`."""
    inner = node.child_by_field_name("definition") or node
    if inner.type in ("function_definition", "class_definition"):
        yield text(inner.child_by_field_name("name")).decode("utf-8", "replace")
        for names in re.findall(rb"^\s+global ([\w, ]+)", chunk.source, re.MULTILINE):
            yield from names.decode().replace(" ", "").split(",")
        return
    if inner.type == "expression_statement" and inner.named_children:
        first = inner.named_children[0]
        left = first.child_by_field_name("left")
        if first.type != "assignment":
            return
        if left is not None and left.type == "identifier":
            right = first.child_by_field_name("right")
            if right is None or right.type != "assignment":
                yield text(left).decode("utf-8", "replace")
                return
    for found in statements(chunk.body):
        if isinstance(found, ast.Import | ast.ImportFrom):
            links |= linked(found, chunk.path)
            if isinstance(found, ast.ImportFrom) and found.names[0].name == "*":
                stars.append(_absolute(found, chunk.path))
            continue
        for made in _defined(found, chunk.path):
            yield made.name


def dotted(path: str) -> str:
    """Name of a file's module.

    >>> dotted("vllm/utils/__init__.py"), dotted("vllm/envs.py")
    ('vllm.utils', 'vllm.envs')
    """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements that run in a scope: those in blocks of it, too."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, part, []))
        for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from statements(inner.body)


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if not node.level:
        return node.module or ""
    parts = dotted(path).split(".")
    up = node.level - path.endswith("/__init__.py")
    parts = parts[: len(parts) - up]
    return ".".join([*parts, *([node.module] if node.module else [])])


def linked(node: ast.Import | ast.ImportFrom, path: str) -> dict[str, Link]:
    """The names that an import binds."""
    if isinstance(node, ast.ImportFrom):
        where = _absolute(node, path)
        return {a.asname or a.name: Link(where, a.name) for a in node.names}
    return {
        a.asname or a.name.partition(".")[0]: Link(
            a.name if a.asname else a.name.partition(".")[0]
        )
        for a in node.names
    }


def targets(node: ast.stmt) -> Iterator[str]:
    """Names that a statement binds by assigning to them."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        found = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For | ast.AsyncFor):
        found = [node.target]
    elif isinstance(node, ast.With | ast.AsyncWith):
        found = [i.optional_vars for i in node.items if i.optional_vars]
    elif isinstance(node, ast.Global):
        yield from node.names
    for target in found:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id


def _defined(node: ast.stmt, path: str) -> Iterator[Definition]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield _function(node, path)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Global):
                for name in inner.names:
                    yield Definition(name, Sort.VALUE, home=path)
    elif isinstance(node, ast.ClassDef):
        yield _class(node, path)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        gives = ast.unparse(node.annotation)
        yield Definition(node.target.id, Sort.VALUE, gives=gives, home=path)
    elif isinstance(node, ast.Assign):
        gives = _made(node.value)
        for name in targets(node):
            yield Definition(name, Sort.VALUE, gives=gives, home=path)
    elif not isinstance(node, ast.AugAssign):
        for name in targets(node):
            yield Definition(name, Sort.VALUE, home=path, again=True)


def _made(value: ast.expr) -> str:
    """The kind of collection that an expression makes; empty for another thing."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        name = value.func.id
        return name if name in ("set", "frozenset", "list", "dict", "tuple") else ""
    return _MADE.get(type(value), "")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> Definition:
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + [*a.defaults]
    params = [
        Param(p.arg, _source(d), _source(p.annotation) or "", True, p in a.args)
        for p, d in zip(plain, defaults, strict=True)
    ]
    params += [
        Param(p.arg, _source(d), _source(p.annotation) or "", False)
        for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)
    ]
    marks = {m for d in node.decorator_list if (m := _last(d)) in MARKS}
    if isinstance(node, ast.AsyncFunctionDef):
        marks.add("async")
    inside = list(_own(node))
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in inside):
        marks.add("generator")
    gives = _source(node.returns) or _returned(inside)
    more = {"*"} if a.vararg else set()
    more |= {"**"} if a.kwarg else set()
    return Definition(
        node.name,
        Sort.FUNCTION,
        tuple(params),
        frozenset(more),
        gives,
        frozenset(marks),
        home=path,
    )


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from _own(child)


def _returned(inside: list[ast.AST]) -> str:
    """How many values come back, where every way out agrees on more than one."""
    found = [n.value for n in inside if isinstance(n, ast.Return)]
    sizes = {len(v.elts) if isinstance(v, ast.Tuple) else 1 for v in found if v}
    return f"{sizes.pop()} values" if len(sizes) == 1 and found else ""


def _source(node: ast.AST | None) -> str | None:
    return None if node is None else ast.unparse(node)


def _last(node: ast.expr) -> str:
    inner = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(inner).rpartition(".")[2]


def _class(node: ast.ClassDef, path: str) -> Definition:
    members: dict[str, Definition] = {}
    fields: list[Param] = []
    for inner in statements(node.body):
        for found in _defined(inner, path):
            members[found.name] = found
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            kind = ast.unparse(inner.annotation)
            if "ClassVar" not in kind:
                default = _source(inner.value)
                fields.append(Param(inner.target.id, default, kind))
    bases = tuple(ast.unparse(b) for b in node.bases)
    made = any(_last(d) == "dataclass" for d in node.decorator_list)
    tuples = any(b.rpartition(".")[2] == "NamedTuple" for b in bases)
    params: tuple[Param, ...] | None = None
    more: frozenset[str] = frozenset()
    if (made and not bases) or tuples:
        params = tuple(fields)
    elif start := members.get("__init__"):
        params, more = (start.params or ())[1:], start.more
    return Definition(
        node.name, Sort.CLASS, params, more, bases=bases, members=members, home=path
    )
