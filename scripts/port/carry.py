# SPDX-License-Identifier: Apache-2.0
"""Patch by patch onto another tree: every patch is tried, whatever came before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scripts.port import decide, references
from scripts.port.breach import Breach, Need, said_of
from scripts.port.decide import Case
from scripts.port.dependents import Waiting, brought
from scripts.port.merge import Merged, Space, space
from scripts.port.places import Places
from scripts.port.resolutions import Records
from scripts.port.states import FileResult, PatchResult, State
from scripts.port.trees import Index, Trees, side
from scripts.series.mailbox import Patch
from scripts.series.replay import Entry, Step, Tree, replay


@dataclass(frozen=True)
class Carried:
    """What became of the series."""

    patches: tuple[PatchResult, ...]
    used: frozenset[str]
    """Names of the resolutions that were used."""


@dataclass
class _Chain:
    """The two trees as the series goes on."""

    base: Tree
    new: Tree
    trees: Trees | None
    old_now: dict[str, Entry | None] = field(default_factory=dict)
    new_now: dict[str, Entry | None] = field(default_factory=dict)
    texts: dict[bytes, bool] = field(default_factory=dict)
    indexes: tuple[Index, Index] | None = None

    def __post_init__(self) -> None:
        if self.trees is not None:
            self.indexes = Index(self.trees.base), Index(self.trees.new)

    def before(self, path: str) -> Entry | None:
        return self.old_now[path] if path in self.old_now else self.base(path)

    def here(self, path: str) -> Entry | None:
        return self.new_now[path] if path in self.new_now else self.new(path)

    def take(self, files: Iterable[FileResult]) -> None:
        """Put the files of a patch into both trees, or out of the new one again."""
        for found in files:
            self.old_now[found.path] = found.theirs
            if found.state.carried:
                self.new_now[found.target] = found.result
                self.new_now |= found.also
            elif found.ours is None and self.new(found.target) is None:
                self.new_now.pop(found.target, None)
            else:
                self.new_now[found.target] = found.ours

    def look(
        self, files: Sequence[FileResult]
    ) -> tuple[list[Breach], dict[str, set[Need]]]:
        """Of a patch that was taken: uses that the new tree does not answer, and
        what it uses at all."""
        if self.trees is None:
            return [], {}
        assert self.indexes
        old = side(self.indexes[0], self.before, self.old_now)
        new = side(self.indexes[1], self.here, self.new_now)
        return references.breaches(files, old, new), references.needs(files, old)

    def known(self, text: bytes) -> bool:
        """Whether a text is in the pinned tree, quoted."""
        if text not in self.texts:
            files = self.trees.base.files.values() if self.trees else ()
            quoted = b'"%s"' % text
            self.texts[text] = any(quoted in entry.data for entry in files)
        return self.texts[text]


def carry(
    patches: Iterable[Patch],
    base: Tree,
    new: Tree,
    places: Places,
    records: Records,
    label: str,
    trees: Trees | None = None,
) -> Carried:
    """Carry the series, in memory.

    Args:
        patches: The series, which holds on `base`.
        base: The tree that it was made for.
        new: The tree to carry it to.
        places: Where files went from one to the other.
        records: What persons decided before.
        label: What the new tree is called in conflict markers.
        trees: Both trees, to look up what the patches use; None to leave it out.

    Raises:
        Finding: The series does not hold on its own base.
    """
    chain = _Chain(base, new, trees)
    results = []
    used: set[str] = set()
    waiting = Waiting(chain.known)
    with space() as room:
        for step in replay(patches, base):
            result = _patch(step, chain, places, records, room, label)
            chain.take(result.files)
            found, needs = chain.look(result.files)
            result = replace(result, files=_judged(result.files, found, waiting))
            result = waiting.see(result, found, needs)
            chain.take(result.files)
            used |= {
                records.name(part.base, part.ours, part.theirs)
                for part in result.files
                if part.state is State.RESOLVED
            }
            results.append(result)
    return Carried(tuple(waiting.linked(results)), frozenset(used))


def _judged(
    files: tuple[FileResult, ...], found: Sequence[Breach], waiting: Waiting
) -> tuple[FileResult, ...]:
    """The files, with what their uses meet; a person's decision stands.

    What a file of the patch that is open, or a patch that waits, would bring is no
    fault of upstream's.
    """
    own = {name for part in files if not part.state.carried for name in brought(part)}
    mine = [o for o in found if not (waiting.brings(o.name) or o.name in own)]
    judged = []
    for part in files:
        here = [one for one in mine if one.path == part.path]
        bad = [one for one in here if one.severe]
        if bad and part.state is not State.RESOLVED:
            why = said_of(bad)
            judged.append(replace(part, state=State.BROKEN, why=why))
        elif here:
            read = (*part.read, said_of(here))
            judged.append(replace(part, read=read))
        else:
            judged.append(part)
    return tuple(judged)


def _patch(
    step: Step, chain: _Chain, places: Places, records: Records, room: Space, label: str
) -> PatchResult:
    cases = []
    for change in step.patch.files:
        target = places.target(change.path, chain.before(change.path) is not None)
        cases.append(
            Case(
                change=change,
                target=target,
                base=chain.before(change.path),
                ours=chain.here(target),
                theirs=step.changes[change.path],
                pinned=(chain.base(change.path), chain.new(target)),
                here=chain.here,
            )
        )
    merged = _merge([c for c in cases if c.three_way], step.patch, room, label)
    files = tuple(decide.file(case, merged, records, places, room) for case in cases)
    return PatchResult(step.patch.name, step.patch.subject, files)


def _merge(cases: list[Case], patch: Patch, room: Space, label: str) -> Merged:
    """All files of a patch in one merge, under the names that they have now."""
    if not cases:
        return Merged({}, frozenset())
    sides = (
        {c.target: c.base for c in cases},
        {c.target: c.ours for c in cases},
        {c.target: c.theirs for c in cases},
    )
    return room.merge(*sides, names=(label, f"patch-{patch.number}"))


def ported(results: Iterable[PatchResult]) -> list[Mapping[str, Entry | None]]:
    """What each patch leaves in the new tree; empty for one that is absorbed."""
    found: list[Mapping[str, Entry | None]] = []
    for result in results:
        changes: dict[str, Entry | None] = {}
        for part in result.files:
            if part.state.carried and part.result != part.ours:
                changes[part.target] = part.result
            if part.state.carried:
                changes |= part.also
        found.append(changes)
    return found
