# SPDX-License-Identifier: Apache-2.0
"""What the statements in a function or a class say of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.port.merge.scopes import statements


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, functions in it apart."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from own_nodes(child)


def returned(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """How many values come back, where every way out agrees; `None` for nothing."""
    found = [s.value for s in statements(node.body) if isinstance(s, ast.Return)]
    if not any(found) and not _stub(node.body[-1]):
        return "None"
    sizes = {len(v.elts) if isinstance(v, ast.Tuple) else 1 for v in found if v}
    if len(sizes) != 1:
        return ""
    count = sizes.pop()
    return f"{count} values" if count > 1 else "a value"


def _stub(last: ast.stmt) -> bool:
    """Whether what a function does is left to others, or never comes back."""
    return isinstance(last, ast.Pass | ast.Expr | ast.Raise) and not isinstance(
        getattr(last, "value", None), ast.Call | ast.Await | ast.Yield | ast.YieldFrom
    )


def attributes(body: list[ast.stmt]) -> dict[str, list[ast.AST]]:
    """What the methods of a class set on `self`, and the statements that do."""
    made: dict[str, list[ast.AST]] = {}
    for method in body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in statements(method.body):
            found: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                found = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
                found = [node.target]
            elif isinstance(node, ast.With):
                found = [i.optional_vars for i in node.items if i.optional_vars]
            for target in found:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if not isinstance(one, ast.Attribute):
                        continue
                    if isinstance(one.value, ast.Name) and one.value.id == "self":
                        made.setdefault(one.attr, []).append(node)
    return made
