# SPDX-License-Identifier: Apache-2.0
"""Whether upstream changed what a patch uses, where nobody can say what that means.

`binding` knows what a use can meet. All else that upstream did to what the lines of a
patch use is told to whoever reads the port, so that nothing is carried without a word.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.names.used import How, Use

_LOGS = re.compile(r"(\w+\.)*(logger|logging|warnings)\.\w+")
_BUILDS = {"__init__", "__new__", "__post_init__"}


def otherwise(use: Use, old: Definition, new: Definition) -> bool:
    """Whether what a use asks of a definition reads otherwise on the new release.

    Args:
        use: The use; one that only imports a name, or names it in a text, asks nothing.
        old: What it was on the pin.
        new: What it is.
    """
    if use.how in (How.IMPORTED, How.NAMED) or not (old.nodes and new.nodes):
        return False
    if old.nodes == new.nodes:
        return False
    called = use.how is How.CALLED
    before, after = (_cores(one, called) for one in (old, new))
    if before == after:
        return False
    return not (old.sort is Sort.VALUE and _grown(old, new))


def _cores(made: Definition, called: bool) -> list[str]:
    return [part for node in made.nodes for part in _core(node, called)]


@lru_cache(maxsize=1024)
def _core(node: ast.AST, called: bool) -> tuple[str, ...]:
    """A statement as far as a use can tell, apart from prose and what it logs."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        marks = [ast.dump(mark) for mark in node.decorator_list]
        return (*marks, *(_bare(inner) for inner in _code(node.body)))
    if isinstance(node, ast.ClassDef):
        parts = [*node.decorator_list, *node.bases, *node.keywords]
        head = [ast.dump(part) for part in parts]
        return (*head, *(_built(node) if called else ()))
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return (_bare(node.value) if node.value is not None else "",)
    if isinstance(node, ast.With | ast.AsyncWith):
        return tuple(_bare(item) for item in node.items)
    if isinstance(node, ast.For | ast.AsyncFor):
        return (_bare(node.iter),)
    return (_bare(node),)


def _built(node: ast.ClassDef) -> Iterator[str]:
    """What makes an instance of a class: its fields, and the methods that build it."""
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign):
            yield ast.dump(inner)
        elif isinstance(inner, ast.FunctionDef) and inner.name in _BUILDS:
            yield from (_bare(one) for one in _code(inner.body))


def _code(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant):
                continue
            if isinstance(node.value, ast.Call):
                called = ast.unparse(node.value.func)
                if _LOGS.fullmatch(called):
                    continue
        yield node


def _bare(node: ast.AST) -> str:
    """A node without the prose and the logging in its blocks."""
    if not isinstance(node, ast.stmt) or not hasattr(node, "body"):
        return ast.dump(node)
    parts = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            rows = _code(value) if name in ("body", "orelse", "finalbody") else value
            parts.append(f"{name}[{' '.join(_bare(row) for row in rows)}]")
        elif isinstance(value, ast.AST):
            parts.append(f"{name}={_bare(value)}")
        elif name != "type_comment":
            parts.append(f"{name}={value!r}")
    return " ".join(parts)


def _grown(old: Definition, new: Definition) -> bool:
    """Whether a collection that is written out only got more elements."""
    before, after = (_elements(one) for one in (old, new))
    return before is not None and after is not None and before <= after


def _elements(made: Definition) -> set[str] | None:
    value = getattr(made.nodes[0], "value", None) if len(made.nodes) == 1 else None
    if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
        value = value.args[0]
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return {f"{ast.dump(k) if k else ''}:{ast.dump(v)}" for k, v in pairs}
    if isinstance(value, ast.Subscript):
        value = value.slice  # of `Literal`
    if isinstance(value, ast.Set | ast.List | ast.Tuple):
        return {ast.dump(one) for one in value.elts}
    return None
