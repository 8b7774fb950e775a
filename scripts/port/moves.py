# SPDX-License-Identifier: Apache-2.0
"""Where files and symbols went from one tree to the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from scripts.base.object_ids import Entry
from scripts.port.merge.symbols import Lines, alike, symbols
from scripts.upstream.sdist_contents import Source

SAME = 0.7
"""Least share of common lines at which a new file is the old one, moved."""
_TELLING = 3
"""Least lines of a function at which its like is no accident."""
LIKE = 0.3
"""Least share at which it is worth a hint."""


@dataclass(frozen=True)
class Places:
    """Moves of the files that the series touches."""

    moved: Mapping[str, str] = field(default_factory=dict)
    """Old path to new path."""
    like: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Gone path to new files that resemble it."""
    old: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    new: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    """All Python files of both trees, to look for symbols that went."""
    label: str = "upstream"
    """What the new tree is called."""

    def target(self, path: str, existed: bool) -> str:
        """Where a file lies now; one that the series made stays where it is."""
        return self.moved.get(path, path) if existed else path

    def hints(self, path: str) -> tuple[str, ...]:
        return self.like.get(path, ())

    def homes(self, path: str, symbol: str, body: Lines) -> tuple[str, ...]:
        """Files that define a symbol now, and did not before.

        Args:
            path: Where it was.
            symbol: Qualified, as `symbols.symbols` names it.
            body: Its lines there. A method's name is common, so that its lines
                have to be alike as well.
        """
        last = symbol.rpartition(".")[2].partition("#")[0]
        if not re.fullmatch(r"(?!__)\w+", last):
            return ()
        found = tuple(
            other
            for other in self.fresh.get(last, ())
            if other != path and self._came(other, last, body, top="." not in symbol)
        )
        # Of twins that went to a file each, the class tells which one it is.
        whole = (at for at in found if symbol in symbols(at, self.new[at].data))
        return tuple(whole) or found

    def landed(self, path: str, name: str, body: Lines) -> tuple[str, ...]:
        """Other files that define now what a patch adds, in nearly its words.

        Args:
            path: Where the patch adds it.
            name: A function or class at the top of a file.
            body: Its lines there.
        """
        return tuple(
            other
            for other in self.fresh.get(name, ())
            if other != path
            and len(body) >= _TELLING
            and _may_hold(self.new[other].data, name, body)
            and self._came(other, name, body, top=False)
        )

    @cached_property
    def fresh(self) -> Mapping[str, Sequence[str]]:
        """What files define that are others than before, and where."""
        found: dict[str, list[str]] = {}
        for path, entry in self.new.items():
            was = self.old.get(path)
            if was is None or was.data != entry.data:
                for name in set(_DEFINED.findall(b"\n" + entry.data)):
                    found.setdefault(name.decode("ascii"), []).append(path)
        return found

    def _came(self, path: str, last: str, body: Lines, top: bool) -> bool:
        before = symbols(path, self.old[path].data) if path in self.old else {}
        for name, lines in symbols(path, self.new[path].data).items():
            if name.rpartition(".")[2] == last and name not in before:
                if top and name == last:
                    return True
                if alike(body[1:], lines[1:]):
                    return True
        return False


def _may_hold(data: bytes, name: str, body: Lines) -> bool:
    """Whether enough lines of a body stand behind a name for it to be alike there.

    It saves reading the whole file. What is much longer is not alike.
    """
    enough, reach = LIKE * len(body), 5 * len(body) + 20
    for match in re.finditer(_HEAD % name.encode(), b"\n" + data):
        rows = {
            row.strip() for row in data[match.start() :].split(b"\n", reach)[:reach]
        }
        if sum(line in rows for line in body[1:]) >= enough:
            return True
    return False


# A fixed first byte, which `re` finds twice as fast as the start of a line.
_HEAD = rb"\n[ \t]*(?:async def|def|class) (%s)"
_DEFINED = re.compile(_HEAD % rb"[A-Za-z_]\w*")


def places(
    paths: Iterable[str], old: Source, new: Source, label: str = "upstream"
) -> Places:
    """Find moves.

    Args:
        paths: What the series touches.
        old: The tree that it was made for, with those paths and all Python.
        new: The new tree, with the same and every source file that `old` has not.
        label: What the new tree is called.
    """
    moved: dict[str, str] = {}
    near_by: dict[str, tuple[str, ...]] = {}
    gone = {p: old.files[p] for p in paths if p in old.files and p not in new.files}
    counted = {
        path: _lines(entry.data)
        for path, entry in new.files.items()
        if gone and path not in old.ids
    }
    for path, entry in gone.items():
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
            near_by[path] = tuple(other for _, other in near[:3])
    if len(set(moved.values())) != len(moved):
        moved = {}
    return Places(moved, near_by, old.files, new.files, label)


def _lines(data: bytes) -> Counter[bytes]:
    """Lines that tell a file from others: no blank ones, no licence."""
    rows = (line.strip() for line in data.split(b"\n"))
    return Counter(row for row in rows if row and not row.startswith(b"# SPDX-"))


def _share(a: Counter[bytes], b: Counter[bytes]) -> float:
    both = (a & b).total()
    return 2 * both / max(1, a.total() + b.total())
