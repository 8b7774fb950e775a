# SPDX-License-Identifier: Apache-2.0
"""Whether what a patch adds to a collection still fits what is in it.

A list of names can become one of pairs, an enum's numbers names, and a merge
element by element is then clean and wrong. Asked are the kind of the collection,
the shape of the elements that both have, and whether a new value is there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tree_sitter import Node

from scripts.port.elements import collection, literal
from scripts.port.languages import text
from scripts.port.outline import Item, outline, walk

_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_PARTS = {"list", "tuple", "dictionary", "set", "initializer_list"}


@dataclass(frozen=True)
class Group:
    """Elements that stand together: of a collection, or members of an enum."""

    kind: str
    shapes: Mapping[bytes, str]
    """Key of an element to what it looks like."""
    values: Mapping[bytes, bytes]
    """Key to value, of those that have both."""
    unique: bool = False
    """Whether two keys of one value are one element, as in an enum."""


def misfits(path: str, base: bytes, ours: bytes, theirs: bytes) -> Iterator[str]:
    """Why what the patch adds to collections does not fit upstream's.

    Args:
        path: The file.
        base: What the patch was made on.
        ours: The new upstream.
        theirs: What the patch made of `base`.
    """
    was, here, want = (_items(path, data) for data in (base, ours, theirs))
    for name, item in want.items():
        if name not in was or name not in here:
            continue
        if text(was[name].node) == text(item.node):
            continue  # the patch adds nothing there
        old, now, new = (_groups(x) for x in (was[name], here[name], item))
        for number, group in enumerate(old):
            mine = _twin(number, old, new)
            added = mine.shapes.keys() - group.shapes.keys() if mine else set()
            if mine is not None and added:
                yield from _compared(name, group, _twin(number, old, now), mine, added)
    yield from _structs(was, here, want)


def _items(path: str, data: bytes) -> dict[str, Item]:
    return {
        name: item
        for name, item in walk(outline(path, data) or ())
        if not item.is_import
    }


def _twin(number: int, old: list[Group], other: list[Group]) -> Group | None:
    """The group that one of the base is now: at its place, or most like it."""
    if len(old) == len(other):
        return other[number]
    keys = old[number].shapes.keys()
    common = [len(keys & group.shapes.keys()) for group in other]
    best = max(common, default=0)
    return other[common.index(best)] if 2 * best > len(keys) else None


def _compared(
    name: str, old: Group, now: Group | None, new: Group, added: set[bytes]
) -> Iterator[str]:
    if now is None:
        yield f"upstream's {name} has no such collection"
        return
    if old.kind != new.kind:
        return
    if now.kind != old.kind:
        yield f"{name} was a {old.kind} and is a {now.kind} now"
        return
    for key in old.shapes:
        if old.shapes[key] != now.shapes.get(key, old.shapes[key]):
            kinds = f"was {old.shapes[key]} and is {now.shapes[key]} now"
            yield f"the element {_show(key)} of {name} {kinds}"
            return
    before, here = set(old.shapes.values()), set(now.shapes.values())
    mine = {new.shapes[key] for key in added}
    if mine <= before and not mine <= here and here:
        yield f"elements of {name} were {_any(before)} and are {_any(here)} now"
        return
    taken = {
        v: k
        for k, v in now.values.items()
        if now.unique or (k not in old.values and v not in old.values.values())
    }
    for key in sorted(added):
        other = taken.get(new.values.get(key, b"\0"))
        if other is not None and other != key:
            yield f"{_show(key)} of {name} has the value of upstream's {_show(other)}"


def _any(shapes: set[str]) -> str:
    return sorted(shapes)[0]


def _show(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _groups(item: Item) -> list[Group]:
    """The collections of an item, in order; of an enum its members."""
    if item.node.type == "class_definition":
        bases = text(item.node.child_by_field_name("superclasses")).decode()
        return [_enum(item)] if any(word in bases for word in _ENUMS) else []
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
    return Group(node.type, shapes, values, node.type == "enumerator_list")


def _enum(item: Item) -> Group:
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
    return Group("enum", shapes, values, unique=True)


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
        return f"{_show(text(node.child_by_field_name('object')))}.*"
    if node.type == "call":
        return f"{_show(text(node.child_by_field_name('function')))}(...)"
    if node.type == "identifier":
        return "a name"
    return node.type


def _structs(
    was: Mapping[str, Item], now: Mapping[str, Item], want: Mapping[str, Item]
) -> Iterator[str]:
    """Fields of C++ that both sides add: their order is the layout."""
    for name, item in want.items():
        if item.node.type not in ("struct_specifier", "class_specifier"):
            continue
        if name in was and name in now:
            old, new, mine = (_fields(side) for side in (was[name], now[name], item))
            if new - old and mine - old:
                yield f"upstream adds fields to {name}, too: their order is its layout"


def _fields(item: Item) -> set[str]:
    return {m.name for m in item.body if m.node.type == "field_declaration"}
