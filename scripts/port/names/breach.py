# SPDX-License-Identifier: Apache-2.0
"""A use that the new tree does not answer, and what it is looked up in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.base.object_ids import Entry
from scripts.port.names.library import Library
from scripts.series.replay import Tree

Search = Callable[[bytes], Iterable[str]]
"""Paths of the new tree's Python files in which a word stands."""


Need = tuple[str, str]
"""Path of the file that defines a name, and the name; no path where none does."""


@dataclass(frozen=True)
class Breach:
    """A use that means something else on the new release, or nothing."""

    path: str
    """The file of the patch that it is to be fixed in, as the patch names it."""
    row: int
    """Line of the result, from 1; 0 where it stands in another file."""
    name: str
    """Last part of the name in question."""
    what: str
    severe: bool = True
    vague: bool = False
    """Whether all that is known is that upstream changed it."""
    parameter: str = ""
    """Of the name, where that is what it lacks: a patch that waits may bring it."""


@dataclass(frozen=True)
class Side:
    """One of the two trees, with the patches up to the one in question."""

    library: Library
    search: Search
    fresh: Search
    """Those of `search` that the series makes, or that the pinned tree has not so."""
    binds: Search
    """Paths, no tests among them, that define or assign a name; some are too many."""
    upstream: Search
    """As `search`, of the tree without the series."""
    beside: Callable[[bytes, str], Iterable[str]]
    """As `near`, of the tree without the series."""
    near: Callable[[bytes, str], Iterable[str]]
    """Those of `search` one by one, the files beside a path first."""
    native: Search
    """Paths of the files that are not Python, of those that were read."""
    bare: Tree
    """The tree without the series."""
    there: Callable[[str], bool]
    """Whether a path is a file of it, read or not."""
    made: Mapping[str, Entry | None]
    """What the series made of it, by path."""

    def others(self, word: bytes, old: Side) -> set[str]:
        """Those of `search` that may be other files than those of another tree.

        Args:
            word: What stands in them.
            old: The tree that this one's index is like.
        """
        known = (p for p in old.made if p not in self.made and self.says(p, word))
        return {*self.fresh(word), *known}

    def says(self, path: str, word: bytes) -> bool:
        """Whether a word stands in a file of Python."""
        entry = self.library.read(path) if path.endswith(".py") else None
        return entry is not None and word in entry.data

    def over(self, files: Mapping[str, Entry | None]) -> Side:
        """The tree with other files in it."""
        read = self.library.read
        library = Library(
            lambda p: files[p] if p in files else read(p), self.library.folder
        )
        return replace(self, library=library)


def said_of(found: Iterable[Breach]) -> str:
    """One sentence of several."""
    rows = [f"line {b.row}: {b.what}" if b.row else b.what for b in found]
    return _some(rows, "; ", 3)


def changed_of(found: Iterable[Breach]) -> str:
    """One sentence of those that are vague."""
    rows = list(dict.fromkeys(b.what for b in found))
    return f"upstream changed what it uses: {_some(rows, ', ', 5)}"


def _some(rows: Sequence[str], between: str, most: int) -> str:
    more = f" (and {len(rows) - most} more)" if len(rows) > most else ""
    return between.join(rows[:most]) + more
