# SPDX-License-Identifier: Apache-2.0
"""Whether one test asks the contrary of another, as it is written."""

from __future__ import annotations

import ast


def opposite(a: str, b: str) -> bool:
    """Whether one test is the contrary of the other.

    >>> opposite("x", "not x"), opposite("a == b", "a != b"), opposite("a", "b")
    (True, True, False)
    >>> opposite("a or b", "not a and not b"), opposite("!x", "x")
    (True, True)
    """
    try:
        one, two = (ast.parse(t.strip(), mode="eval").body for t in (a, b))
    except SyntaxError:
        bare = a.removeprefix("!"), b.removeprefix("!")
        return a != b and bare[0].strip("() ") == bare[1].strip("() ")
    return ast.dump(_negated(one)) == ast.dump(_plain(two))


_CONTRARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
}
_CONTRARY |= {b: a for a, b in _CONTRARY.items()}


def _plain(node: ast.expr) -> ast.expr:
    return _negated(_negated(node))


def _negated(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = node.operand
        both = ast.BoolOp | ast.UnaryOp
        return _negated(_negated(inner)) if isinstance(inner, both) else inner
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = _CONTRARY.get(type(node.ops[0]))
        if other is not None:
            return ast.Compare(node.left, [other()], node.comparators)
    if isinstance(node, ast.BoolOp):
        op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        return ast.BoolOp(op, [_negated(v) for v in node.values])
    return ast.UnaryOp(ast.Not(), node)
