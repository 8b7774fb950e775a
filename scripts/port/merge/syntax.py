# SPDX-License-Identifier: Apache-2.0
"""A second try by syntax, where text conflicts: by name in place of by line.

Imports are sets; classes, functions and assignments are told apart by name;
what stands in a list, dict, `Literal` or enum is merged element by element. The
result is upstream's file with edits, so that upstream's layout stays. Nothing
here is trusted: `guards` looks at the result as at any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tree_sitter import Node

from scripts.port.merge.elements import Edit, NoMerge, apply, collection, ordered
from scripts.port.merge.insert import merge, place
from scripts.port.merge.languages import text
from scripts.port.merge.outline import Item, outline
from scripts.port.merge.pins import is_pins, merge_pins
from scripts.port.merge.text import Space

_IN = "the patch's new code has no neighbour left"


class _Side:
    """One content and its items."""

    def __init__(self, path: str, data: bytes) -> None:
        found = outline(path, data)
        if found is None:
            raise NoMerge("the file has no syntax that is known here")
        self.data = data
        self.items = found

    def text(self, item: Item) -> bytes:
        return self.data[item.start : item.end]

    def same(self, item: Item, other: _Side, twin: Item) -> bool:
        """Equal but for blank lines around."""
        return self.text(item).strip() == other.text(twin).strip()


@dataclass(frozen=True)
class Sorted:
    """What was made, and how sure its places are."""

    result: bytes
    by_text: frozenset[str]
    """Symbols whose inside was merged as text after all, so that the place of
    a change in them is one that was searched for."""


def merge_syntax(
    path: str, base: bytes, upstream: bytes, patched: bytes, space: Space
) -> Sorted:
    """Put the patch's change into upstream's file, symbol by symbol.

    Raises:
        NoMerge: It cannot be done without a person.
    """
    if is_pins(path):
        return Sorted(merge_pins(base, upstream, patched), frozenset())
    old, now, new = (_Side(path, data) for data in (base, upstream, patched))
    work = _Merge(old, now, new, space)
    edits = work.items((old.items, now.items, new.items), "")
    return Sorted(apply(upstream, edits), frozenset(work.by_text))


Items = tuple[Item, ...]


@dataclass
class _Merge:
    """One file's three sides."""

    old: _Side
    now: _Side
    new: _Side
    space: Space
    by_text: set[str] = field(default_factory=set)

    def items(self, sides: tuple[Items, Items, Items], above: str) -> list[Edit]:
        was, here, want = ({i.name: i for i in side} for side in sides)
        now, old, new = self.now, self.old, self.new
        edits: list[Edit] = []
        for name, item in was.items():
            if name not in want:
                if name in here:
                    if not now.same(here[name], old, item):
                        raise NoMerge(
                            f"upstream changed {name}, which the patch removes"
                        )
                    edits.append(Edit(here[name].start, here[name].end, b""))
            elif not new.same(want[name], old, item):
                if name not in here:
                    raise NoMerge(f"upstream has no {name} here")
                edits += self._changed(item, here[name], want[name], above)
        groups: dict[tuple[str, bool], list[Item]] = {}
        for name, item in want.items():
            if name in was:
                continue
            if name in here:
                if not now.same(here[name], new, item):
                    raise NoMerge(f"upstream added {name} too, otherwise")
                continue
            _plain(item)
            anchor = place(name, list(was), list(here), list(want), strict=False)
            groups.setdefault(_between(anchor, item, here), []).append(item)
        for (name, before), group in groups.items():
            edits.append(_insert(now, new, here[name], group, before))
        return edits

    def _changed(self, was: Item, here: Item, want: Item, above: str) -> list[Edit]:
        old, now, new = self.old, self.now, self.new
        name = f"{above}.{was.name}" if above else was.name
        if now.same(here, old, was):
            return [Edit(here.start, here.end, _fit(now, here, new.text(want)))]
        if was.body and here.body and want.body:
            sides = was.body, here.body, want.body
            return self._head(was, here, want) + self.items(sides, name)
        merged = self.space.text(old.text(was), now.text(here), new.text(want))
        if merged is not None:
            self.by_text.add(name)
            return [Edit(here.start, here.end, merged)]
        data = old.data, now.data, new.data
        return _inside((was.node, here.node, want.node), data)

    def _head(self, was: Item, here: Item, want: Item) -> list[Edit]:
        """What stands before the first member: decorators, the `class` line."""
        sides = ((self.old, was), (self.now, here), (self.new, want))
        heads = [side.data[i.start : i.body[0].start] for side, i in sides]
        if heads[0].strip() == heads[2].strip():
            return []
        merged = self.space.text(*heads)
        if merged is None:
            raise NoMerge(f"the head of {was.name} conflicts")
        return [Edit(here.start, here.body[0].start, merged)]


def _plain(item: Item) -> None:
    """Refuse to place what runs where it stands: its order may matter."""
    kinds = ("expression_statement", "declaration", "field_declaration")
    quiet = item.is_import or item.is_function or item.node.type.startswith("class")
    if not (quiet or item.node.type in (*kinds, "enum_specifier", "struct_specifier")):
        raise NoMerge(f"the place of {item.name} may matter")
    if item.name.endswith("()") or ";" in item.name:
        raise NoMerge(f"the place of {item.name} may matter")


def _between(
    anchor: tuple[str, bool], item: Item, here: dict[str, Item]
) -> tuple[str, bool]:
    """Imports stay among imports, and the rest does not come before one."""
    name, before = anchor
    if item.is_import:
        imports = [i for i in here.values() if i.is_import]
        if not imports:
            raise NoMerge(_IN)
        if not here[name].is_import:
            return imports[-1].name, False
        return anchor
    rest = list(here)[list(here).index(name) + (not before) :]
    if any(here[other].is_import for other in rest):
        raise NoMerge(f"the place of {item.name} among the imports is not certain")
    return anchor


def _insert(
    now: _Side, new: _Side, anchor: Item, group: list[Item], before: bool
) -> Edit:
    added = b"".join(new.text(item) for item in group)
    if not added.endswith(b"\n"):
        added += b"\n"
    if before:
        # Comments above upstream's item stay with it; the patch's go in front of them.
        return Edit(anchor.start, anchor.start, added)
    if not now.data[: anchor.end].endswith(b"\n"):
        added = b"\n" + added
    return Edit(anchor.end, anchor.end, added)


def _fit(now: _Side, here: Item, added: bytes) -> bytes:
    """The patch's text with the blank lines that upstream has around the item."""
    own = now.text(here)
    head = own[: len(own) - len(own.lstrip(b"\n"))]
    return head + added.lstrip(b"\n")


def _inside(
    nodes: tuple[Node, Node, Node], data: tuple[bytes, bytes, bytes]
) -> list[Edit]:
    """Merge what differs below a statement, if that is one collection or more."""
    old, now, new = nodes
    if text(old) == text(new):
        return []
    found = [collection(node) for node in nodes]
    if found[0] and found[1] and found[2]:
        strict = ordered(found[0], _target(old))
        return merge(found[0], found[1], found[2], strict, data[1])
    pairs = list(_pairs(old, new))
    if not pairs:
        raise NoMerge("the patch changes more than the elements of a collection")
    edits: list[Edit] = []
    for a, b in pairs:
        edits += _inside((a, _counterpart(a, old, now), b), data)
    return edits


def _pairs(old: Node, new: Node) -> Iterable[tuple[Node, Node]]:
    """Children that differ; none where the two are not of one shape."""
    a, b = old.children, new.children
    if [n.type for n in a] != [n.type for n in b]:
        return []
    found = [(x, y) for x, y in zip(a, b, strict=True) if text(x) != text(y)]
    if any(not x.child_count or not y.child_count for x, y in found):
        return []
    return found


def _counterpart(child: Node, old: Node, now: Node) -> Node:
    """Upstream's node for a child of the base, found by what tells it apart."""
    key = _key(child)
    mine = [n for n in old.children if _key(n) == key]
    patched = [n for n in now.children if _key(n) == key]
    if len(mine) != 1 or len(patched) != 1:
        raise NoMerge("upstream has nothing, or several things, for what is changed")
    return patched[0]


def _key(node: Node) -> tuple[str, bytes]:
    """Type and target: what an assignment sets, what a definition is called."""
    inner = node
    if node.type == "expression_statement" and node.named_children:
        inner = node.named_children[0]
    for part_name in ("left", "name", "key", "condition", "declarator"):
        part = inner.child_by_field_name(part_name)
        if part is not None:
            return inner.type, b" ".join(text(part).split())
    return inner.type, b""


def _target(node: Node) -> str:
    parent = node.parent
    if parent is not None and parent.type == "assignment":
        return text(parent.child_by_field_name("left")).decode("utf-8", "replace")
    return ""
