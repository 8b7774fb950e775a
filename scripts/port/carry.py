# SPDX-License-Identifier: Apache-2.0
"""Patch by patch onto another tree: every patch is tried, whatever came before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.base.object_ids import Entry
from scripts.port import decide
from scripts.port.decide import Case
from scripts.port.merge.text import Merged, Space, space
from scripts.port.moves import Places
from scripts.port.names.ahead import beside
from scripts.port.names.breach import Breach, changed_of, said_of
from scripts.port.names.chain import Answer, Chain, Snapshot
from scripts.port.names.dependents import Waiting, brought
from scripts.port.names.modules import module
from scripts.port.names.trees import Trees
from scripts.port.report.states import FileResult, PatchResult, State
from scripts.series.mailbox import Patch
from scripts.series.replay import Step, Tree, replay
from scripts.series.resolutions import Records


@dataclass(frozen=True)
class Carried:
    """What became of the series."""

    patches: tuple[PatchResult, ...]
    used: frozenset[str]
    """Names of the resolutions that were used."""


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
    chain = Chain(base, new, trees)
    steps = list(replay(patches, base))
    results: list[PatchResult] = []
    used: set[str] = set()
    waiting = Waiting(chain.known)
    _read(steps, base, new)
    with beside(chain, len(steps)) as process, space() as room:
        tried: deque[tuple[Snapshot, PatchResult]] = deque()
        while len(results) < len(steps):
            next_ = len(results) + len(tried)
            for step in steps[next_ : len(results) + process.depth]:
                before = chain.state
                result = _patch(step, chain, places, records, room, label)
                chain.take(result.files)
                process.ask(len(results) + len(tried), result.files)
                tried.append((before, result))
            before, result = tried.popleft()
            found, needs = process.answer() or _look(chain, before, result)
            judged = replace(result, files=_judged(result.files, found, waiting))
            settled = waiting.see(judged, found, needs)
            if _taken(settled) != _taken(result):
                # What was merged since stands on what is not there.
                chain.restore(before)
                chain.take(result.files)
                chain.take(settled.files)
                process.settle(len(results), settled.files)
                tried.clear()
            used |= {
                records.name(part.base, part.ours, part.theirs)
                for part in settled.files
                if part.state is State.RESOLVED
            }
            results.append(settled)
    return Carried(tuple(waiting.linked(results)), frozenset(used))


def _read(steps: Sequence[Step], base: Tree, new: Tree) -> None:
    """Read once what both processes are going to read."""
    for path in {change.path for step in steps for change in step.patch.files}:
        for side in (base, new) if path.endswith(".py") else ():
            if entry := side(path):
                module(path, entry.data)


def _look(chain: Chain, before: Snapshot, result: PatchResult) -> Answer:
    """Look up in this process what a patch uses, merged onto a state before."""
    now = chain.state
    chain.restore(before)
    chain.take(result.files)
    found = chain.look(result.files)
    chain.restore(now)
    return found


def _taken(result: PatchResult) -> list[bool]:
    """Which files of a patch are in the new tree."""
    return [part.state.carried for part in result.files]


def _judged(
    files: tuple[FileResult, ...], found: Sequence[Breach], waiting: Waiting
) -> tuple[FileResult, ...]:
    """The files, with what their uses meet; a person's decision stands.

    What a file of the patch that is open, or a patch that waits, would bring is no
    fault of upstream's.
    """
    own = {name for part in files if not part.state.carried for name in brought(part)}
    mine = [
        one
        for one in found
        if not any(waiting.brings(n) or n in own for n in (one.name, one.parameter))
    ]
    judged = []
    for part in files:
        here = [one for one in mine if one.path == part.path]
        bad = [one for one in here if one.severe]
        if bad and part.state is not State.RESOLVED:
            why = said_of(bad)
            judged.append(replace(part, state=State.BROKEN, why=why))
            continue
        read = list(part.read)
        if clear := [one for one in here if not one.vague]:
            read.append(said_of(clear))
        if vague := [one for one in here if one.vague]:
            read.append(changed_of(vague))
        judged.append(replace(part, read=tuple(read)))
    return tuple(judged)


def _patch(
    step: Step, chain: Chain, places: Places, records: Records, room: Space, label: str
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
