# SPDX-License-Identifier: Apache-2.0
"""Whether what a ported patch uses is there, and is what it was on the pin.

Nothing of the new tree is run. Asked are the lines that the patch brings, and,
where the patch itself changes what a name is, whoever else uses that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.names.apart import entered_apart
from scripts.port.names.binding import Change, changes
from scripts.port.names.breach import Breach, Need, Side
from scripts.port.names.changed import otherwise
from scripts.port.names.counted import counted
from scripts.port.names.entered import entered
from scripts.port.names.fixtures import asked, unfixed
from scripts.port.names.library import Found, Library, Unfound
from scripts.port.names.meaning import meaning, shorter
from scripts.port.names.meeting import meeting
from scripts.port.names.modules import Module, module
from scripts.port.names.operations import called, operations
from scripts.port.names.outsiders import others
from scripts.port.names.overrides import overridden
from scripts.port.names.pytested import unknown
from scripts.port.names.reached import reached
from scripts.port.names.setting import unsettable
from scripts.port.names.shadowed import shadowed
from scripts.port.names.undefined import undefined
from scripts.port.names.unmakeable import unmakeable
from scripts.port.names.used import How, Use
from scripts.port.names.uses import added_uses
from scripts.port.names.vanished import vanished
from scripts.port.report.states import FileResult

HOMES = 3
"""Most files that are named as having what is not there."""
_PARAMETER = re.compile(r"has no parameter (\w+)")


def breaches(parts: Sequence[FileResult], old: Side, new: Side) -> list[Breach]:
    """Look at the carried files of one patch.

    Args:
        parts: What became of the patch's files.
        old: The pinned tree.
        new: The new tree, with what was carried.
    """
    all_ = [p for p in parts if p.state.carried]
    done = [p for p in all_ if p.target.endswith(".py")]
    with ThreadPoolExecutor(1) as beside:
        # ruff is a process of its own: it runs while the rest is looked up here.
        left = beside.submit(_undefined, done)
        found = _looked_up(done, old, new)
        found += vanished(all_, old, new)
        return list(dict.fromkeys([*found, *left.result()]))


def _looked_up(done: Sequence[FileResult], old: Side, new: Side) -> list[Breach]:
    found: list[Breach] = []
    for part in done:
        found += _hidden(part, old.library, new.library)
        if part.result is not None:
            found += _mine(part, old.library, new)
        rows = list(others(part, new.library, new.search))
        made = replace(part, target=part.path, upstream=part.base, result=part.patched)
        known = set(others(made, old.library, old.search)) if rows else set()
        for row in rows:
            if row not in known:
                name, path, text, change = row
                what = f"{path} uses {text}, which {change.what}"
                found.append(Breach(part.path, 0, name, what, change.severe))
    found += counted(done, old, new)
    found += overridden(done, old, new)
    found += unmakeable(done, new)
    found += unfixed(done, old, new)
    found += shadowed(done)
    found += entered(done, old, new)
    found += reached(done, old, new)
    found += operations(done, old, new)
    found += unknown(done, old, new)
    found += entered_apart(done, old, new)
    found += meeting(done, old, new)
    return found


def _hidden(part: FileResult, old: Library, new: Library) -> Iterator[Breach]:
    """A package that hides the module of its name."""
    path = part.target
    package = path.endswith("/__init__.py")
    base = path.removesuffix("/__init__.py") if package else path.removesuffix(".py")
    other = f"{base}.py" if package else f"{base}/__init__.py"
    if part.result is None or new.read(other) is None or old.read(other) is not None:
        return
    what = f"{other} would be hidden by it" if package else f"{other} hides it"
    yield Breach(part.path, 1, base.rpartition("/")[2], what)


def _mine(part: FileResult, old: Library, new: Side) -> Iterator[Breach]:
    """What the patch's own lines use."""
    assert part.result is not None
    found = module(part.target, part.result.data)
    if found is None:
        return
    before = part.upstream.data if part.upstream else b""
    mine = part.patched.data if part.patched else b""
    for use in added_uses(part.target, before, part.result.data):
        was = meaning(use, part.path, old)
        now = meaning(use, part.target, new.library)
        if was is Unfound.UNKNOWN and now is Unfound.MISSING and len(use.parts) > 1:
            was = Definition(use.name, Sort.VALUE, again=True)
        elif was is Unfound.UNKNOWN and not use.owner:
            use, was, now = shorter(use, part, old, new.library)
        barred = unsettable(use, part.target, new.library)
        if barred and not unsettable(use, part.path, old):
            yield Breach(
                part.path, use.row, use.name, f"{use.text} is set, and {barred}"
            )
            continue
        if _unrun(use, found) and not _unrun(use, module(part.path, mine)):
            what = f"{use.parts[0]} is imported for type checkers alone"
            yield Breach(part.path, use.row, use.parts[0], what)
            continue
        met = list(_against(use, was, now))
        if not met and _vaguely(use, was, now, part):
            what = f"{use.text} ({now.home})"  # type: ignore[union-attr]
            yield Breach(part.path, 0, use.name, what, severe=False, vague=True)
        for change in met:
            where = _now(use, now, new)
            name = use.name
            if use.how is How.IMPORTED and use.start:
                name = use.start.name or use.start.module.rpartition(".")[2]
            what = f"{use.text} {change.what}{where}"
            made = Breach(part.path, use.row, name, what, change.severe)
            parameter = _PARAMETER.match(change.what)
            yield replace(made, parameter=parameter[1]) if parameter else made


def _vaguely(use: Use, was: Found, now: Found, part: FileResult) -> bool:
    """Whether upstream changed what a use asks for, and no more is known.

    Tests are run by the proof; what the patch itself changes is told beside the merge.
    """
    if part.path.startswith("tests/"):
        return False
    if not (isinstance(was, Definition) and isinstance(now, Definition)):
        return False
    if now.home == part.target and use.name in {
        name.rpartition(".")[2] for name in part.symbols
    }:
        return False
    return otherwise(use, was, now)


def _unrun(use: Use, found: Module | None) -> bool:
    """Whether a name is not there when it is used, as only type checkers import it."""
    if found is None or use.start or use.owner or use.kind:
        return False
    late = use.said and "annotations" in found.links
    return use.parts[0] in found.typing and not late


def needs(parts: Sequence[FileResult], old: Side) -> dict[str, set[Need]]:
    """What the lines of a patch use, by file: where it is defined, and its name.

    Args:
        parts: What became of the patch's files, carried or not.
        old: The pinned tree with the series up to and with this patch.
    """
    found: dict[str, set[Need]] = {}
    for part in parts:
        data = part.patched.data if part.patched else b""
        made = module(part.path, data) if part.path.endswith(".py") else None
        if made is None:
            continue
        before = part.base.data if part.base else b""
        found.setdefault(part.path, set()).update(asked(part, old))
        found[part.path] |= {("", u.parts[3]) for u in called(part.path, before, data)}
        for use in added_uses(part.path, before, data):
            was = meaning(use, part.path, old.library)
            if isinstance(was, Definition):
                need = was.home, was.name
                if was.sort is Sort.MODULE:
                    path = old.library.path(was.home) or ""
                    need = path, was.home.rpartition(".")[2]
                found[part.path].add(need)
            elif len(use.parts) == 1:
                # From outside, so that it is the import of this file; or of nobody.
                here = use.start is not None or use.text in made.links
                need = (part.path if here else "", use.text)
                found[part.path].add(need)
    return found


def _against(use: Use, was: Found, now: Found) -> Iterator[Change]:
    if was is Unfound.MISSING:
        return
    if now is Unfound.MISSING:
        # A name that no import binds may be Python's own; ruff knows those.
        if use.how is How.IMPORTED or len(use.parts) > 1 or use.start:
            yield Change("is not there")
    elif isinstance(was, Definition) and isinstance(now, Definition):
        yield from changes(use, was, now)


def _now(use: Use, now: Found, new: Side) -> str:
    """Where a missing name is defined now."""
    if now is not Unfound.MISSING or use.parts[-1].startswith("["):
        return ""
    name = (use.start.name if use.start else "") or use.name
    word = name.rpartition(".")[2].encode()
    homes = []
    for path in new.binds(word):
        found = new.library.load(path)
        if found and word.decode() in found.places:
            homes.append(path)
        if len(homes) == HOMES:
            break
    if not homes:
        return ""
    return f"; {', '.join(homes)} {'has' if len(homes) == 1 else 'have'} one"


def _undefined(done: Sequence[FileResult]) -> list[Breach]:
    files = {}
    by_target = {part.target: part for part in done}
    for part in done:
        if part.result is None or (
            part.upstream and part.result.data == part.upstream.data
        ):
            continue
        sides = [e.data for e in (part.upstream, part.patched) if e is not None]
        if part.result.data not in sides:
            files[part.target] = (*sides, part.result.data)
    return [
        Breach(by_target[one.path].path, one.row, one.name, one.what)
        for one in undefined(files)
    ]
