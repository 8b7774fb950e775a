# SPDX-License-Identifier: Apache-2.0
"""Where files and symbols went from one tree to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from scripts.port.symbols import symbols
from scripts.series.replay import Entry

SAME = 0.7
"""Least share of common lines at which a new file is the old one, moved."""
LIKE = 0.3
"""Least share at which it is worth a hint."""


@dataclass(frozen=True)
class Places:
    """Moves of the files that the series touches."""

    moved: Mapping[str, str] = field(default_factory=dict)
    """Old path to new path."""
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Gone path to new files that resemble it."""
    holders: Mapping[str, str] = field(default_factory=dict)
    """Last part of a symbol to the one new file that defines it."""

    def target(self, path: str, existed: bool) -> str:
        """Where a file lies now; one that the series made stays where it is."""
        return self.moved.get(path, path) if existed else path

    def hints(self, path: str) -> tuple[str, ...]:
        return self.alike.get(path, ())

    def holder(self, symbol: str) -> str | None:
        return self.holders.get(symbol.rpartition(".")[2])


def places(
    base: Mapping[str, Entry], new: Mapping[str, Entry], fresh: Mapping[str, Entry]
) -> Places:
    """Find moves.

    Args:
        base: Files that the series touches, in the tree that it was made for.
        new: The same paths in the new tree.
        fresh: Files of the new tree that the old one does not have.
    """
    moved: dict[str, str] = {}
    alike: dict[str, tuple[str, ...]] = {}
    counted = {path: _lines(e.data) for path, e in fresh.items()}
    for path, entry in base.items():
        if path in new:
            continue
        suffix = PurePosixPath(path).suffix
        mine = _lines(entry.data)
        near = []
        for other, lines in counted.items():
            if PurePosixPath(other).suffix == suffix:
                share = _share(mine, lines)
                if share >= LIKE:
                    near.append((share, other))
        near.sort(reverse=True)
        best = [other for share, other in near if share >= SAME]
        if len(best) == 1:
            moved[path] = best[0]
        elif near:
            alike[path] = tuple(other for _, other in near[:3])
    if len(set(moved.values())) != len(moved):
        moved = {}
    return Places(moved, alike, _holders(fresh))


def _lines(data: bytes) -> Counter[bytes]:
    """Lines that tell a file from others: no blank ones, no licence."""
    rows = (line.strip() for line in data.split(b"\n"))
    return Counter(row for row in rows if row and not row.startswith(b"# SPDX-"))


def _share(a: Counter[bytes], b: Counter[bytes]) -> float:
    both = (a & b).total()
    return 2 * both / max(1, a.total() + b.total())


def _holders(fresh: Mapping[str, Entry]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for path, entry in fresh.items():
        if path.endswith(".py") and not path.startswith("tests/"):
            for name in symbols(path, entry.data):
                found.setdefault(name.rpartition(".")[2], set()).add(path)
    return {name: next(iter(at)) for name, at in found.items() if len(at) == 1}
