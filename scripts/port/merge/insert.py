# SPDX-License-Identifier: Apache-2.0
"""Put a patch's change of a collection into upstream's, in upstream's layout."""

from __future__ import annotations

from bisect import bisect
from typing import Any, NamedTuple, TypeVar

from tree_sitter import Node

from scripts.port.merge.elements import (
    Edit,
    Element,
    NoMerge,
    collection,
    elements,
    ordered,
)
from scripts.port.merge.languages import text

LINE = 88
"""Upstream's longest line."""

T = TypeVar("T", bound=Any)


def merge(
    base: Node, upstream: Node, patched: Node, strict: bool, data: bytes
) -> list[Edit]:
    """What puts the patch's change of a collection into upstream's.

    Args:
        base: The collection that the patch was made on.
        upstream: It in the new upstream.
        patched: It after the patch.
        strict: Whether order means something.
        data: The file that `upstream` is a node of.

    Raises:
        NoMerge: Upstream changed the same element, or the place of a new one
            is not certain.
    """
    if not (base.type == upstream.type == patched.type):
        raise NoMerge("it is not the same kind of collection")
    old, now, new = (elements(n) for n in (base, upstream, patched))
    was, here, want = _keyed(old), _keyed(now), _keyed(new)
    if strict:
        _steady(list(was), list(here), list(want))
        if [k for k in want if k in here] != [k for k in here if k in want]:
            raise NoMerge("upstream has an element of the patch's in another place")
    edits: list[Edit] = []
    for key, element in was.items():
        if key not in want:
            if key in here:
                if not _same(here[key], element):
                    raise NoMerge(f"upstream changed {_show(key)} too")
                edits.append(_remove(data, now, here[key]))
        elif element.core != want[key].core:
            if key not in here:
                raise NoMerge(f"upstream changed {_show(key)} too")
            edits += _changed(element, here[key], want[key], data)
    groups: dict[tuple[bytes, bool], list[Element]] = {}
    for key in [k for k in want if k not in was]:
        if key not in here:
            spot = place(key, list(was), list(here), list(want), strict)
            if upstream.type == "import_from_statement":
                spot = _sorted(key, list(here)) or spot
            groups.setdefault(spot, []).append(want[key])
        elif not _same(here[key], want[key]):
            raise NoMerge(f"upstream added {_show(key)} too, otherwise")
    for (anchor, before), group in groups.items():
        edits += _put(data, upstream, here[anchor], group, before)
    return edits


def _changed(was: Element, here: Element, want: Element, data: bytes) -> list[Edit]:
    """What gives upstream's element the value that the patch gives it."""
    if was.lead != want.lead:
        raise NoMerge(f"the patch changes the comments of {_show(was.key)}")
    if _same(here, was):
        made = [Edit(here.start, here.end, want.core)]
        return made + _said(was, here, want, data)
    held = [collection(one.held) for one in (was, here, want)]
    if _notes(was) == _notes(want) and held[0] and held[1] and held[2]:
        # Under one key a collection again: of its elements the same holds.
        return merge(held[0], held[1], held[2], ordered(held[0]), data)
    raise NoMerge(f"upstream changed {_show(was.key)} too")


def _said(was: Element, here: Element, want: Element, data: bytes) -> list[Edit]:
    """The comment behind an element, where the patch words it anew."""
    if was.tail == want.tail:
        return []
    at = data.find(was.tail, here.stop) if was.tail else -1
    if here.tail != was.tail or at < 0 or not want.tail:
        raise NoMerge(f"the patch changes the comments of {_show(was.key)}")
    return [Edit(at, at + len(was.tail), want.tail)]


def _steady(old: list[bytes], now: list[bytes], new: list[bytes]) -> None:
    for other, who in ((new, "the patch"), (now, "upstream")):
        if [k for k in old if k in other] != [k for k in other if k in old]:
            raise NoMerge(f"{who} changed the order of elements")


def _keyed(found: list[Element]) -> dict[bytes, Element]:
    return {e.key: e for e in found}


def _notes(element: Element) -> tuple[tuple[bytes, ...], bytes]:
    return element.lead, element.tail


class _Line(NamedTuple):
    """A line in a file, with its end."""

    start: int
    stop: int


def _line(data: bytes, at: int) -> _Line:
    end = data.find(b"\n", at)
    return _Line(data.rfind(b"\n", 0, at) + 1, len(data) if end < 0 else end + 1)


def _alone(data: bytes, element: Element) -> bool:
    """Whether it has its lines to itself."""
    first, last = _line(data, element.start).start, _line(data, element.end).stop
    behind = data[element.stop : last].strip()
    return not data[first : element.start].strip() and behind in (b"", element.tail)


def _put(
    data: bytes, node: Node, anchor: Element, group: list[Element], before: bool
) -> list[Edit]:
    if _alone(data, anchor):
        indent = b" " * anchor.column
        rows = []
        for element in group:
            if b"\n" in element.core and element.column != anchor.column:
                raise NoMerge("the new element has another indent")
            tail = b"  " + element.tail if element.tail else b""
            rows += [indent + note + b"\n" for note in element.lead]
            rows.append(indent + element.core + b"," + tail + b"\n")
        first, last = _line(data, anchor.start).start, _line(data, anchor.end).stop
        if before:
            for _ in anchor.lead:
                first = _line(data, first - 1).start
            return [Edit(first, first, b"".join(rows))]
        edits = [Edit(last, last, b"".join(rows))]
        if anchor.stop == anchor.end:
            edits.append(Edit(anchor.end, anchor.end, b","))
        return edits
    if any(e.lead or e.tail or b"\n" in e.core for e in group):
        raise NoMerge("the new element does not fit into one line")
    cores = [e.core for e in group]
    if (
        node.type == "import_from_statement"
        and node.start_point.row == node.end_point.row
    ):
        long = node.end_point.column + sum(len(c) + 2 for c in cores) > LINE
        if long:
            return [_wrapped(node, anchor, cores, before)]
    if before:
        return [Edit(anchor.start, anchor.start, b", ".join(cores) + b", ")]
    return [Edit(anchor.end, anchor.end, b", " + b", ".join(cores))]


def _wrapped(node: Node, anchor: Element, cores: list[bytes], before: bool) -> Edit:
    names = [e.core for e in elements(node)]
    at = names.index(anchor.core) + (not before)
    names[at:at] = cores
    head = text(node).partition(b" import ")[0]
    pad = b" " * node.start_point.column
    rows = b"".join(pad + b"    " + name + b",\n" for name in names)
    return Edit(
        node.start_byte, node.end_byte, head + b" import (\n" + rows + pad + b")"
    )


def _remove(data: bytes, now: list[Element], element: Element) -> Edit:
    if len(now) == 1:
        raise NoMerge("nothing of the collection would be left")
    if _alone(data, element):
        first, last = _line(data, element.start).start, _line(data, element.end).stop
        for _ in element.lead:
            first = _line(data, first - 1).start
        return Edit(first, last, b"")
    at = now.index(element)
    if at + 1 < len(now):
        return Edit(element.start, now[at + 1].start, b"")
    return Edit(now[at - 1].end, element.end, b"")


def _same(a: Element, b: Element) -> bool:
    return b" ".join(a.value.split()) == b" ".join(b.value.split())


def _sorted(key: T, now: list[T]) -> tuple[T, bool] | None:
    """The place in names that are sorted; none where they are not.

    >>> _sorted("b", ["a", "c"]), _sorted("A", ["a", "c"]), _sorted("b", ["c", "a"])
    (('a', False), ('a', True), None)
    """
    if now != sorted(now):
        return None
    at = bisect(now, key)
    return (now[at - 1], False) if at else (now[0], True)


def _show(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def place(
    key: T, old: list[T], now: list[T], new: list[T], strict: bool
) -> tuple[T, bool]:
    """Which neighbour in `now` a new one goes to, and whether before it.

    >>> place("n", ["a", "b"], ["a", "b", "c"], ["a", "n", "b"], True)
    ('a', False)

    Raises:
        NoMerge: No neighbour is left; or, where order means something, upstream
            put others into the same gap.
    """
    at = new.index(key)
    above = [k for k in new[:at] if k in old and k in now]
    below = [k for k in new[at + 1 :] if k in old and k in now]
    if not above and not below:
        raise NoMerge("no neighbour of the patch's new element is left")
    if strict:
        first = now.index(above[-1]) + 1 if above else 0
        last = now.index(below[0]) if below else len(now)
        if first != last:
            raise NoMerge("upstream added elements where the patch adds its own")
    far = len(new)
    up = at - new.index(above[-1]) if above else far
    down = new.index(below[0]) - at if below else far
    return (above[-1], False) if up <= down else (below[0], True)
