# SPDX-License-Identifier: Apache-2.0
"""What a function says of its own names: of which class they are."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scripts.port.merge.scopes import Link, linked, statements, targets
from scripts.port.merge.values import keys_of


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
        for inner in statements(node.body):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                self.links |= linked(inner, path)
            elif isinstance(
                inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ):
                self.bound.add(inner.name)
            elif not isinstance(inner, ast.Global):
                self.bound |= set(targets(inner))
        self.kinds = kinds(node)
        self.dicts = dicts(node)


def innermost(frames: Sequence[Frame], name: str) -> Frame | None:
    """The innermost function that binds a name; None where it is from outside."""
    for frame in reversed(frames):
        if name in frame.links or name in frame.bound:
            return frame
    return None


def kinds(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """What is known of a function's names: annotations, and calls that make one."""
    found = {
        a.arg: ast.unparse(a.annotation)
        for a in ast.walk(node.args)
        if isinstance(a, ast.arg) and a.annotation
    }
    bound = _bound(node)
    for inner in statements(node.body):
        if not isinstance(inner, ast.Assign) or not isinstance(inner.value, ast.Call):
            continue
        left, call = inner.targets[0], inner.value.func
        if isinstance(left, ast.Name) and isinstance(call, ast.Name | ast.Attribute):
            found[left.id] = ast.unparse(call)
    return {name: kind for name, kind in found.items() if bound[name] < 2}


def dicts(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, frozenset[str]]:
    """Names that a function binds once, to a dict that is written out."""
    found = {}
    for inner in statements(node.body):
        if isinstance(inner, ast.Assign | ast.AnnAssign):
            keys = keys_of(inner.value)
            names = list(targets(inner))
            if keys is not None and len(names) == 1:
                found[names[0]] = keys
    bound = _bound(node) if found else Counter[str]()
    return {name: keys for name, keys in found.items() if bound[name] < 2}


def _bound(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Counter[str]:
    return Counter(name for s in statements(node.body) for name in targets(s))
