# SPDX-License-Identifier: Apache-2.0
"""The collections of a statement, with what their elements look like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tree_sitter import Node

from scripts.port.merge.definitions import ENUMS
from scripts.port.merge.elements import collection, literal
from scripts.port.merge.languages import text
from scripts.port.merge.outline import Item

_PARTS = {"list", "tuple", "dictionary", "set", "initializer_list"}


@dataclass(frozen=True)
class Group:
    """Elements that stand together: of a collection, or members of an enum."""

    kind: str
    around: str
    """What its statement makes of it, as `frozenset(...)`; empty for itself."""
    shapes: Mapping[bytes, str]
    """Key of an element to what it looks like."""
    values: Mapping[bytes, bytes]
    """Key to value, of those that have both."""
    unique: bool = False
    """Whether two keys of one value are one element, as in an enum."""


def groups(item: Item) -> list[Group]:
    """The collections of an item, in order; of an enum its members."""
    if item.node.type == "class_definition":
        bases = text(item.node.child_by_field_name("superclasses")).decode()
        kinds = re.findall(r"\w+", bases)
        return [_enum(item, kinds)] if {*kinds} & ENUMS else []
    found: list[Group] = []
    _collect(item.node, found)
    return found


def _collect(node: Node, found: list[Group]) -> None:
    if node.type != "import_from_statement" and collection(node) is not None:
        found.append(_group(node))
    for child in node.named_children:
        _collect(child, found)


def _group(node: Node) -> Group:
    shapes: dict[bytes, str] = {}
    values: dict[bytes, bytes] = {}
    members = node.named_children
    if node.type == "subscript":
        members = node.children_by_field_name("subscript")
    for child in members:
        if child.type == "comment":
            continue
        first = child.child_by_field_name("key") or child.child_by_field_name("name")
        key = (
            literal(first or child)
            if child.type in ("pair", "enumerator")
            else literal(child)
        )
        shapes[key] = shape(child)
        value = child.child_by_field_name("value")
        if value is not None and child.type in ("pair", "enumerator"):
            values[key] = literal(value)
    unique = node.type == "enumerator_list"
    return Group(node.type, _around(node), shapes, values, unique)


def _around(node: Node) -> str:
    """What stands around a collection in its statement, apart from other elements."""
    parent = node.parent
    if parent is None:
        return ""
    said = ""
    if parent.type in ("binary_operator", "boolean_operator"):
        sides = ("left", "operator", "right")
        parts = [parent.child_by_field_name(side) for side in sides]
        said = " ".join("..." if p == node else show(text(p)) for p in parts)
    elif parent.type == "unary_operator":
        said = f"{show(text(parent.children[0]))} ..."
    elif parent.type == "not_operator":
        said = "not ..."
    elif parent.type == "argument_list" and parent.parent is not None:
        parent = parent.parent
        said = f"{show(text(parent.child_by_field_name('function')))}(...)"
    elif parent.type in ("parenthesized_expression", "keyword_argument"):
        return _around(parent)
    else:
        return ""
    above = _around(parent)
    return above.replace("...", said, 1) if above else said


def _enum(item: Item, kinds: list[str]) -> Group:
    shapes: dict[bytes, str] = {}
    values: dict[bytes, bytes] = {}
    for member in item.body:
        inner = member.node.named_children[0] if member.node.named_children else None
        if inner is None or inner.type != "assignment":
            continue
        right = inner.child_by_field_name("right")
        key = member.name.encode()
        if right is not None:
            shapes[key] = shape(right)
            if not (right.type == "call" and text(right).endswith(b"auto()")):
                values[key] = literal(right)
    kind = kinds[-1] if kinds[-1] in ENUMS else "enum"
    return Group(kind, "", shapes, values, unique=True)


def shape(node: Node) -> str:
    """What an element looks like, apart from what it says."""
    if node.type == "pair":
        key, value = (node.child_by_field_name(x) for x in ("key", "value"))
        return f"{shape(key)}: {shape(value)}" if key and value else "pair"
    if node.type == "enumerator":
        value = node.child_by_field_name("value")
        return f"a name = {shape(value)}" if value else "a name"
    if node.type in ("string", "concatenated_string", "string_literal"):
        return "bytes" if text(node)[:1] in b"bB" else "a text"
    if node.type in ("integer", "float", "number_literal", "unary_operator"):
        return "a number"
    if node.type in _PARTS:
        count = sum(c.type != "comment" for c in node.named_children)
        return f"a {node.type} of {count}"
    if node.type == "attribute":
        return f"{show(text(node.child_by_field_name('object')))}.*"
    if node.type == "call":
        return f"{show(text(node.child_by_field_name('function')))}(...)"
    if node.type == "identifier":
        return "a name"
    return node.type


def show(key: bytes) -> str:
    return key.decode("utf-8", "replace")
