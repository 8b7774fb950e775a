# SPDX-License-Identifier: Apache-2.0
"""Whether anybody counts the positions of what a patch and upstream both make longer.

A dataclass, a named tuple or a function may get a field from each side. Any order
of the two is right for who says them by name; who counts them means one side's.
So where both grew, or where what upstream counts is shifted, every use has to be
one that cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from scripts.base.object_ids import Entry
from scripts.port.merge.definitions import Definition, Sort
from scripts.port.names.breach import Breach, Side
from scripts.port.names.counting import Spot, Target, spots
from scripts.port.names.modules import rewritten
from scripts.port.report.states import FileResult

Names = tuple[str, ...]


@dataclass(frozen=True)
class _Grown:
    """A name whose positions are others now."""

    path: str
    name: str
    common: int
    """How many positions mean the same on every side."""
    both: bool
    """Whether both sides changed them; else only the patch did."""


def counted(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Uses that count further than the sides agree.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    base = old.over({part.path: part.base for part in done})
    upstream = new.over({part.target: part.upstream for part in done})
    sides = (base, old, upstream, new)
    for part in done:
        if part.base is None or part.upstream is None or part.result is None:
            continue
        for name in _changed(part):
            places = (part.path, part.path, part.target, part.target)
            yield from _of_name(part, name, sides, places)


def _changed(part: FileResult) -> Iterator[str]:
    """Classes and functions at the top that the patch changes, as it was made."""
    assert part.base is not None
    data = part.patched.data if part.patched else b""
    for _, name, _, _ in rewritten(part.path, part.base.data, data):
        yield name


def _of_name(
    part: FileResult, name: str, sides: Sequence[Side], places: Sequence[str]
) -> Iterator[Breach]:
    lists = [_counted(s, p, name) for s, p in zip(sides, places, strict=True)]
    base, patched, upstream, result = lists
    if base is None or patched is None or upstream is None or result is None:
        return
    if patched == base or result == upstream:
        return
    both = upstream != base
    grown = _Grown(part.target, name, _common(base, patched, upstream, result), both)
    _, old, before, new = sides
    known: set[tuple[str, str]] | None = None
    seen: set[tuple[str, str]] = set()
    todo = [grown]
    while todo:
        one = todo.pop()
        if (one.path, one.name) in seen:
            continue
        seen.add((one.path, one.name))
        shifted = one.both or _shifted(one, before, new)
        for spot in _spots(one, new, only_below=not shifted):
            if spot.below:
                todo.append(_below(one, spot, before, new))
                continue
            if not shifted or not (one.both or spot.counts):
                continue
            if known is None:
                spots_ = () if both else _spots(grown, old)
                known = {(s.path, s.text) for s in spots_}
            if (spot.path, spot.text) not in known:
                yield _breach(part, name, one, spot)


def _breach(part: FileResult, name: str, one: _Grown, spot: Spot) -> Breach:
    through = f", which is built as {name}" if one.name != name else ""
    why = "both sides add to it" if one.both else "the patch adds to it further up"
    what = f"{spot.path}:{spot.row}: `{spot.text}` {spot.what} {one.name}{through}; "
    return Breach(part.path, 0, name, f"{what}{why}")


def _below(one: _Grown, spot: Spot, before: Side, new: Side) -> _Grown:
    """A class that is built as the one above it, and by fields of its own."""
    grown = replace(one, path=spot.path, name=spot.below)
    lists = [_counted(side, spot.path, spot.below) for side in (before, new)]
    if lists[0] is None or lists[1] is None:
        return grown
    return replace(grown, common=min(one.common, _common(lists[0], lists[1])))


def _shifted(one: _Grown, before: Side, new: Side) -> bool:
    """Whether a position that upstream has means another thing now."""
    was, now = (_counted(side, one.path, one.name) for side in (before, new))
    return was is not None and now is not None and now[: len(was)] != was


def _counted(side: Side, path: str, name: str) -> Names | None:
    """What is given to a name by position; None where nobody can say."""
    made = side.library.chain(path, (name,))
    if not isinstance(made, Definition) or made.again or made.params is None:
        return None
    if made.sort not in (Sort.CLASS, Sort.FUNCTION):
        return None
    return tuple(p.name for p in made.params if p.by_position)


def _common(*lists: Names) -> int:
    def same(row: tuple[str, ...]) -> bool:
        return len(set(row)) == 1

    return sum(1 for _ in takewhile(same, zip(*lists, strict=False)))


def _spots(one: _Grown, side: Side, only_below: bool = False) -> Iterator[Spot]:
    made = side.library.chain(one.path, (one.name,))
    if not isinstance(made, Definition):
        return
    if only_below and made.sort is not Sort.CLASS:
        return
    target = Target(made, one.common, side.library)
    words, seen = [one.name], set[str]()
    while words:
        word = words.pop()
        for path in {one.path, *side.search(word.encode())} - seen:
            seen.add(path)
            if only_below and not has_below(side.library.read(path), word):
                continue  # not parsed for nothing
            found = side.library.load(path)
            if found is None:
                continue
            yield from spots(path, found, target)
            words += [
                bound
                for bound, link in found.links.items()
                if link.name == word and bound != word
            ]


def has_below(entry: Entry | None, name: str) -> bool:
    """Whether a file may have a class below one of a name."""
    said = rb"class \w+\([^:]*\b%s\b" % re.escape(name.encode())
    return entry is not None and bool(re.search(said, entry.data))
