# SPDX-License-Identifier: Apache-2.0
"""Lists, sets, dicts, `Literal`s and names of imports as elements with keys.

An edit says what to replace in upstream's file, so that its layout stays.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from tree_sitter import Node

from scripts.port.merge.languages import text

_ORDERED = {"list", "tuple", "initializer_list", "enumerator_list"}
_UNORDERED = {"set", "dictionary", "import_from_statement"}


class NoMerge(Exception):
    """It cannot be merged without a person; says why."""


@dataclass(frozen=True)
class Edit:
    """Replace `data[start:end]` of upstream's file."""

    start: int
    end: int
    new: bytes


def apply(data: bytes, edits: list[Edit]) -> bytes:
    """Make all edits.

    >>> apply(b"abc", [Edit(1, 2, b"X"), Edit(3, 3, b"Y")])
    b'aXcY'

    Raises:
        NoMerge: Two overlap.
    """
    out, done = [], 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if edit.start < done:
            raise NoMerge("two of the patch's changes overlap")
        out += [data[done : edit.start], edit.new]
        done = edit.end
    return b"".join([*out, data[done:]])


@dataclass(frozen=True)
class Element:
    """One element, with the comments that belong to it."""

    key: bytes
    core: bytes
    """Its own text."""
    value: bytes
    """What may differ under one key; the core where there is no key."""
    lead: tuple[bytes, ...]
    """Comment lines right above it, without indent."""
    tail: bytes
    """A comment behind it on its line."""
    start: int
    end: int
    stop: int
    """Where it ends with its comma."""
    column: int
    held: Node | None = None
    """What a key has for a value."""


def ordered(node: Node, target: str = "") -> bool:
    """Whether the order of a collection's elements means something."""
    return node.type in _ORDERED and target != "__all__"


def collection(node: Node | None) -> Node | None:
    """The node, if its elements can be merged one by one."""
    if node is None:
        return None
    if node.type in _ORDERED | _UNORDERED:
        return node
    if node.type == "subscript":
        name = text(node.child_by_field_name("value"))
        return node if name.rpartition(b".")[2] in (b"Literal", b"Union") else None
    return None


def elements(node: Node) -> list[Element]:
    """The elements of a collection.

    Raises:
        NoMerge: Two have one key.
    """
    found = _elements(node)
    keys = [e.key for e in found]
    if len(set(keys)) != len(keys):
        raise NoMerge("an element comes twice")
    return found


def element_keys(node: Node) -> list[bytes]:
    """What the elements of a collection are told apart by."""
    return [e.key for e in _elements(node)]


def _elements(node: Node) -> list[Element]:
    if node.type == "import_from_statement":
        members = set(node.children_by_field_name("name"))
    elif node.type == "subscript":
        members = set(node.children_by_field_name("subscript"))
    else:
        members = {n for n in node.named_children if n.type != "comment"}
    found: list[Element] = []
    lead: list[bytes] = []
    for child in node.children:
        if child in members:
            found.append(_element(child, tuple(lead)))
            lead = []
        elif child.type == "," and found:
            found[-1] = replace(found[-1], stop=child.end_byte)
        elif child.type == "comment":
            previous = child.prev_sibling
            same = (
                previous is not None
                and previous.end_point.row == child.start_point.row
                and previous.type not in ("[", "(", "{")
            )
            if same and found:
                found[-1] = replace(found[-1], tail=text(child))
            else:
                lead.append(text(child))
    return found


def _element(node: Node, lead: tuple[bytes, ...]) -> Element:
    core = text(node)
    key, value, held = core, core, None
    if node.type in ("pair", "enumerator"):
        first = node.child_by_field_name("key") or node.child_by_field_name("name")
        key = literal(first)
        held = node.child_by_field_name("value")
        value = literal(held)
    elif node.type == "string":
        key = value = literal(node)
    key = b" ".join(key.split())
    column = node.start_point.column
    end = node.end_byte
    start = node.start_byte
    return Element(key, core, value, lead, b"", start, end, end, column, held)


def literal(node: Node | None) -> bytes:
    """A node's text; of Python's strings the value, so that quotes do not tell."""
    raw = text(node)
    if node is not None and node.type == "string":
        try:
            return repr(ast.literal_eval(raw.decode("utf-8"))).encode("utf-8")
        except (SyntaxError, ValueError):
            return raw
    return b" ".join(raw.split())
