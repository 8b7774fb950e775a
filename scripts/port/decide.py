# SPDX-License-Identifier: Apache-2.0
"""One file of one patch on the new tree: which state, and which result."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.base.errors import Finding
from scripts.base.object_ids import Entry
from scripts.port import absorbed
from scripts.port.among import among_more
from scripts.port.elsewhere import elsewhere
from scripts.port.merge.elements import NoMerge
from scripts.port.merge.guards import Sides, doubts_of, moved_only, touched_symbols
from scripts.port.merge.symbols import renames, symbols
from scripts.port.merge.syntax import merge_syntax
from scripts.port.merge.text import Merged, Space
from scripts.port.moves import Places
from scripts.port.report.states import FileResult, State
from scripts.series.diff import FilePatch
from scripts.series.replay import Tree, apply_file
from scripts.series.resolutions import Known, Records


@dataclass(frozen=True)
class Case:
    """The three sides of a file."""

    change: FilePatch
    target: str
    """Path in the new tree."""
    base: Entry | None
    upstream: Entry | None
    patched: Entry | None
    pinned: tuple[Entry | None, Entry | None] = (None, None)
    """The file in the two trees without the series."""
    here: Tree = lambda path: None
    """Any file of the new tree, with the patches before."""

    @property
    def three_way(self) -> bool:
        """Whether there are three contents, and no two of them are equal."""
        sides = (self.base, self.upstream, self.patched)
        return all(sides) and self.base.data != self.upstream.data  # type: ignore[union-attr]

    def result(self, state: State, **more: object) -> FileResult:
        path, base, patched = self.change.path, self.base, self.patched
        fields: dict[str, object] = {
            "symbols": tuple(
                touched_symbols(
                    path, base.data if base else None, patched.data if patched else None
                )
            ),
            "target": self.target,
            "base": base,
            "upstream": self.upstream,
            "patched": patched,
        }
        return FileResult(path=path, state=state, **(fields | more))  # type: ignore[arg-type]


def file(
    case: Case, merged: Merged, records: Records, places: Places, room: Space
) -> FileResult:
    """Decide one file."""
    return elsewhere(_file(case, merged, records, places, room), places)


def _file(
    case: Case, merged: Merged, records: Records, places: Places, room: Space
) -> FileResult:
    known = records.find(case.base, case.upstream, case.patched)
    if known is not None:
        return _resolved(case, known)
    if case.base is None:
        return _created(case)
    if case.patched is None:
        return _deleted(case)
    if case.upstream is None:
        return _gone(case, places)
    if case.base.data == case.upstream.data:
        # Upstream has the very preimage, so the patch's own blob is the result.
        same = case.target == case.change.path
        entry = Entry(_mode(case), case.patched.data)
        state = State.UNCHANGED if same and case.base == case.upstream else State.MOVED
        why = "" if same else f"upstream has the file as {case.target}"
        return case.result(state, result=entry, why=why)
    return _three(case, merged, places, room)


def _resolved(case: Case, known: Known) -> FileResult:
    """What a person decided, unless another file that it edits is another now."""
    also: dict[str, Entry | None] = {}
    for path, change in known.also.items():
        before = case.here(path)
        if change.old_mode is not None and before is not None:
            before = Entry(change.old_mode, before.data)
        try:
            also[path] = apply_file(_Record(), change, before)
        except Finding as e:
            why = f"it was decided to enter it in {path}, and there {e.what}"
            return case.result(State.GONE, why=why, homes=(path,))
    kept = None if known.result is None else Entry(_mode(case), known.result)
    return case.result(State.RESOLVED, result=kept, why=known.reason, also=also)


@dataclass(frozen=True)
class _Record:
    """What a decision's change belongs to, for messages."""

    name: str = "resolutions"


def _mode(case: Case) -> int:
    """The patch's mode where it changes it, else upstream's."""
    if case.upstream is None or case.base is None or case.patched is None:
        side = case.upstream or case.patched or case.base
        return side.mode if side else 0o100644
    return (
        case.patched.mode if case.base.mode != case.patched.mode else case.upstream.mode
    )


def _created(case: Case) -> FileResult:
    assert case.patched is not None
    if case.upstream is None:
        return case.result(State.UNCHANGED, result=case.patched)
    if case.upstream == case.patched:
        return case.result(State.ABSORBED, result=case.upstream)
    data, mine = case.upstream.data, case.patched.data
    if absorbed.prose_apart(case.target, data, mine):
        why = "upstream has its code, and words the docstring otherwise"
        return case.result(State.ABSORBED, result=case.upstream, why=why)
    found = absorbed.in_another_form(case.target, case.pinned, None, data, mine)
    state, why = State.CONFLICT, "upstream has another file of this name"
    if found.share >= absorbed.ENOUGH:
        state, why = State.PROBABLY_ABSORBED, f"{why}: {found.said}"
    return case.result(state, why=why, evidence=found.evidence)


def _deleted(case: Case) -> FileResult:
    assert case.base is not None
    if case.upstream is None:
        return case.result(State.ABSORBED)
    if case.upstream == case.base:
        return case.result(State.UNCHANGED)
    return case.result(
        State.CONFLICT, why="upstream changed the file that the patch deletes"
    )


def _gone(case: Case, places: Places) -> FileResult:
    assert case.base is not None
    path = case.change.path
    homes = _homes(case, places, case.base.data, b"")
    hints = [*places.hints(path), *(at for found in homes.values() for at in found)]
    why = f"{places.label} has no such file"
    if homes:
        why += "; " + "; ".join(f"{n} is in {', '.join(at)}" for n, at in homes.items())
    elif hints:
        why += f"; like it: {', '.join(hints)}"
    return case.result(State.GONE, why=why, homes=tuple(dict.fromkeys(hints)))


def _homes(
    case: Case, places: Places, base: bytes, upstream: bytes
) -> dict[str, tuple[str, ...]]:
    """Symbols that the patch changes and upstream has in another file now."""
    path = case.change.path
    before, new = symbols(path, base), symbols(path, upstream)
    patched = case.patched.data if case.patched else None
    found = {}
    for name in touched_symbols(path, base, patched):
        if name not in before or name in new:
            continue
        if at := places.homes(case.target, name, before[name]):
            found[name] = at
    return found


def _three(case: Case, merged: Merged, places: Places, room: Space) -> FileResult:
    assert case.base and case.upstream and case.patched
    path, mode = case.target, _mode(case)
    base, upstream, patched = case.base.data, case.upstream.data, case.patched.data
    three = base, upstream, patched
    text = merged.files.get(path)
    clean = text is not None and path not in merged.conflicts
    if clean and text == upstream:
        if absorbed.exactly(path, base, upstream, patched, room):
            return case.result(State.ABSORBED, result=case.upstream)
        clean = False  # nothing would change, and it is not shown to be there
    if absorbed.but_for_prose(path, base, upstream, patched, room):
        why = "upstream has its code, and words the docstring otherwise"
        return case.result(State.ABSORBED, result=case.upstream, why=why)
    found = absorbed.in_another_form(path, case.pinned, base, upstream, patched)
    homes = _homes(case, places, base, upstream)
    why = "both changed the same lines"
    if clean and text is not None:
        sides = Sides(path, base, upstream, patched, text, homes)
        doubts, read = doubts_of(sides)
        doubts += found.twice(path, upstream, text)
        if not doubts and found.share < absorbed.ENOUGH:
            same = moved_only(case.change, upstream, text)
            state = State.MOVED if same else State.MERGED
            renamed = "" if path == case.change.path else f"now {path}"
            result = Entry(mode, text)
            return case.result(state, result=result, why=renamed, read=read)
        why = f"the text merges, and must not: {doubts[0]}" if doubts else ""
    if found.share >= absorbed.ENOUGH:
        if not found.missing and among_more(path, *three, room):
            return case.result(State.ABSORBED, result=case.upstream)
        return case.result(
            State.PROBABLY_ABSORBED, why=found.said, evidence=found.evidence
        )
    try:
        made = merge_syntax(path, base, upstream, patched, room)
        result = Entry(mode, made.result)
        sides = Sides(path, base, upstream, patched, made.result, homes, made.by_text)
        doubts, read = doubts_of(sides)
        if made.result == upstream:
            doubts.append("nothing of the patch would be left")
        doubts += found.twice(path, upstream, made.result)
        if not doubts:
            read = ("both changed lines beside each other", *read)
            return case.result(State.SYNTAX, result=result, read=read)
        more = "" if doubts[0] in why else f"; by syntax: {doubts[0]}"
        why = f"{why}{more}" if why else doubts[0]
    except NoMerge as e:
        why = f"{why}; by syntax: {e}"
    if lost := _lost(case, homes):
        named = tuple(dict.fromkeys(at for found in homes.values() for at in found))
        why = f"{lost}; {why}"
        return case.result(State.GONE, why=why, evidence=found.evidence, homes=named)
    return case.result(State.CONFLICT, why=why, evidence=found.evidence)


def _lost(case: Case, homes: dict[str, tuple[str, ...]]) -> str:
    """The symbols that the patch changes and upstream does not have."""
    assert case.base and case.upstream and case.patched
    before = symbols(case.target, case.base.data)
    new = symbols(case.target, case.upstream.data)
    touched = touched_symbols(case.target, case.base.data, case.patched.data)
    to = renames(touched, before, new)
    lost = [n for n in touched if n in before and n not in new and n not in to]
    if not lost:
        return ""
    now = "; ".join(f"{n} is in {', '.join(at)} now" for n, at in homes.items())
    return f"upstream has no {', '.join(lost)} here" + (f" ({now})" if now else "")
