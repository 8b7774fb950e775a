# SPDX-License-Identifier: Apache-2.0
"""What the statements of a scope bind, and where an import leads."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """What an imported name stands for: a module, or a name of one."""

    module: str
    name: str = ""


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


def blocks(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """All statements, those of inner scopes too, in the order of `ast.walk`."""
    todo: deque[ast.AST] = deque(body)
    while todo:
        node = todo.popleft()
        yield node
        for part in ("body", "handlers", "orelse", "finalbody", "cases"):
            if isinstance(inner := getattr(node, part, None), list):
                todo += inner


def absolute(node: ast.ImportFrom, path: str) -> str:
    """The module that an import is from, without leading dots."""
    if not node.level:
        return node.module or ""
    parts = dotted(path).split(".")
    up = node.level - path.endswith("/__init__.py")
    parts = parts[: len(parts) - up]
    return ".".join([*parts, *([node.module] if node.module else [])])


def linked(node: ast.Import | ast.ImportFrom, path: str) -> dict[str, Link]:
    """The names that an import binds."""
    if isinstance(node, ast.ImportFrom):
        where = absolute(node, path)
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
