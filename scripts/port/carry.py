# SPDX-License-Identifier: Apache-2.0
"""Patch by patch onto another tree: every patch is tried, whatever came before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from scripts.base.object_ids import Entry
from scripts.port import decide
from scripts.port.decide import Case
from scripts.port.kept import Kept
from scripts.port.merge.text import Merged, Space, space
from scripts.port.moves import Places
from scripts.port.names.ahead import beside
from scripts.port.names.breach import Breach, changed_of, said_of
from scripts.port.names.chain import Answer, Chain, Snapshot
from scripts.port.names.dependents import Waiting, brought
from scripts.port.names.modules import module
from scripts.port.names.trees import Trees
from scripts.port.report.states import FileResult, PatchResult, State
from scripts.series.base_commit import touched
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
    known: Kept | None = None,
    room: Space | None = None,
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
        known: What an earlier run found, and where to put what this one finds.
        room: Where to merge; None for one of its own.

    Raises:
        Finding: The series does not hold on its own base.
    """
    chain = Chain(base, new, trees)
    steps = list(replay(patches, base))
    work = _Work(chain, Waiting(chain.known), records)
    while len(work.results) < len(steps):
        at = len(work.results)
        found = known.take(steps[at], chain) if known else None
        if found is None:
            break
        before = chain.state
        chain.take(found[0].files)
        work.settle(before, *found)
    rest = steps[len(work.results) :]
    _read(rest, base, new)
    place = space() if room is None else nullcontext(room)
    with beside(chain, len(rest)) as process, place as room:
        tried: deque[tuple[Step, Snapshot, PatchResult]] = deque()
        done = 0
        while done < len(rest):
            for step in rest[done + len(tried) : done + process.depth]:
                before = chain.state
                result = _patch(step, chain, places, records, room, label)
                chain.take(result.files)
                process.ask(done + len(tried), result.files)
                tried.append((step, before, result))
            step, before, result = tried.popleft()
            answer = process.answer() or _look(chain, before, result)
            if known:
                known.add(step, result, answer)
            if not work.settle(before, result, answer):
                process.settle(done, work.results[-1].files)
                tried.clear()
            done += 1
    if known:
        known.save()
    linked = work.waiting.linked(work.results)
    return Carried(tuple(linked), frozenset(work.used))


@dataclass
class _Work:
    """The series as far as it is settled."""

    chain: Chain
    waiting: Waiting
    records: Records
    results: list[PatchResult] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def settle(self, before: Snapshot, result: PatchResult, answer: Answer) -> bool:
        """Settle the next patch.

        Args:
            before: Both trees without it.
            result: It, merged.
            answer: What it uses.

        Returns:
            Whether what was merged behind it may stay.
        """
        found, needs = answer
        judged = replace(result, files=_judged(result.files, found, self.waiting))
        settled = self.waiting.see(judged, found, needs)
        stays = _taken(settled) == _taken(result)
        if not stays:
            # What was merged since stands on what is not there.
            self.chain.restore(before)
            self.chain.take(result.files)
            self.chain.take(settled.files)
        self.used |= {
            self.records.name(part.base, part.upstream, part.patched)
            for part in settled.files
            if part.state is State.RESOLVED
        }
        self.results.append(settled)
        return stays


def _read(steps: Sequence[Step], base: Tree, new: Tree) -> None:
    """Read once what both processes are going to read."""
    for path in touched(step.patch for step in steps):
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
                upstream=chain.here(target),
                patched=step.changes[change.path],
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
        {c.target: c.upstream for c in cases},
        {c.target: c.patched for c in cases},
    )
    return room.merge(*sides, names=(label, f"patch-{patch.number}"))


def ported(results: Iterable[PatchResult]) -> list[Mapping[str, Entry | None]]:
    """What each patch leaves in the new tree; empty for one that is absorbed."""
    found: list[Mapping[str, Entry | None]] = []
    for result in results:
        changes: dict[str, Entry | None] = {}
        for part in result.files:
            if part.state.carried and part.result != part.upstream:
                changes[part.target] = part.result
            if part.state.carried:
                changes |= part.also
        found.append(changes)
    return found
