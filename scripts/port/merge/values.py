# SPDX-License-Identifier: Apache-2.0
"""What a value is, as far as its expression says."""

from __future__ import annotations

import ast

_MADE = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
}


def made_of(value: ast.expr) -> str:
    """The kind of collection that an expression makes; empty for another thing."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        name = value.func.id
        return name if name in ("set", "frozenset", "list", "dict", "tuple") else ""
    return _MADE.get(type(value), "")


_LITERALS = {int: "number", float: "number", str: "text", bytes: "bytes", bool: "flag"}


def literal_of(value: ast.expr | None) -> str:
    """Whether a value is a number, a text or another that is written out."""
    if isinstance(value, ast.UnaryOp):
        return literal_of(value.operand)
    return (
        _LITERALS.get(type(value.value), "") if isinstance(value, ast.Constant) else ""
    )


def keys_of(value: ast.expr | None) -> frozenset[str] | None:
    """Keys of a dict that is written out; None where others may come in."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "dict":
        names = [k.arg for k in value.keywords if k.arg]
        whole = not value.args and len(names) == len(value.keywords)
        return frozenset(names) if whole else None
    if not isinstance(value, ast.Dict):
        return None
    found = [k.value for k in value.keys if isinstance(k, ast.Constant)]
    if len(found) != len(value.keys):
        return None
    return frozenset(key for key in found if isinstance(key, str))
