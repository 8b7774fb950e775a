# SPDX-License-Identifier: Apache-2.0
"""Whether upstream has a change already: exactly, in another form, or no longer."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.base.object_ids import Entry
from scripts.port.merge.guards import Sides, objections
from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.prose import may_be, without_prose
from scripts.port.merge.symbols import Lines, atoms, deltas, renames, symbols
from scripts.port.merge.text import Space
from scripts.port.report.states import Evidence

ENOUGH = 0.6
"""Share of a change found upstream at which it is probably there."""

_ELEMENT = re.compile(rb"""["'][^"']{2,}["'](\s*:.*)?|[A-Za-z_][\w.]{3,}(\s*[:=].*)?""")
_WORDS = {word.encode() for word in keyword.kwlist}


@dataclass(frozen=True)
class Found:
    """How much of a change upstream has, and which lines say so."""

    hits: int
    total: int
    missing: tuple[Evidence, ...]
    """What upstream does not have of it."""
    there: tuple[Evidence, ...]
    doubled: tuple[tuple[str, bytes], ...]
    """What both the patch and upstream add: the symbol, and the atom."""

    @property
    def share(self) -> float:
        """0 to 1, of what the change adds and removes."""
        return self.hits / self.total if self.total else 0.0

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What is missing comes first: it is what a person decides on."""
        return (*self.missing, *self.there)

    def twice(self, path: str, upstream: bytes, result: bytes) -> list[str]:
        """What a result has once more than upstream, which added it already."""
        was, made = symbols(path, upstream), symbols(path, result)
        return [
            f"upstream adds `{_words(atom)}` to {name}, too"
            for name, atom in self.doubled
            if atoms(made.get(name, ())).count(atom)
            > atoms(was.get(name, ())).count(atom)
        ]

    @property
    def said(self) -> str:
        """How much is there; all of it only where nothing is missing."""
        if not self.missing:
            return "100% of the change is upstream, in another form"
        share = min(99, int(100 * self.share))
        return f"{share}% of the change is upstream in another form; see what is not"


def exactly(
    path: str, base: bytes, upstream: bytes, patched: bytes, space: Space
) -> bool:
    """Whether the change can be taken out of upstream again, at its own symbols.

    The usual reverse check asks only whether the lines are somewhere, and finds
    them in a twin; here the reverse merge has to hold every guard.
    """
    back = space.text(patched, upstream, base)
    if back is None or back == upstream:
        return False
    sides = Sides(path=path, base=patched, upstream=upstream, patched=base, result=back)
    return not objections(sides)


def but_for_prose(
    path: str, base: bytes, upstream: bytes, patched: bytes, space: Space
) -> bool:
    """Whether upstream has a change exactly, apart from docstrings and comments."""
    if kind(path) is not Kind.PYTHON or not may_be(path, base, upstream, patched):
        return False
    bare = [without_prose(path, data) for data in (base, upstream, patched)]
    if None in bare or bare[0] == bare[2]:
        return False
    old, now, new = (data or b"" for data in bare)
    merged = space.text(old, now, new)
    return merged == now and exactly(path, old, now, new, space)


def prose_apart(path: str, upstream: bytes, patched: bytes) -> bool:
    """Whether two files of Python differ in docstrings and comments alone."""
    if kind(path) is not Kind.PYTHON:
        return False
    bare = without_prose(path, upstream)
    return bare is not None and bare == without_prose(path, patched)


Pinned = tuple[Entry | None, Entry | None]


def in_another_form(
    path: str, pinned: Pinned, base: bytes | None, upstream: bytes, patched: bytes
) -> Found:
    """Compare by symbol and atom what the patch changes and what upstream did.

    Each atom of upstream's counts once, for one symbol. What earlier patches of
    the series bring, or would bring, is not upstream's.

    Args:
        path: The file.
        pinned: It in the two trees without the series.
        base: What the patch was made on; None where it makes the file.
        upstream: The new upstream, with the patches before.
        patched: What the patch made of `base`.
    """
    before, new = symbols(path, base), symbols(path, upstream)
    wanted = symbols(path, patched)
    changes = deltas(before, wanted)
    to = renames(list(changes), before, new)
    pin, bare = (symbols(path, e.data if e else None) for e in pinned)
    back = {now: was for was, now in to.items()}
    mine = _gains(pin, before)
    none: Counter[bytes] = Counter()
    gains = {
        name: gain - mine.get(back.get(name, name), none)
        for name, gain in _gains(pin, bare, back).items()
    }
    both = {name for name, rows in bare.items() if rows == pin.get(name)}
    pool = (_atoms(bare, both) - _atoms(pin, both)) - _sum(mine)
    # What stands in its own symbol goes to it before any other may take it.
    own: dict[str, Counter[bytes]] = {}
    for name, change in changes.items():
        own[name] = change.added & gains.get(to.get(name, name), none)
        pool = pool - own[name]
    total, hits = 0, 0
    missing: list[Evidence] = []
    there: list[Evidence] = []
    doubled: list[tuple[str, bytes]] = []
    for name, change in changes.items():
        telling = _telling(change.added)
        elsewhere = (telling - own[name]) & pool
        pool = pool - elsewhere
        total += telling.total()
        hits += (own[name] & telling).total() + elsewhere.total()
        for atom in own[name] & telling:
            there.append(Evidence(f"+{_words(atom)}", f"{path}: {name}"))
            if _ELEMENT.fullmatch(atom):
                doubled.append((to.get(name, name), atom))
        for atom in elsewhere:
            where = f"{path}: elsewhere in the file"
            there.append(Evidence(f"+{_words(atom)}", where))
        for atom in change.added - own[name] - elsewhere:
            missing.append(Evidence(f"+{_words(atom)}", f"{path}: {name}, missing"))
        here = to.get(name, name)
        # What went with all of a symbol, which the patch keeps, was not taken out.
        lost = here not in bare and name in pin and name in wanted
        gone = none if lost else _gain(bare.get(here, ()), pin.get(name, ()))
        removed = _telling(change.removed)
        total += removed.total()
        hits += (removed & gone).total()
        for atom in removed & gone:
            there.append(Evidence(f"-{_words(atom)}", f"{path}: {name}"))
        for atom in change.removed - gone:
            missing.append(Evidence(f"-{_words(atom)}", f"{path}: {name}, missing"))
    return Found(hits, total, tuple(missing), tuple(there), tuple(doubled))


def _gain(old: Lines, new: Lines) -> Counter[bytes]:
    return Counter(atoms(new)) - Counter(atoms(old))


def _gains(
    old: Mapping[str, Lines],
    new: Mapping[str, Lines],
    back: Mapping[str, str] | None = None,
) -> dict[str, Counter[bytes]]:
    """What symbols have more, of those that differ; `back` has their older names."""
    was = {name: old.get((back or {}).get(name, name), ()) for name in new}
    return {
        name: _gain(was[name], rows) for name, rows in new.items() if rows != was[name]
    }


def _atoms(found: Mapping[str, Lines], without: set[str]) -> Counter[bytes]:
    return Counter(
        atom
        for name, lines in found.items()
        if name not in without
        for atom in atoms(lines)
    )


def _sum(parts: Mapping[str, Counter[bytes]]) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for part in parts.values():
        found.update(part)
    return found


def has(path: str, base: bytes | None, patched: bytes, tree: bytes | None) -> set[str]:
    """Symbols in which `tree` has all that the patch adds, and the base had not."""
    if tree is None:
        return set()
    before, after, now = (symbols(path, x) for x in (base, patched, tree))
    found = set()
    for name, change in deltas(before, after).items():
        wanted = _telling(change.added)
        have = Counter(atoms(now.get(name, ()))) - Counter(atoms(before.get(name, ())))
        if wanted and not wanted - have:
            found.add(name)
    return found


def _telling(found: Counter[bytes]) -> Counter[bytes]:
    """Without what any code has: brackets, short words, keywords."""
    return Counter(
        {
            atom: count
            for atom, count in found.items()
            if len(atom) > 3 and atom not in _WORDS and re.search(rb"\w{3}", atom)
        }
    )


def _words(atom: bytes) -> str:
    return atom.decode("utf-8", "replace")
