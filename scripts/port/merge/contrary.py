# SPDX-License-Identifier: Apache-2.0
"""Whether one test asks the contrary of another, as it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator


def opposite(a: str, b: str) -> bool:
    """Whether what one test asks for is what the other asks not to be.

    It is enough that one part of them, of those that both have, is asked for by the
    one alone, and refused by the other alone.

    >>> opposite("x", "not x"), opposite("a == b", "a != b"), opposite("a", "b")
    (True, True, False)
    >>> opposite("a or b", "not a and not b"), opposite("!x", "x")
    (True, True)
    >>> opposite("x", "x is False"), opposite("x", "not (x and y)")
    (True, True)
    >>> opposite("x and y", "x"), opposite("f(not x, y=1)", "f(x, y=1)")
    (False, True)
    >>> opposite("f(x) and y", "not g(x) and y"), opposite("any(a)", "not any(a)")
    (False, True)
    >>> opposite("x", "not bool(x)"), opposite("bool(x)", "x")
    (True, False)
    >>> opposite("x not in [a, b]", "x in [c]"), opposite("x == 1", "x == 2")
    (True, False)
    >>> opposite("ifdef X", "ifndef X"), opposite("a && b", "a && !b")
    (True, True)
    """
    one, two = _parsed(a), _parsed(b)
    if one is None or two is None:
        bare = [re.sub(r"[()!\s]", "", text) for text in (a, b)]
        return bare[0] == bare[1] and a.count("!") % 2 != b.count("!") % 2
    left, right = set(_parts(one, True)), set(_parts(two, True))
    return any(
        (part, not wanted) in right
        and (part, wanted) not in right
        and (part, not wanted) not in left
        for part, wanted in left
    )


def _parsed(text: str) -> ast.expr | None:
    """A test, of C++ as if it were Python; None where it cannot be read so."""
    as_python = re.sub(r"^ifndef (.*)", r"not \1", text.strip())
    as_python = re.sub(r"^ifdef (.*)", r"\1", as_python)
    for old, new in (("&&", " and "), ("||", " or "), ("::", "."), ("->", ".")):
        as_python = as_python.replace(old, new)
    as_python = re.sub(r"!(?!=)", " not ", as_python).strip()
    try:
        return ast.parse(f"({as_python})", mode="eval").body
    except SyntaxError:
        return None


_CONTRARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.NotEq: ast.Eq,
    ast.IsNot: ast.Is,
    ast.NotIn: ast.In,
    ast.GtE: ast.Lt,
    ast.LtE: ast.Gt,
}
_NAMED = (ast.Eq, ast.Is, ast.In)
"""Those that ask for what is said: what is not of one is not asked for by another."""
_BOOL = ast.dump(ast.Name("bool", ast.Load()))
_FALSE = (False, 0)
"""What a value that is no is the same as; None is asked for by itself."""


def _parts(node: ast.expr, wanted: bool) -> Iterator[tuple[str, bool]]:
    """What a test asks for, and what it asks not to be."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from _parts(node.operand, not wanted)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _parts(value, wanted)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _compared(node, wanted)
    elif isinstance(node, ast.Call) and ast.dump(node.func) == _BOOL and node.args:
        yield from _parts(node.args[0], wanted)
    elif isinstance(node, ast.Call):
        # `any(not x ...)`, `skipif(not x)`: of what it is given, with no "not".
        plain = [_plain(a) for a in node.args]
        turned = sum(flipped for _, flipped in plain) % 2
        args = [ast.dump(a) for a, _ in plain]
        said = (ast.dump(node.func), args, [ast.dump(k) for k in node.keywords])
        yield str(said), wanted is not bool(turned)
    else:
        yield ast.dump(node), wanted


def _plain(node: ast.expr) -> tuple[ast.expr, bool]:
    """An argument without its "not", and whether it had one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner, turned = _plain(node.operand)
        return inner, not turned
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        op = type(node.ops[0])
        other = _CONTRARY.get(op, op)
        return ast.Compare(node.left, [other()], node.comparators), other is not op
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        inner, turned = _plain(node.elt)
        return ast.GeneratorExp(inner, node.generators), turned
    return node, False


def _compared(node: ast.Compare, wanted: bool) -> Iterator[tuple[str, bool]]:
    op, right = type(node.ops[0]), node.comparators[0]
    plain = _CONTRARY.get(op, op)
    wanted = wanted is (plain is op)
    if plain in (ast.Eq, ast.Is) and isinstance(right, ast.Constant):
        said = right.value
        if said is True or (said is not None and said in _FALSE):
            yield from _parts(node.left, wanted is (said is True))
            return
    yield ast.dump(ast.Compare(node.left, [plain()], [right])), wanted
    none = isinstance(right, ast.Constant) and right.value is None
    if plain in _NAMED and not none:
        yield f"{ast.dump(node.left)} among those that are said", wanted
