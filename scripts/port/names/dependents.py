# SPDX-License-Identifier: Apache-2.0
"""Which later patches stand on one that waits, by symbol."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import PurePosixPath

from scripts.base.object_ids import Entry
from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.symbols import IMPORTS, TOP, deltas, symbols
from scripts.port.names.breach import Breach, Need
from scripts.port.names.pytested import adds, asked
from scripts.port.names.said import says_path
from scripts.port.report.states import Dependent, FileResult, PatchResult, State

Needs = Mapping[str, set[Need]]
"""By file of a patch, what its lines use of others."""


_ON_SELF = re.compile(rb"^self\.(\w+)\s*(?::[^=]*)?=(?!=)")
"""What a line sets on `self`."""

_NATIVE = (Kind.CPP, Kind.CUDA)

_KEY = re.compile(rb"""(["'])(\w+)\1""")

Known = Callable[[bytes], bool]
"""Whether a text is anywhere in the pinned tree, quoted."""


@dataclass(frozen=True)
class _Patch:
    """One that waits."""

    result: PatchResult
    brought: set[Need]
    """Names that it brings into being."""
    texts: set[str]
    """Quoted words of its code that no patch before it has."""
    changed: set[str]


@dataclass
class Waiting:
    """The patches that wait so far, and what a later one may need of them."""

    known: Known
    said: set[str] = field(default_factory=set)
    """Texts of the patches that were seen."""
    patches: list[_Patch] = field(default_factory=list)
    ties: dict[str, list[Dependent]] = field(default_factory=dict)
    """Name of a patch that waits to what stands on it."""

    def see(
        self, result: PatchResult, found: Sequence[Breach], needs: Needs
    ) -> PatchResult:
        """Settle whether a patch stands on one before it.

        Args:
            result: The patch, which comes behind all that were seen.
            found: Uses of it that the new tree does not answer; what a patch
                that waits would bring is no fault of upstream's.
            needs: What it uses.

        Returns:
            It, with what it stands on.
        """
        blocked = []
        waits: dict[str, str] = {}
        for first in self.patches:
            name = first.result.name
            near = [
                *_ties(first, result, needs, self.known),
                *_needed(first, result, found),
            ]
            if near:
                self.ties.setdefault(name, []).extend(dict.fromkeys(near))
                blocked.append(name)
            for part in first.result.files:
                if not part.state.carried:
                    waits.setdefault(part.path, name)
        files = tuple(_behind(part, waits) for part in result.files)
        files_wait = {waits[p.path] for p in files if p.state is State.WAITS}
        names = [p.result.name for p in self.patches]
        on = [name for name in names if name in {*blocked, *files_wait}]
        result = replace(result, files=files, blocked_by=tuple(on))
        if not result.carried:
            self.patches.append(self._waits(result))
        self.said |= {text for part in result.files for text in _texts(part)}
        return result

    def _waits(self, result: PatchResult) -> _Patch:
        names: set[Need] = set()
        texts: set[str] = set()
        for part in result.files:
            names |= {(part.path, name) for name in brought(part)}
            if not part.path.startswith("tests/"):
                texts |= _texts(part)
        texts -= self.said
        changed = {s.rpartition(".")[2] for p in result.files for s in p.symbols}
        for part in result.files:
            changed |= _set(part)
        return _Patch(result, names, texts, changed)

    def brings(self, name: str) -> bool:
        """Whether a patch that waits brings a name, or changes what it is."""
        return any(
            name in p.changed | p.texts or any(name == n for _, n in p.brought)
            for p in self.patches
        )

    def linked(self, results: Sequence[PatchResult]) -> list[PatchResult]:
        """The results, with what each blocks."""
        return [
            replace(r, dependents=tuple(self.ties.get(r.name, ()))) for r in results
        ]


def brought(part: FileResult) -> set[str]:
    """Names that a patch brings into being in a file, and that of a new module."""
    if kind(part.path) is Kind.MARKDOWN:
        return set()
    before = symbols(part.path, _data(part.base))
    after = symbols(part.path, _data(part.patched))
    found = {name.rpartition(".")[2] for name in after if name not in before}
    if IMPORTS in part.symbols:
        was, now = (set(side.get(IMPORTS, ())) for side in (before, after))
        rows = (row.decode("utf-8", "replace") for row in now - was)
        found |= {re.split(r"[\s.]", row)[-1] for row in rows}
    if part.base is None:
        stem = PurePosixPath(part.path).stem
        folder = PurePosixPath(part.path).parent.name
        found.add(folder if stem == "__init__" else stem)
    return found


def _set(part: FileResult) -> set[str]:
    """Attributes and keys that a patch's lines may set: no symbols of their own."""
    lines = _lines(part.patched) - _lines(part.base)
    found = {m for line in lines for m in _ON_SELF.findall(line)}
    found |= {m for line in lines for _, m in _KEY.findall(line)}
    return {name.decode("utf-8", "replace") for name in found}


def _lines(entry: Entry | None) -> frozenset[bytes]:
    return _rows(entry.data) if entry else frozenset()


@lru_cache(maxsize=512)
def _rows(data: bytes) -> frozenset[bytes]:
    return frozenset(row.strip() for row in data.split(b"\n"))


def _behind(part: FileResult, waits: dict[str, str]) -> FileResult:
    """A file that an earlier patch has open: nothing can be said of it yet."""
    first = waits.get(part.path)
    if first is None or not part.state.open:
        return part
    why = f"{first[:4]} comes first, and has this file open"
    if part.why:
        why += f"; without it: {part.why}"
    return replace(part, state=State.WAITS, why=why)


def _ties(
    first: _Patch, later: PatchResult, needs: Needs, known: Known
) -> Iterator[Dependent]:
    files = first.result.files
    made = {p.path for p in files if p.base is None}
    changed = {(p.path, s) for p in files for s in p.symbols}
    for part in later.files:
        for symbol in part.symbols:
            same = (part.path, symbol) in changed and _one_thing(part, symbol)
            if part.path in made or same:
                yield Dependent(later.name, part.path, symbol)
        mine = needs.get(part.path, set())
        own = brought(part)
        names = {
            n
            for at, n in first.brought
            if {(at, n), ("", n)} & mine and not (at == part.path and n in own)
        }
        mine_said = _texts(part) | {name for at, name in mine if not at}
        names |= {t for t in first.texts & mine_said if not known(t.encode())}
        names |= {at for at in made if says_path(part, at)}
        texts = {name for _, name in asked(part)}
        names |= {t.decode() for t in texts if any(adds(f, t) for f in files)}
        if kind(part.path) in _NATIVE:
            # Nobody looks its names up, so that the words are all there is.
            said = _words(part)
            names |= {
                n
                for at, n in first.brought
                if kind(at) in _NATIVE and n.lstrip("#").encode() in said
            }
        for name in sorted(names):
            yield Dependent(later.name, part.path, name)


def _words(part: FileResult) -> set[bytes]:
    """Words of the lines that a patch adds to a file."""
    lines = _lines(part.patched) - _lines(part.base)
    return {word for line in lines for word in re.findall(rb"\w+", line)}


def _one_thing(part: FileResult, symbol: str) -> bool:
    """Whether two changes of a symbol are of one thing: not of a set of imports,
    nor of the text of a document."""
    if symbol.rpartition(".")[2] in (IMPORTS, TOP):
        return False
    return kind(part.path) is not Kind.MARKDOWN


def _needed(
    first: _Patch, later: PatchResult, found: Sequence[Breach]
) -> Iterator[Dependent]:
    names = first.changed | {name for _, name in first.brought}
    for one in found:
        if {one.name, one.parameter} & names and not one.vague:
            yield Dependent(later.name, one.path, one.name)


def _texts(part: FileResult) -> frozenset[str]:
    """Quoted words that a patch adds to a file of code."""
    return _quoted(part.path, _data(part.base), _data(part.patched))


@lru_cache(maxsize=256)
def _quoted(path: str, base: bytes | None, patched: bytes | None) -> frozenset[str]:
    if kind(path) in (Kind.MARKDOWN, Kind.TEXT):
        return frozenset()
    before, after = symbols(path, base), symbols(path, patched)
    found = set()
    for change in deltas(before, after).values():
        for atom in change.added:
            for match in re.finditer(rb"""(["'])([\w-]{4,})(?:\1|\()""", atom):
                found.add(match[2].decode())
    return frozenset(found)


def _data(entry: Entry | None) -> bytes | None:
    return entry.data if entry else None
