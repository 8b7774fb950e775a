# SPDX-License-Identifier: Apache-2.0
"""What one name of a module or class is, as its statement says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache

from scripts.port.merge.bodies import attributes, own_nodes, returned
from scripts.port.merge.scopes import statements, targets
from scripts.port.merge.signature import (
    Making,
    Param,
    fields,
    frozen,
    last,
    making,
    slots,
    source,
    taken,
    tuple_of,
)
from scripts.port.merge.values import keys_of, literal_of, made_of


class Sort(Enum):
    """What a name stands for."""

    FUNCTION = "a function"
    CLASS = "a class"
    VALUE = "a value"
    """What an assignment makes, or a field that is only annotated."""
    MODULE = "a module"


@dataclass(frozen=True)
class Definition:
    """What one name of a module or class is."""

    name: str
    sort: Sort
    params: tuple[Param, ...] | None = None
    """None where they are not known; those of a class with others above are
    known to `Library`, which reads them."""
    more: frozenset[str] = frozenset()
    """`*` and `**`, where any more arguments are taken."""
    gives: str = ""
    """What comes back or is held: an annotation, or the kind of a collection."""
    made_by: str = ""
    """What is called to make a value."""
    bound: bool = False
    """Whether it is reached through an instance, which is its first argument."""
    marks: frozenset[str] = frozenset()
    """`async`, `generator`, and the decorators of `MARKS`."""
    bases: tuple[str, ...] = ()
    making: Making = Making.WRITTEN
    fields: tuple[Param, ...] = ()
    """Of a class, its own."""
    members: Mapping[str, Definition] = field(default_factory=dict)
    literal: str = ""
    """Of a value that is written out: a number, a text, or yes or no."""
    keys: frozenset[str] | None = None
    """Of a dict, as far as its statement says them all."""
    frozen: bool = False
    """Of a class: whether nothing of an instance can be set."""
    slots: frozenset[str] | None = None
    """Of a class: the only attributes that an instance may have; None for any."""
    home: str = ""
    """Path of the module that defines it; for a module its dotted name."""
    again: bool = False
    """Whether there are several of the name, so that none is the one."""
    nodes: tuple[ast.AST, ...] = field(default=(), compare=False, repr=False)
    """The statements that make it."""


_GLOBAL = re.compile(rb"^[ \t]+global \w", re.MULTILINE)
ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}
MARKS = {
    *("property", "staticmethod", "classmethod", "cached_property"),
    *("abstractmethod", "fixture", "contextmanager", "asynccontextmanager"),
}


def defined(node: ast.stmt, path: str, text: bytes) -> Iterator[Definition]:
    """What a statement binds by other than an import.

    Args:
        node: The statement.
        path: Its file.
        text: Source that holds it: a word that it lacks is not looked for.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield _function(node, path, text)
        for inner in ast.walk(node) if _says_global(text) else ():
            if isinstance(inner, ast.Global):
                for name in inner.names:
                    yield Definition(name, Sort.VALUE, home=path)
    elif isinstance(node, ast.ClassDef):
        yield _class(node, path, text)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        gives, keys = ast.unparse(node.annotation), keys_of(node.value)
        literal = literal_of(node.value)
        yield Definition(
            node.target.id,
            Sort.VALUE,
            gives=gives,
            literal=literal,
            keys=keys,
            home=path,
            nodes=(node,),
        )
    elif isinstance(node, ast.Assign):
        yield from _assigned(node, path)
    elif not isinstance(node, ast.AugAssign):
        for name in targets(node):
            yield Definition(name, Sort.VALUE, home=path, again=True, nodes=(node,))


def _assigned(node: ast.Assign, path: str) -> Iterator[Definition]:
    params = tuple_of(node.value)
    gives = made_of(node.value)
    keys, literal = keys_of(node.value), literal_of(node.value)
    call = node.value.func if isinstance(node.value, ast.Call) else None
    made_by = ast.unparse(call) if isinstance(call, ast.Name | ast.Attribute) else ""
    for name in targets(node):
        if params is None:
            yield Definition(
                name,
                Sort.VALUE,
                gives=gives,
                made_by=made_by,
                literal=literal,
                keys=keys,
                home=path,
                nodes=(node,),
            )
        else:
            yield Definition(
                name,
                Sort.CLASS,
                params,
                home=path,
                making=Making.TUPLE,
                fields=params,
                nodes=(node,),
            )


@lru_cache(maxsize=64)
def _says_global(text: bytes) -> bool:
    """Whether a text has such a statement: the word alone is in many a comment."""
    return b"global " in text and bool(_GLOBAL.search(text))


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, path: str, text: bytes
) -> Definition:
    marks = {m for d in node.decorator_list if (m := last(d)) in MARKS}
    if isinstance(node, ast.AsyncFunctionDef):
        marks.add("async")
    if b"yield" in text and any(
        isinstance(n, ast.Yield | ast.YieldFrom) for n in own_nodes(node)
    ):
        marks.add("generator")
    more = {"*"} if node.args.vararg else set()
    more |= {"**"} if node.args.kwarg else set()
    return Definition(
        node.name,
        Sort.FUNCTION,
        taken(node.args),
        frozenset(more),
        source(node.returns) or returned(node),
        marks=frozenset(marks),
        home=path,
        nodes=(node,),
    )


def _class(node: ast.ClassDef, path: str, text: bytes) -> Definition:
    members: dict[str, Definition] = {}
    body = list(statements(node.body))
    for inner in body:
        for found in defined(inner, path, text):
            was = members.get(found.name)
            if was and "property" in was.marks and _accessor(inner, found.name):
                found = replace(was, marks=was.marks | {"settable"})
            members[found.name] = found
    for name, nodes in attributes(body).items():
        # Methods may set it to many things, so that only its name is known.
        one = Definition(name, Sort.VALUE, home=path, again=True, nodes=tuple(nodes))
        members.setdefault(name, one)
    bases = tuple(ast.unparse(b) for b in node.bases)
    if any(base.rpartition(".")[2] in ENUMS for base in bases):
        members = {name: _member(one) for name, one in members.items()}
    own, how = tuple(fields(node, body)), making(node)
    params: tuple[Param, ...] | None = None
    more: frozenset[str] = frozenset()
    if how is Making.TUPLE or (how is Making.FIELDS and not bases):
        params = own
    elif start := members.get("__init__"):
        params, more, how = (start.params or ())[1:], start.more, Making.WRITTEN
    return Definition(
        node.name,
        Sort.CLASS,
        params,
        more,
        bases=bases,
        making=how,
        fields=own,
        members=members,
        home=path,
        frozen=frozen(node, how),
        slots=slots(node, body, own),
        nodes=(node,),
    )


def _member(one: Definition) -> Definition:
    """A member of an enum: what it is made of is its `value`."""
    if one.sort is not Sort.VALUE or not one.literal:
        return one
    value = Definition("value", Sort.VALUE, literal=one.literal, home=one.home)
    return replace(one, literal="", members={"value": value})


def _accessor(node: ast.stmt, name: str) -> bool:
    """Whether a method sets the property of its name."""
    marks = getattr(node, "decorator_list", [])
    return any(ast.unparse(mark) == f"{name}.setter" for mark in marks)
