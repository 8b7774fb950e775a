# SPDX-License-Identifier: Apache-2.0
"""What a function takes, and what a class is built with, by position or by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum


@dataclass(frozen=True)
class Param:
    """A parameter of a function, or a field that a class is built with."""

    name: str
    default: str | None
    """Its source; None where one has to be given."""
    annotation: str = ""
    by_position: bool = True
    by_name: bool = True


class Making(Enum):
    """Where the parameters of a class come from."""

    WRITTEN = "its own `__init__`, or that of a class above"
    FIELDS = "its fields, behind those of the classes above"
    """A dataclass, or one of attrs."""
    STRUCT = "its fields, as a msgspec.Struct"
    """Classes below it are built so too."""
    TUPLE = "the elements of a named tuple"


_MAKERS = {
    *("dataclass", "pydantic_dataclass", "define", "frozen", "mutable", "attrs"),
    "config",  # vLLM's own dataclass_transform
}
_OLD_ATTRS = {"s", "attrs", "attributes"}
_TUPLES = {"NamedTuple", "namedtuple"}


def source(node: ast.AST | None) -> str | None:
    """A node as text, in one spelling."""
    return None if node is None else ast.unparse(node)


def last(node: ast.expr) -> str:
    """The last word of what is called or named."""
    inner = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(inner).rpartition(".")[2]


def taken(a: ast.arguments) -> tuple[Param, ...]:
    """The parameters of a function."""
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + [*a.defaults]
    params = [
        Param(p.arg, source(d), source(p.annotation) or "", True, p in a.args)
        for p, d in zip(plain, defaults, strict=True)
    ]
    params += [
        Param(p.arg, source(d), source(p.annotation) or "", False)
        for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)
    ]
    return tuple(params)


def making(node: ast.ClassDef) -> Making:
    """How a class is built, as far as its own statement says."""
    bases = [last(base) for base in node.bases]
    if any(base in _TUPLES for base in bases):
        return Making.TUPLE
    if "Struct" in bases:
        return Making.STRUCT
    for one in node.decorator_list:
        old = last(one) in _OLD_ATTRS and _asked(one, "auto_attribs")
        if (last(one) in _MAKERS or old) and not _asked(one, "init", "False"):
            return Making.FIELDS
    return Making.WRITTEN


def _asked(node: ast.expr | ast.ClassDef, name: str, value: str = "True") -> bool:
    found = node.keywords if isinstance(node, ast.Call | ast.ClassDef) else []
    return any(k.arg == name and ast.unparse(k.value) == value for k in found)


def frozen(node: ast.ClassDef, how: Making) -> bool:
    """Whether nothing of an instance can be set."""
    marks = node.decorator_list
    if how is Making.TUPLE or any(last(one) == "frozen" for one in marks):
        return True
    return _asked(node, "frozen") or any(_asked(one, "frozen") for one in marks)


def slots(
    node: ast.ClassDef, body: Sequence[ast.stmt], own: Sequence[Param]
) -> frozenset[str] | None:
    """The attributes that a class has a place for; None where any may be set."""
    if any(_asked(one, "slots") for one in node.decorator_list):
        return frozenset(p.name for p in own)
    for inner in body:
        if isinstance(inner, ast.Assign) and ast.unparse(inner.targets[0]) == (
            "__slots__"
        ):
            try:
                said = ast.literal_eval(inner.value)
            except ValueError:
                return None
            return frozenset([said] if isinstance(said, str) else said)
    return None


def fields(node: ast.ClassDef, body: Sequence[ast.stmt]) -> Iterator[Param]:
    """The fields of a class that it is built with, were it one of fields.

    Args:
        node: The class.
        body: Its statements, those in blocks of it too.
    """
    named = _asked(node, "kw_only") or any(
        _asked(one, "kw_only") for one in node.decorator_list
    )
    for inner in body:
        if not isinstance(inner, ast.AnnAssign):
            continue
        if not isinstance(inner.target, ast.Name):
            continue
        kind = ast.unparse(inner.annotation)
        if kind.rpartition(".")[2] == "KW_ONLY":
            named = True
        elif "ClassVar" not in kind:
            one = _field(inner, kind)
            if one is not None:
                yield replace(one, by_position=one.by_position and not named)


def _field(node: ast.AnnAssign, kind: str) -> Param | None:
    assert isinstance(node.target, ast.Name)
    kind = (
        kind.removeprefix("InitVar[").removesuffix("]") if "InitVar" in kind else kind
    )
    made = Param(node.target.id, source(node.value), kind)
    value = node.value
    if not isinstance(value, ast.Call) or last(value) not in ("field", "ib", "Field"):
        return made
    if _asked(value, "init", "False"):
        return None
    given = {k.arg for k in value.keywords}
    optional = bool(given & {"default", "default_factory", "factory"} or value.args)
    default = made.default if optional else None
    return replace(made, default=default, by_position=not _asked(value, "kw_only"))


def tuple_of(value: ast.expr) -> tuple[Param, ...] | None:
    """The elements of what `namedtuple` or `NamedTuple` makes; None for any other."""
    if not isinstance(value, ast.Call) or last(value) not in _TUPLES:
        return None
    if len(value.args) < 2:
        return None
    names: list[str] = []
    listed = value.args[1]
    if isinstance(listed, ast.Constant) and isinstance(listed.value, str):
        names = listed.value.replace(",", " ").split()
    elif isinstance(listed, ast.List | ast.Tuple):
        for one in listed.elts:
            inner = one.elts[0] if isinstance(one, ast.Tuple) and one.elts else one
            if not isinstance(inner, ast.Constant):
                return None
            names.append(str(inner.value))
    else:
        return None
    given = next((k.value for k in value.keywords if k.arg == "defaults"), None)
    elements = given.elts if isinstance(given, ast.List | ast.Tuple) else []
    defaults = [None] * (len(names) - len(elements)) + [source(e) for e in elements]
    return tuple(Param(n, d) for n, d in zip(names, defaults, strict=False))
