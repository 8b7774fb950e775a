# SPDX-License-Identifier: Apache-2.0
"""Whether a merge did what the patch does, where the patch does it, and no more.

A clean merge is no proof: it can edit the twin of what a patch means (see
tests/unit/series/test_experiments.py). Every result of a merge goes through here,
and what cannot be shown to be right is a conflict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.port.merge.around import ground
from scripts.port.merge.blocks import around
from scripts.port.merge.elements import collection, element_keys
from scripts.port.merge.languages import Kind, keyed, kind, parses
from scripts.port.merge.matching import Matcher
from scripts.port.merge.registers import registered
from scripts.port.merge.repeated import repeated
from scripts.port.merge.rows import added_rows
from scripts.port.merge.shapes import misfits, respelled
from scripts.port.merge.shared import both, lost_words
from scripts.port.merge.symbols import Delta, Lines, atoms, deltas, renames, symbols
from scripts.port.merge.twins import twins
from scripts.series.diff import FilePatch
from scripts.series.replay import hunk_sides, lines


@dataclass(frozen=True)
class Sides:
    """The four contents of a merge of one file."""

    path: str
    base: bytes
    """What the patch was made on."""
    upstream: bytes
    """The new upstream, with the patches before this one."""
    patched: bytes
    """What the patch made of `base`."""
    result: bytes
    homes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Symbols that upstream has no more here, and the files that have them now."""
    searched: frozenset[str] | None = None
    """Symbols inside which a place was searched for; None for all of them."""


def doubts_of(sides: Sides) -> tuple[list[str], tuple[str, ...]]:
    """Why a result must not be used, and why a person has to read it."""
    three = sides.path, sides.base, sides.upstream, sides.patched
    doubts = objections(sides) or [
        *lost_words(*three),
        *registered(*three, sides.result),
    ]
    if doubts:
        return doubts, ()
    found = ground(*three, sides.result)
    turned, changed = around(*three, sides.result)
    shared = both(*three)
    spelled = respelled(*three)
    read = (*found.changed, *changed, *([shared] if shared else ()), *spelled)
    return [*found.turned, *turned], read


def objections(sides: Sides) -> list[str]:
    """Why the result must not be used; empty if every guard holds."""
    if sides.result == sides.patched and sides.upstream == sides.base:
        return []
    before, new = symbols(sides.path, sides.base), symbols(sides.path, sides.upstream)
    wanted = symbols(sides.path, sides.patched)
    made = symbols(sides.path, sides.result)
    touched, changed = deltas(before, wanted), deltas(new, made)
    found = list(_moved(sides.homes, list(touched), before, new))
    found += _places(before, new, wanted, made, touched, changed)
    searched = {
        name: change
        for name, change in touched.items()
        if sides.searched is None or name in sides.searched
    }
    found += twins(before, new, wanted, searched)
    without = kind(sides.path) in (Kind.TEXT, Kind.MARKDOWN)
    if without and sides.searched is None:
        found += _context(sides)
    found += _doubles(sides)
    found += repeated(sides.path, sides.upstream, sides.patched, sides.result)
    found += misfits(sides.path, sides.base, sides.upstream, sides.patched)
    if not parses(sides.path, sides.result) and (
        parses(sides.path, sides.upstream) or kind(sides.path) is Kind.PYTHON
    ):
        found.append("the result does not parse")
    return list(dict.fromkeys(found))


def _moved(
    homes: Mapping[str, tuple[str, ...]],
    touched: list[str],
    before: Mapping[str, Lines],
    new: Mapping[str, Lines],
) -> Iterator[str]:
    """Symbols that went to another file: what is like one here is not it."""
    to = renames(touched, before, new)
    for name, paths in homes.items():
        twin = f", though {to[name]} here is like it" if name in to else ""
        yield f"{name} is in {', '.join(paths)} now{twin}"


def _places(
    before: Mapping[str, Lines],
    new: Mapping[str, Lines],
    wanted: Mapping[str, Lines],
    made: Mapping[str, Lines],
    touched: Mapping[str, Delta],
    changed: Mapping[str, Delta],
) -> list[str]:
    to = renames(list(touched), before, new)
    back = {new_name: name for name, new_name in to.items()}
    found = []
    for name in changed:
        if back.get(name, name) not in touched:
            found.append(f"it would change {name}, which the patch does not touch")
    for name, change in touched.items():
        here = to.get(name, name)
        if name in before and here not in new and name in wanted:
            found.append(f"{name} is not there")
            continue
        if change.reordered:
            # Lines that only change places cannot be followed by counting.
            if new.get(here) != before.get(name) and new.get(here) != wanted.get(name):
                found.append(f"the patch reorders {name}, which upstream changed")
            continue
        found += _same(
            name, change, changed.get(here), before.get(name, ()), new.get(here, ())
        )
        if name in before and name not in wanted and here in made:
            found.append(f"{name} is still there, though the patch removes it")
    return found


def _same(
    name: str, want: Delta, got: Delta | None, before: Lines, new: Lines
) -> list[str]:
    """Whether `got` is `want`, less what upstream did already."""
    got = got or Delta(Counter(), Counter())
    if got.reordered:
        return [f"it would reorder {name}"]
    found = []
    if lost := got.removed - want.removed:
        found.append(f"{name} would lose upstream's line {_show(lost)}")
    if more := got.added - want.added:
        found.append(f"{name} would get a line that is not the patch's: {_show(more)}")
    was, now = Counter(atoms(before)), Counter(atoms(new))
    if missing := (want.added - got.added) - (now - was):
        found.append(f"{name} would lack the patch's line {_show(missing)}")
    if kept := (want.removed - got.removed) - (was - now):
        found.append(f"{name} would keep {_show(kept)}, which the patch removes")
    return found


def _show(lines: Counter[bytes]) -> str:
    return repr(next(iter(lines)).decode("utf-8", "replace"))


def _doubles(sides: Sides) -> list[str]:
    """Keys that come twice in one collection of the result, and did so in no side."""
    rows = added_rows(sides.upstream, sides.result)
    found = _twice(sides.path, sides.result, rows)
    if not found:
        return []
    more = (
        found - _twice(sides.path, sides.upstream) - _twice(sides.path, sides.patched)
    )
    return [f"{sorted(more)[0]} would come twice in one collection"] if more else []


def _twice(
    path: str, data: bytes, rows: frozenset[int] | None = None
) -> frozenset[str]:
    """Of the collections that have one of these lines, from 1; None for all."""
    found: set[str] = set()
    for node in keyed(path, data):
        if collection(node) is None:
            continue
        span = range(node.start_point.row + 1, node.end_point.row + 2)
        if rows is not None and rows.isdisjoint(span):
            continue
        keys = Counter(element_keys(node))
        found |= {k.decode("utf-8", "replace") for k, n in keys.items() if n > 1}
    return frozenset(found)


def _context(sides: Sides) -> list[str]:
    """Without syntax, a change needs a neighbour that it had before."""
    old, want = _bare(sides.base), _bare(sides.patched)
    now, made = _bare(sides.upstream), _bare(sides.result)
    asked, got = _neighbours(old, want), _neighbours(now, made)
    for added, above, below in got:
        near = [(a, b) for same, a, b in asked if same == added]
        if near and not any(above == a or below == b for a, b in near):
            return ["the lines around the change are other ones"]
    return []


def _bare(data: bytes) -> Lines:
    return tuple(x.strip() for x in data.split(b"\n") if x.strip())


def _neighbours(old: Lines, new: Lines) -> list[tuple[Lines, bytes, bytes]]:
    matcher = Matcher(old, new)
    return [
        (new[c:d], (new[c - 1] if c else b""), (new[d] if d < len(new) else b""))
        for tag, _, _, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]


def moved_only(change: FilePatch, upstream: bytes, result: bytes) -> bool:
    """Whether the hunks, with their context, stand in `upstream` as they are.

    Each is looked for once after the one before it; that only names the state,
    and the result was made otherwise.
    """
    done = 0
    out: list[bytes] = []
    rows = lines(upstream)
    for hunk in change.hunks:
        old, new = hunk_sides(hunk)
        at = next(
            (i for i in range(done, len(rows)) if rows[i : i + len(old)] == old), None
        )
        if at is None or not old:
            return False
        out += [*rows[done:at], *new]
        done = at + len(old)
    return b"".join([*out, *rows[done:]]) == result


@lru_cache(maxsize=256)
def touched_symbols(
    path: str, base: bytes | None, patched: bytes | None
) -> tuple[str, ...]:
    """Names of the symbols that a patch changes in a file."""
    if base is None:
        return tuple(symbols(path, patched))
    return tuple(deltas(symbols(path, base), symbols(path, patched)))
