# SPDX-License-Identifier: Apache-2.0
"""`make port` and `make port-continue`: from the pin to another upstream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripts import lock as lockfile
from scripts.checkout import Checkout
from scripts.console import note
from scripts.errors import Finding
from scripts.fetch import is_offline
from scripts.files import one_run, write
from scripts.git import Git
from scripts.lock import Lock
from scripts.port import conflict, prove, render, resolutions
from scripts.port.bisect import culprits
from scripts.port.carry import Carried, carry, ported
from scripts.port.history import Moment, alerts, commits, named
from scripts.port.languages import parses
from scripts.port.places import places
from scripts.port.slim import imported, mirror
from scripts.port.states import Alert, PatchResult, State
from scripts.port.summary import Culprit, Outcome, Summary
from scripts.port.target import Target, as_version, find, releases, sdist, tree, wanted
from scripts.port.workplace import Workplace
from scripts.series import folder
from scripts.series.check.source import Source, reader
from scripts.series.mailbox import Patch
from scripts.upstream import touched


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
    history: bool = True
    """Look between the two for what upstream took and reverted."""


@dataclass(frozen=True)
class _Work:
    lock: Lock
    patches: list[Patch]
    target: Target
    base: Source
    new: Source
    carried: Carried
    summary: Summary


def port(at: Checkout, wanted_: Wanted) -> Summary:
    """Carry the series to another upstream.

    Nothing of the checkout changes but `build/port`, unless every patch is
    carried and the proof holds: then patches, table and lock are written.

    Raises:
        Finding: The series does not hold on its own pin; or a port waits here.
        Unusable: The target is unknown or cannot be fetched.
    """
    if wanted_.dry_run:
        work = _look(at, wanted_)
        return replace(work.summary, culprits=_culprits(at, work))
    with one_run(at.run_lock, f"make port TO={wanted_.to}"):
        place = Workplace.of(at)
        place.clear()
        return _write(at, wanted_, _look(at, wanted_), place)


def _look(at: Checkout, wanted_: Wanted) -> _Work:
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    target = find(lock, wanted_.to, wanted_.git)
    paths = touched(patches)
    note(f"reading vLLM {lock.version}, then {target.name}")
    base = reader(lock)(paths.__contains__)
    new = tree(target, wanted(paths, base.ids))
    fresh = {p: e for p, e in new.files.items() if p not in base.ids}
    known = {p: e for p, e in new.files.items() if p in paths}
    records = resolutions.load(at.patches)
    moves = places(base.files, known, fresh)
    note(f"carrying {len(patches)} patches")
    carried = carry(patches, base.files.get, new.files.get, moves, records, target.name)
    found, seen = _history(lock, target, patches, carried, new, wanted_)
    summary = Summary(
        source=f"vllm-{lock.version}",
        target=target.name,
        patches=carried.patches,
        alerts=tuple(found),
        unused=tuple(records.unused(carried.used)),
        history=tuple(seen),
        identity=_identity(base, new, carried.patches),
        notes=tuple(_notes(carried.patches)),
    )
    return _Work(lock, patches, target, base, new, carried, summary)


def _identity(base: Source, new: Source, results: Sequence[PatchResult]) -> bool:
    same = all(
        part.state is State.UNCHANGED and part.result == part.theirs
        for result in results
        for part in result.files
    )
    return same and base.ids == new.ids


def _notes(results: Sequence[PatchResult]) -> list[str]:
    return [
        f"{r.name[:4]} is upstream as it stands and leaves the series"
        for r in results
        if r.state is State.ABSORBED
    ]


def _history(
    lock: Lock,
    target: Target,
    patches: list[Patch],
    carried: Carried,
    new: Source,
    wanted_: Wanted,
) -> tuple[list[Alert], list[str]]:
    """Alerts, and the names of what was looked at."""
    if not wanted_.history:
        return [], []
    paths = touched(patches)
    moments: list[Moment] = []
    found: list[Alert] = []
    if target.git and target.commit:
        git = Git(target.git)
        start = _start(lock, git)
        if start is None:
            return [], [f"nothing: the clone has neither {lock.commit} nor {lock.tag}"]
        moments = commits(git, start, target.commit, sorted(paths))
        found += named(git, start, target.commit, patches)
    elif (pinned := as_version(lock.version)) and target.version:
        if pinned < target.version and is_offline():
            return [], ["nothing: the network may not be used"]
        later = pinned < target.version
        for version in releases(pinned, target.version) if later else []:
            part = Target(f"vllm-{version}", version, sdist(lock, version))
            files = tree(part, paths.__contains__).files
            moments.append(Moment(part.name, files))
    seen = [m.name for m in moments]
    moments.append(Moment(target.name, new.files))
    return found + alerts(carried.patches, moments), seen


def _start(lock: Lock, git: Git) -> str | None:
    """Upstream's commit of the pin in a clone."""
    for name in (lock.git.commit or lock.commit, lock.tag):
        if found := git.resolve(f"{name}^{{commit}}"):
            return found
    return None


def _culprits(at: Checkout, work: _Work) -> tuple[Culprit, ...]:
    """Which commit broke what was not carried; empty without a history."""
    target, lost = work.target, [p for p in work.carried.patches if not p.state.carried]
    if not (lost and target.git and target.commit):
        return ()
    start = _start(work.lock, Git(target.git))
    if start is None:
        return ()
    files = dict(work.base.files)
    paths = touched(work.patches) | imported(files)
    slim = mirror(target.git, paths, at.build / "port" / "mirrors")
    records = resolutions.load(at.patches)
    return tuple(
        culprits(slim, start, target.commit, work.patches, files.get, records, lost)
    )


def _write(at: Checkout, wanted_: Wanted, work: _Work, place: Workplace) -> Summary:
    summary = work.summary
    if summary.identity:
        return summary
    changes = ported(work.carried.patches)
    by_name = {p.name: p for p in work.patches}
    open_ = place.show(work.target, wanted_.to, by_name, work.carried.patches, changes)
    where = f"build/port/vllm, branch port/{work.target.name}"
    if open_:
        where += f"; {open_[:4]} waits, see build/port/CONFLICT.md"
    summary = replace(summary, written=where, culprits=_culprits(at, work))
    if summary.outcome is Outcome.CARRIED and wanted_.proof and work.target.version:
        new = prove.trial(at, str(work.target.version), work.patches, changes)
        summary = replace(summary, checks=tuple(prove.prove(new)))
        if summary.outcome is Outcome.PROVED:
            prove.accept(at, new)
            summary = replace(summary, written="patches/ and upstream.lock")
    for name, text in (
        ("report.txt", render.as_text(summary) + "\n"),
        ("report.json", render.as_json(summary) + "\n"),
        ("report.md", render.as_markdown(summary)),
    ):
        write(place.root / name, text.encode("utf-8"))
    return summary


def resume(at: Checkout, reason: str, proof: bool = True) -> Summary:
    """Write down what a person decided, and go on.

    Args:
        at: The checkout.
        reason: Why the files are right as they stand now, one line.
        proof: As for `Wanted`.

    Raises:
        Finding: A file still has a conflict in it, or does not parse; or files
            were edited that the patch does not touch.
        Unusable: No port waits.
    """
    place = Workplace.of(at)
    stop = place.stop()
    wanted_ = Wanted(stop.to, Path(stop.git) if stop.git else None, proof=proof)
    with one_run(at.run_lock, "make port-continue"):
        work = _look(at, wanted_)
        waiting = next((r for r in work.carried.patches if not r.state.carried), None)
        if waiting is None or waiting.name != stop.patch:
            raise Finding(
                "the series or its resolutions changed since the port stopped",
                where=stop.patch,
                next=f"make port TO={stop.to}",
            )
        _check(place, stop.files, waiting)
        for part in waiting.files:
            if part.state.carried:
                continue
            file = place.tree / part.target
            result = file.read_bytes() if file.is_file() else None
            case = (part.base, part.ours, part.theirs)
            saved = resolutions.save(
                at.patches, case, result, part.target, waiting.subject, reason
            )
            note(f"written down: patches/{resolutions.FOLDER}/{saved.name}")
        place.forget()
        return _write(at, wanted_, _look(at, wanted_), place)


def _check(place: Workplace, files: dict[str, str], waiting: PatchResult) -> None:
    bad = []
    for path in files:
        file = place.tree / path
        data = file.read_bytes() if file.is_file() else b""
        if conflict.has_markers(data):
            bad.append(f"{path}: a conflict is still marked")
        elif file.is_file() and not parses(path, data):
            bad.append(f"{path}: it does not parse")
    strange = [path for path in place.edited() if path not in files]
    bad += [f"{path}: {waiting.name[:4]} does not wait for it" for path in strange]
    if bad:
        raise Finding(
            "the port cannot go on yet",
            where=str(place.tree),
            found="\n".join(bad),
            next="mend them (git -C build/port/vllm checkout <path> takes an edit "
            "back), then make port-continue",
        )
