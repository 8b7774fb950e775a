# SPDX-License-Identifier: Apache-2.0
"""Whether upstream has a change already: exactly, in another form, or no longer."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.port.guards import Sides, objections
from scripts.port.merge import Space
from scripts.port.states import Evidence
from scripts.port.symbols import Lines, atoms, deltas, renames, symbols

ENOUGH = 0.6
"""Share of a change found upstream at which it is probably there."""

_ELEMENT = re.compile(rb"""["'][^"']{2,}["'](\s*:.*)?|[A-Za-z_][\w.]{3,}(\s*[:=].*)?""")
_WORDS = {word.encode() for word in keyword.kwlist}


@dataclass(frozen=True)
class Found:
    """How much of a change upstream has, and which lines say so."""

    share: float
    """0 to 1, of what the change adds and removes."""
    evidence: tuple[Evidence, ...]
    doubled: str = ""
    """An element that the patch adds and upstream has added to the same symbol."""


def exactly(path: str, base: bytes, ours: bytes, theirs: bytes, space: Space) -> bool:
    """Whether the change can be taken out of upstream again, at its own symbols.

    The usual reverse check asks only whether the lines are somewhere, and finds
    them in a twin; here the reverse merge has to hold every guard.
    """
    back = space.text(theirs, ours, base)
    if back is None or back == ours:
        return False
    sides = Sides(path=path, base=theirs, ours=ours, theirs=base, result=back)
    return not objections(sides)


def in_another_form(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> Found:
    """Compare by symbol and atom what the patch changes and what upstream did."""
    before, new = symbols(path, base), symbols(path, ours)
    wanted = symbols(path, theirs)
    changes = deltas(before, wanted)
    to = renames(list(changes), before, new)
    total, hits = 0, 0
    evidence: list[Evidence] = []
    doubled = ""
    everywhere = _gain(_all(before), _all(new))
    for name, change in changes.items():
        was = Counter(atoms(before.get(name, ())))
        now = Counter(atoms(new.get(to.get(name, name), ())))
        here = now - was
        for atom, count in _telling(change.added).items():
            total += count
            found = min(count, here[atom] or everywhere[atom])
            hits += found
            if found:
                where = name if here[atom] else "elsewhere in the file"
                evidence.append(Evidence(f"+{_words(atom)}", f"{path}: {where}"))
            if here[atom] and not doubled and _ELEMENT.fullmatch(atom):
                doubled = _words(atom)
        for atom, count in _telling(change.removed).items():
            total += count
            found = min(count, (was - now)[atom])
            hits += found
            if found:
                evidence.append(Evidence(f"-{_words(atom)}", f"{path}: {name}"))
    return Found(hits / total if total else 0.0, tuple(evidence), doubled)


def has(path: str, base: bytes | None, theirs: bytes, tree: bytes | None) -> set[str]:
    """Symbols in which `tree` has all that the patch adds, and the base had not."""
    if tree is None:
        return set()
    before, after, now = (symbols(path, x) for x in (base, theirs, tree))
    found = set()
    for name, change in deltas(before, after).items():
        wanted = _telling(change.added)
        have = Counter(atoms(now.get(name, ()))) - Counter(atoms(before.get(name, ())))
        if wanted and not wanted - have:
            found.add(name)
    return found


def _all(found: Mapping[str, Lines]) -> Counter[bytes]:
    return Counter(atom for lines in found.values() for atom in atoms(lines))


def _gain(old: Counter[bytes], new: Counter[bytes]) -> Counter[bytes]:
    return new - old


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
