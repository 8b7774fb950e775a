# SPDX-License-Identifier: Apache-2.0
"""Whether what a patch adds to a collection still fits what is in it.

A list of names can become one of pairs, an enum's numbers names, and a merge
element by element is then clean and wrong. Asked are the kind of the collection,
the shape of the elements that both have, and whether a new value is there already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from scripts.port.merge.elements import literal
from scripts.port.merge.groups import Group, groups, show
from scripts.port.merge.languages import text
from scripts.port.merge.outline import Item, outline, walk


def misfits(path: str, base: bytes, upstream: bytes, patched: bytes) -> Iterator[str]:
    """Why what the patch adds to collections does not fit upstream's.

    Args:
        path: The file.
        base: What the patch was made on.
        upstream: The new upstream.
        patched: What the patch made of `base`.
    """
    was, here, want = (_items(path, data) for data in (base, upstream, patched))
    fresh = [
        item
        for name, item in here.items()
        if not item.body
        and (name not in was or text(was[name].node) != text(item.node))
    ]
    for name, item in want.items():
        if name not in was or name not in here:
            continue
        if text(was[name].node) == text(item.node):
            continue  # the patch adds nothing there
        old, now, new = (groups(x) for x in (was[name], here[name], item))
        for number, group in enumerate(old):
            mine = _twin(number, old, new)
            added = mine.shapes.keys() - group.shapes.keys() if mine else set()
            if mine is not None and added:
                yield from _compared(name, group, _twin(number, old, now), mine, added)
                yield from _elsewhere(name, added, fresh)
                if mine.kind == "enumerator_list":
                    yield from _tables(name, group, fresh)
    yield from _structs(was, here, want)


def respelled(path: str, base: bytes, upstream: bytes, patched: bytes) -> list[str]:
    """Enums that the patch adds to, and whose values upstream wrote otherwise."""
    was, here, want = (_items(path, data) for data in (base, upstream, patched))
    found = []
    for name in was.keys() & here.keys() & want.keys():
        nodes = [side[name].node for side in (was, here, want)]
        if nodes[0].type not in ("class_definition", "enum_specifier"):
            continue
        if len({text(node) for node in nodes}) < 3:
            continue
        old, now, new = (groups(side[name]) for side in (was, here, want))
        for a, b, c in zip(old, now, new, strict=False):
            both = a.values.keys() & b.values.keys()
            other = [key for key in both if a.values[key] != b.values[key]]
            if a.unique and other and c.values.keys() - a.values.keys():
                found.append(f"upstream changed the values of {name}")
    return found


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
        yield f"{name} was of kind {old.kind} and is of kind {now.kind} now"
        return
    if now.around != old.around:
        sides = [f"`{one.around}`" if one.around else "itself" for one in (old, now)]
        yield f"{name} was made by {sides[0]} and is by {sides[1]} now"
        return
    for key in old.shapes:
        if old.shapes[key] != now.shapes.get(key, old.shapes[key]):
            kinds = f"was {old.shapes[key]} and is {now.shapes[key]} now"
            yield f"the element {show(key)} of {name} {kinds}"
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
            yield f"{show(key)} of {name} has the value of upstream's {show(other)}"


def _tables(name: str, old: Group, fresh: list[Item]) -> Iterator[str]:
    """New statements of C++ that have an entry for each enumerator but the patch's."""
    count, bare = len(old.shapes), name.rpartition(" ")[2].encode()
    said = re.compile(rb"\b%s\b" % re.escape(bare))
    if not any(said.search(text(item.node)) for item in fresh):
        return
    for item in fresh:
        node = item.node
        every = all(re.search(rb"\b%s\b" % key, text(node)) for key in old.shapes)
        sizes = [len(g.shapes) for g in groups(item) if g.kind == "initializer_list"]
        if count in sizes or (every and said.search(text(node))):
            yield (
                f"upstream's {item.name} has an entry for each of {name} but the "
                "patch's"
            )


def _elsewhere(name: str, added: set[bytes], fresh: list[Item]) -> Iterator[str]:
    """Statements of upstream's that say a new key of a collection, too.

    `REGISTRY["key"] = other` below it would have the last word.
    """
    said = re.compile(rb"\b%s(\[|\.\w+\()" % re.escape(name.encode()))
    for item in fresh:
        found = said.search(text(item.node))
        for key in sorted(added) if found else ():
            if key in {literal(node) for node in _literals(item.node)}:
                yield f"upstream says {show(key)} of {name} in another statement"


def _literals(node: Node) -> Iterator[Node]:
    if node.type in ("string", "identifier", "attribute"):
        yield node
    for child in node.named_children:
        yield from _literals(child)


def _any(shapes: set[str]) -> str:
    return sorted(shapes)[0]


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
