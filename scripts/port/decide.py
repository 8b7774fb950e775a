# SPDX-License-Identifier: Apache-2.0
"""One file of one patch on the new tree: which state, and which result."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.port import absorbed
from scripts.port.elements import NoMerge
from scripts.port.guards import Sides, moved_only, objections, touched_symbols
from scripts.port.merge import Merged, Space
from scripts.port.places import Places
from scripts.port.resolutions import Records
from scripts.port.states import FileResult, State
from scripts.port.symbols import renames, symbols
from scripts.port.syntax import merge_syntax
from scripts.series.diff import FilePatch
from scripts.series.replay import Entry


@dataclass(frozen=True)
class Case:
    """The three sides of a file."""

    change: FilePatch
    target: str
    """Path in the new tree."""
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None

    @property
    def three_way(self) -> bool:
        """Whether there are three contents, and no two of them are equal."""
        sides = (self.base, self.ours, self.theirs)
        return all(sides) and self.base.data != self.ours.data  # type: ignore[union-attr]

    def result(self, state: State, **more: object) -> FileResult:
        path, base, theirs = self.change.path, self.base, self.theirs
        fields: dict[str, object] = {
            "symbols": tuple(
                touched_symbols(
                    path, base.data if base else None, theirs.data if theirs else None
                )
            ),
            "target": self.target,
            "base": base,
            "ours": self.ours,
            "theirs": theirs,
        }
        return FileResult(path=path, state=state, **(fields | more))  # type: ignore[arg-type]


def file(
    case: Case, merged: Merged, records: Records, places: Places, room: Space
) -> FileResult:
    """Decide one file."""
    known = records.find(case.base, case.ours, case.theirs)
    if known is not None:
        kept = None if known.result is None else Entry(_mode(case), known.result)
        return case.result(State.RESOLVED, result=kept, why=known.reason)
    if case.base is None:
        return _created(case)
    if case.theirs is None:
        return _deleted(case)
    if case.ours is None:
        return _gone(case, places)
    if case.base.data == case.ours.data:
        # Upstream has the very preimage, so the patch's own blob is the result.
        same = case.target == case.change.path
        entry = Entry(_mode(case), case.theirs.data)
        state = State.UNCHANGED if same and case.base == case.ours else State.MOVED
        why = "" if same else f"upstream moved the file to {case.target}"
        return case.result(state, result=entry, why=why)
    return _three(case, merged, places, room)


def _mode(case: Case) -> int:
    """The patch's mode where it changes it, else upstream's."""
    if case.ours is None or case.base is None or case.theirs is None:
        side = case.ours or case.theirs or case.base
        return side.mode if side else 0o100644
    return case.theirs.mode if case.base.mode != case.theirs.mode else case.ours.mode


def _created(case: Case) -> FileResult:
    assert case.theirs is not None
    if case.ours is None:
        return case.result(State.UNCHANGED, result=case.theirs)
    if case.ours == case.theirs:
        return case.result(State.ABSORBED, result=case.ours)
    found = absorbed.in_another_form(
        case.target, None, case.ours.data, case.theirs.data
    )
    state = State.CONFLICT
    if found.share >= absorbed.ENOUGH:
        state = State.PROBABLY_ABSORBED
    return case.result(
        state,
        why="upstream has a file of this name now",
        evidence=found.evidence,
    )


def _deleted(case: Case) -> FileResult:
    assert case.base is not None
    if case.ours is None:
        return case.result(State.ABSORBED)
    if case.ours == case.base:
        return case.result(State.UNCHANGED)
    return case.result(
        State.CONFLICT, why="upstream changed the file that the patch deletes"
    )


def _gone(case: Case, places: Places) -> FileResult:
    hints = places.hints(case.change.path)
    why = "upstream no longer has the file"
    if hints:
        why += f"; like it: {', '.join(hints)}"
    return case.result(State.GONE, why=why)


def _three(case: Case, merged: Merged, places: Places, room: Space) -> FileResult:
    assert case.base and case.ours and case.theirs
    path, mode = case.target, _mode(case)
    base, ours, theirs = case.base.data, case.ours.data, case.theirs.data
    entry = merged.files.get(path)
    clean = entry is not None and path not in merged.conflicts
    if clean and entry is not None and entry.data == ours:
        if absorbed.exactly(path, base, ours, theirs, room):
            return case.result(State.ABSORBED, result=case.ours)
        clean = False  # nothing would change, and it is not shown to be there
    found = absorbed.in_another_form(path, base, ours, theirs)
    why = "the text conflicts"
    if clean and entry is not None:
        doubts = objections(Sides(path, base, ours, theirs, entry.data))
        if found.doubled:
            doubts.append(f"upstream added {found.doubled} there, too")
        if not doubts and found.share < absorbed.ENOUGH:
            same = moved_only(case.change, ours, entry.data)
            state = State.MOVED if same else State.MERGED
            renamed = "" if path == case.change.path else f"now {path}"
            return case.result(state, result=Entry(mode, entry.data), why=renamed)
        why = f"text merges, and must not: {doubts[0]}" if doubts else ""
    if found.share >= absorbed.ENOUGH:
        return case.result(
            State.PROBABLY_ABSORBED,
            why=f"{found.share:.0%} of the change is upstream in another form",
            evidence=found.evidence,
        )
    try:
        made = merge_syntax(path, base, ours, theirs, room)
        result = made.result
        doubts = objections(Sides(path, base, ours, theirs, result, made.by_text))
        if result == ours:
            doubts.append("nothing of the patch would be left")
        if not doubts and not found.doubled:
            return case.result(
                State.SYNTAX, result=Entry(mode, result), why="please read it"
            )
        why = f"{why}; by syntax: {doubts[0]}" if doubts else why
    except NoMerge as e:
        why = f"{why}; by syntax: {e}"
    if lost := _lost(case, places):
        return case.result(State.GONE, why=f"{lost}; {why}", evidence=found.evidence)
    return case.result(State.CONFLICT, why=why, evidence=found.evidence)


def _lost(case: Case, places: Places) -> str:
    """The symbols that the patch changes and upstream no longer has."""
    assert case.base and case.ours and case.theirs
    before = symbols(case.target, case.base.data)
    new = symbols(case.target, case.ours.data)
    touched = touched_symbols(case.target, case.base.data, case.theirs.data)
    to = renames(touched, before, new)
    lost = [n for n in touched if n in before and n not in new and n not in to]
    if not lost:
        return ""
    now = [f"{name}: now in {at}" for name in lost if (at := places.holder(name))]
    return f"upstream has no {', '.join(lost)}" + (
        f" ({'; '.join(now)})" if now else ""
    )
