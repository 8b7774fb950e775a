# SPDX-License-Identifier: Apache-2.0
"""What becomes of the series on another upstream: found out, and nothing written."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.base.console import note
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.port import companions
from scripts.port.bisect import Trials, culprits
from scripts.port.carry import Carried, carry
from scripts.port.kept import kept
from scripts.port.mirror import imported, mirror
from scripts.port.moves import places
from scripts.port.names.trees import Trees
from scripts.port.report.states import PatchResult, State
from scripts.port.report.summary import Culprit, Summary
from scripts.port.reverts import between, start_of
from scripts.port.target import Target, find, python_or, tree, wanted
from scripts.series import answers, folder, resolutions
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Lock
from scripts.upstream.sdist_contents import Source


@dataclass(frozen=True)
class Wanted:
    """What a port is asked for."""

    to: str
    git: Path | None = None
    """A clone to find the ref `to` in."""
    dry_run: bool = False
    """Report, and write nothing."""
    proof: bool = True
    """Pin, apply, check and test what was carried, then write it."""
    prove_ref: bool = False
    """The same for a git ref, as far as it can be done without wheels."""
    history: bool = True
    """Look between the two for what upstream took and reverted."""


@dataclass(frozen=True)
class Work:
    """What was read and found, for whoever writes it."""

    lock: Lock
    patches: list[Patch]
    target: Target
    base: Source
    new: Source
    carried: Carried
    summary: Summary


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cycles: millions of things are made that all stay.

    Nor is any of it gone through when the process ends.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


@uncollected()
def look(at: Checkout, wanted_: Wanted) -> Work:
    """Carry the series in memory.

    Raises:
        Finding: The series does not hold on its own pin.
        Unusable: The target is unknown or cannot be fetched.
    """
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    target = find(lock, wanted_.to, wanted_.git)
    paths = touched(patches)
    note(f"reading vLLM {lock.version}, then {target.name}")
    base = sdist_contents.read(lock.sdist, python_or(paths))
    new = tree(target, wanted(paths, base.ids))
    records = resolutions.load(at.patches)
    moves = places(paths, base, new, target.name)
    note(f"carrying {len(patches)} patches")
    trees = (base.files.get, new.files.get)
    whole = Trees(base, new)
    # What is written is always found anew.
    dry = wanted_.dry_run
    known = kept(base, new, paths, records, target.name) if dry else None
    carried = carry(patches, *trees, moves, records, target.name, whole, known)
    found, seen = (
        between(lock, target, patches, carried.patches, new.files)
        if wanted_.history
        else ([], [])
    )
    alerts, idle = answers.answered(found, answers.load(at.patches))
    summary = Summary(
        source=f"vllm-{lock.version}",
        target=target.name,
        patches=carried.patches,
        alerts=alerts,
        unused=(*records.unused(carried.used), *idle),
        history=tuple(seen),
        identity=_identity(base, new, carried.patches),
        first=tuple(companions.told(lock, new, target.name)),
        dry_run=wanted_.dry_run,
        git=str(wanted_.git or ""),
        to=wanted_.to,
        notes=tuple(_notes(carried.patches, target)),
    )
    return Work(lock, patches, target, base, new, carried, summary)


def _identity(base: Source, new: Source, results: Sequence[PatchResult]) -> bool:
    same = all(
        part.state is State.UNCHANGED and part.result == part.patched
        for result in results
        for part in result.files
    )
    return same and base.ids == new.ids


def _notes(results: Sequence[PatchResult], target: Target) -> list[str]:
    rows = [
        f"{r.name[:4]} is upstream as it stands and leaves the series"
        for r in results
        if r.state is State.ABSORBED
    ]
    if target.git is None and any(r.state.open for r in results):
        rows.append(
            "GIT=<a clone of upstream> beside TO= names the commit that broke each file"
        )
    return rows


def who_broke(at: Checkout, work: Work) -> tuple[Culprit, ...]:
    """Which commit broke what was not carried; empty without a history."""
    target, lost = work.target, [p for p in work.carried.patches if p.state.open]
    if not (lost and target.git and target.commit):
        return ()
    start = start_of(work.lock, Git(target.git))
    if start is None:
        return ()
    paths = touched(work.patches)
    files = {p: e for p, e in work.base.files.items() if p in paths}
    paths |= imported(files)
    slim = mirror(target.git, paths, at.build / "port" / "mirrors")
    records = resolutions.load(at.patches)
    trees = Trees(work.base, work.new)
    trials = Trials(Git(target.git), work.patches, trees, records)
    return tuple(culprits(slim, start, target.commit, trials, lost))
