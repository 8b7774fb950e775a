# SPDX-License-Identifier: Apache-2.0
"""A file as nested items that have names: imports, functions, classes, members.

Items are whole lines, and every line belongs to one: what stands between two
items, blank lines and comments, belongs to the later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tree_sitter import Node

from scripts.port.merge.languages import Kind, kind, text, tree

_FUNCTIONS = {"function_definition"}
_CLASSES = {"class_definition", "class_specifier", "struct_specifier"}
_GROUPS = {
    "if_statement",
    "try_statement",
    "namespace_definition",
    "preproc_ifdef",
    "preproc_if",
    "linkage_specification",
}
IMPORTS = {
    "import_statement",
    "import_from_statement",
    "future_import_statement",
    "preproc_include",
}

_OVERLOAD = re.compile(rb"@(?:\w+\.)?overload\b")


@dataclass(frozen=True)
class Item:
    """One named stretch of a file, `data[start:end]`, in whole lines."""

    name: str
    """Unique among its siblings; a second one of a name ends in `#2`."""
    start: int
    end: int
    node: Node
    """The statement itself, without decorators."""
    outer: Node
    """The statement with its decorators, and with `template<...>`."""
    body: tuple[Item, ...] = ()
    """Of a class, or of a conditional block at the top."""

    @property
    def is_import(self) -> bool:
        return self.node.type in IMPORTS

    @property
    def is_function(self) -> bool:
        return self.node.type in _FUNCTIONS


@lru_cache(maxsize=256)
def outline(path: str, data: bytes) -> tuple[Item, ...] | None:
    """The items of a file; None where it has no syntax, or is broken."""
    root = tree(path, data)
    if root is None or (root.has_error and kind(path) is Kind.PYTHON):
        return None
    return _items(data, root, 0, len(data))


def _inner(node: Node) -> Node:
    for field in ("definition", "declaration"):
        if node.type in ("decorated_definition", "template_declaration"):
            found = node.child_by_field_name(field)
            if found is not None:
                return _inner(found)
    if node.type == "template_declaration" and node.named_children:
        return _inner(node.named_children[-1])
    if node.type in ("declaration", "field_declaration", "expression_statement"):
        kinds = [c for c in node.named_children if c.type in _CLASSES]
        if kinds:
            return kinds[0]
    return node


def _line_end(data: bytes, at: int) -> int:
    found = data.find(b"\n", at)
    return len(data) if found < 0 else found + 1


class _Row(NamedTuple):
    """A statement, before names are made unique."""

    name: str
    stop: int
    inner: Node
    outer: Node


def _items(data: bytes, parent: Node, start: int, end: int) -> tuple[Item, ...]:
    rows: list[_Row] = []
    for child in parent.named_children:
        if child.type == "comment":
            continue
        inner = _inner(child)
        # A line that two statements share is one item.
        stop = _line_end(data, max(child.end_byte - 1, child.start_byte))
        last = rows[-1] if rows else None
        if last and child.start_byte < last.stop:
            rows[-1] = last._replace(name=f"{last.name};", stop=stop)
        elif last and is_docstring(child) and last.inner.type != "class_definition":
            # It describes the member above.
            rows[-1] = last._replace(stop=stop)
        else:
            name = _name(inner)
            if _OVERLOAD.search(text(child)[: inner.start_byte - child.start_byte]):
                name = f"@overload {name}"  # it says a type, and is none of the name
            rows.append(_Row(name, stop, inner, child))
    found: list[Item] = []
    seen: dict[str, int] = {}
    at = start
    for name, stop, inner, outer in rows:
        stop = min(stop, end)
        seen[name] = seen.get(name, 0) + 1
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        found.append(Item(unique, at, stop, inner, outer, _body(data, inner)))
        at = stop
    return tuple(found)


def is_docstring(node: Node) -> bool:
    """Whether a statement is nothing but text."""
    return node.type == "expression_statement" and all(
        c.type in ("string", "concatenated_string") for c in node.named_children
    )


def _body(data: bytes, node: Node) -> tuple[Item, ...]:
    if node.type not in _CLASSES | _GROUPS:
        return ()
    block = node.child_by_field_name("body") or node.child_by_field_name("consequence")
    if node.type.startswith("preproc_"):
        return ()
    if (
        block is None
        or block.start_point.row == block.end_point.row == node.start_point.row
    ):
        return ()
    if node.type == "if_statement" and node.child_by_field_name("alternative"):
        return ()
    if node.type == "try_statement":
        return ()
    first = _line_end(data, data.rfind(b":", 0, block.start_byte + 1))
    if block.type in ("field_declaration_list", "declaration_list"):
        first = _line_end(data, block.start_byte)
    last = block.end_byte
    if block.type in ("field_declaration_list", "declaration_list"):
        last = data.rfind(b"\n", 0, block.end_byte) + 1
    else:
        last = _line_end(data, max(block.end_byte - 1, 0))
    return _items(data, block, first, last) if first < last else ()


def _squeeze(raw: bytes) -> str:
    return " ".join(raw.decode("utf-8", "replace").split())


def _name(node: Node) -> str:
    if node.type in IMPORTS:
        module = node.child_by_field_name("module_name")
        return f"import {_squeeze(text(module) if module else text(node))}"
    if node.type in ("class_definition", *_CLASSES, "namespace_definition"):
        return _squeeze(text(node.child_by_field_name("name"))) or node.type
    if node.type in _FUNCTIONS:
        name = node.child_by_field_name("name")
        if name is not None:
            return _squeeze(text(name))
        return _declared(node.child_by_field_name("declarator"))
    if node.type == "expression_statement" and node.named_children:
        inner = node.named_children[0]
        left = inner.child_by_field_name("left")
        if inner.type in ("assignment", "augmented_assignment") and left is not None:
            return _squeeze(text(left))
        if is_docstring(node):
            return "docstring"
        if inner.type == "call":
            return f"{_squeeze(text(inner.child_by_field_name('function')))}()"
    if node.type == "if_statement":
        return f"if {_squeeze(text(node.child_by_field_name('condition')))}"
    if node.type in ("preproc_def", "preproc_function_def", "preproc_ifdef"):
        return f"#{_squeeze(text(node.child_by_field_name('name')))}"
    if node.type in ("enum_specifier",):
        return f"enum {_squeeze(text(node.child_by_field_name('name')))}"
    declarator = node.child_by_field_name("declarator")
    if declarator is not None:
        return _declared(declarator)
    return re.sub(r"\W+", " ", _squeeze(text(node))).strip()[:60] or node.type


def _declared(node: Node | None) -> str:
    """The bare name in a declarator, so that a new signature keeps it."""
    while node is not None:
        inner = node.child_by_field_name("declarator")
        if inner is None:
            break
        node = inner
    return _squeeze(text(node))


def walk(items: tuple[Item, ...], above: str = "") -> Iterator[tuple[str, Item]]:
    """Every item with its qualified name, outer ones first."""
    for item in items:
        name = f"{above}.{item.name}" if above else item.name
        yield name, item
        yield from walk(item.body, name)
