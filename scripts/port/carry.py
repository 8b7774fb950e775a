# SPDX-License-Identifier: Apache-2.0
"""Patch by patch onto another tree: every patch is tried, whatever came before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scripts.port import decide
from scripts.port.decide import Case
from scripts.port.dependents import link
from scripts.port.merge import Merged, Space, space
from scripts.port.places import Places
from scripts.port.resolutions import Records
from scripts.port.states import PatchResult, State
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
    old_now: dict[str, Entry | None] = field(default_factory=dict)
    new_now: dict[str, Entry | None] = field(default_factory=dict)

    def before(self, path: str) -> Entry | None:
        return self.old_now[path] if path in self.old_now else self.base(path)

    def here(self, path: str) -> Entry | None:
        return self.new_now[path] if path in self.new_now else self.new(path)


def carry(
    patches: Iterable[Patch],
    base: Tree,
    new: Tree,
    places: Places,
    records: Records,
    label: str,
) -> Carried:
    """Carry the series, in memory.

    Args:
        patches: The series, which holds on `base`.
        base: The tree that it was made for.
        new: The tree to carry it to.
        places: Where files went from one to the other.
        records: What persons decided before.
        label: What the new tree is called in conflict markers.

    Raises:
        Finding: The series does not hold on its own base.
    """
    chain = _Chain(base, new)
    results = []
    used: set[str] = set()
    with space() as room:
        for step in replay(patches, base):
            result = _patch(step, chain, places, records, room, label)
            for found in result.files:
                chain.old_now[found.path] = found.theirs
                if found.state.carried:
                    chain.new_now[found.target] = found.result
                if found.state is State.RESOLVED:
                    used.add(records.name(found.base, found.ours, found.theirs))
            results.append(result)
    return Carried(tuple(link(results)), frozenset(used))


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
        found.append(changes)
    return found
