# SPDX-License-Identifier: Apache-2.0
"""What a function says of its own names: of which class they are."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scripts.port.merge.scopes import Link, linked, statements, targets
from scripts.port.merge.values import keys_of

ELEMENT = "[]"
"""Stands behind what holds things, for the kind of one of them."""


@dataclass
class Frame:
    """The names of one function."""

    bound: set[str] = field(default_factory=set)
    links: dict[str, Link] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    """Annotation of a name, or what is called to make it."""
    dicts: dict[str, frozenset[str]] = field(default_factory=dict)
    """Keys of a name that is a dict which is written out."""

    def fill(self, node: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> None:
        """Take what the statements of the function bind."""
        body = list(statements(node.body))
        for inner in body:
            if isinstance(inner, ast.Import | ast.ImportFrom):
                self.links |= linked(inner, path)
            elif isinstance(
                inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ):
                self.bound.add(inner.name)
            elif not isinstance(inner, ast.Global):
                self.bound |= set(targets(inner))
        bound = Counter(name for inner in body for name in targets(inner))
        found = {**_annotated(node), **_made(body)}
        self.kinds = {name: kind for name, kind in found.items() if bound[name] < 2}
        self.dicts = {n: keys for n, keys in _dicts(body).items() if bound[n] < 2}


def innermost(frames: Sequence[Frame], name: str) -> Frame | None:
    """The innermost function that binds a name; None where it is from outside."""
    for frame in reversed(frames):
        if name in frame.links or name in frame.bound:
            return frame
    return None


def told(node: ast.If, frames: Sequence[Frame]) -> Frame | None:
    """The frame of a branch in which a name is of the class that its test asks for."""
    test = node.test.values[0] if isinstance(node.test, ast.BoolOp) else node.test
    if isinstance(node.test, ast.BoolOp) and not isinstance(node.test.op, ast.And):
        return None
    if not isinstance(test, ast.Call) or ast.unparse(test.func) != "isinstance":
        return None
    name, kind = (*test.args, None, None)[:2]
    if not isinstance(name, ast.Name) or not isinstance(kind, ast.Name | ast.Attribute):
        return None
    set_again = any(name.id in targets(one) for one in statements(node.body))
    if set_again or innermost(frames, name.id) is None:
        return None
    return Frame({name.id}, {}, {name.id: ast.unparse(kind)}, frames[-1].dicts)


def looped(
    node: ast.For | ast.AsyncFor | ast.comprehension, frames: Sequence[Frame]
) -> list[Frame]:
    """The frame of a loop over what an attribute of a name of known class holds."""
    parts, inner = [], node.iter
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not (
        parts and isinstance(inner, ast.Name) and isinstance(node.target, ast.Name)
    ):
        return []
    frame = innermost(frames, inner.id)
    kind = frame.kinds.get(inner.id, "") if frame else ""
    if not kind.replace(".", "").isidentifier():
        return []
    each = ".".join([kind, *reversed(parts)]) + ELEMENT
    name = node.target.id
    return [Frame({name}, {}, {name: each}, frames[-1].dicts)]


def _annotated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    return {
        a.arg: ast.unparse(a.annotation)
        for a in ast.walk(node.args)
        if isinstance(a, ast.arg) and a.annotation
    }


def _made(body: list[ast.stmt]) -> dict[str, str]:
    """Names that a call makes, and what is called."""
    found = {}
    for inner in body:
        if not isinstance(inner, ast.Assign) or not isinstance(inner.value, ast.Call):
            continue
        left, call = inner.targets[0], inner.value.func
        if isinstance(left, ast.Name) and isinstance(call, ast.Name | ast.Attribute):
            found[left.id] = ast.unparse(call)
    return found


def _dicts(body: list[ast.stmt]) -> dict[str, frozenset[str]]:
    """Names that are bound to a dict that is written out, and its keys."""
    found = {}
    for inner in body:
        if isinstance(inner, ast.Assign | ast.AnnAssign):
            keys = keys_of(inner.value)
            names = list(targets(inner)) if keys is not None else []
            if keys is not None and len(names) == 1:
                found[names[0]] = keys
    return found
