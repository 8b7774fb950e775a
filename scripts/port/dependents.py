# SPDX-License-Identifier: Apache-2.0
"""Which later patches stand on one that was not carried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scripts.port.states import Dependent, FileResult, PatchResult
from scripts.port.symbols import deltas, symbols
from scripts.series.replay import Entry


def link(results: Sequence[PatchResult]) -> list[PatchResult]:
    """The results, with what each blocks and is blocked by."""
    blocked: dict[str, list[str]] = {}
    dependents: dict[str, list[Dependent]] = {}
    for i, first in enumerate(results):
        bad = [f for f in first.files if not f.state.carried]
        if not bad:
            continue
        names = {name: f.path for f in bad for name in _defined(f)}
        for later in results[i + 1 :]:
            found = list(_ties(bad, names, later))
            if found:
                dependents.setdefault(first.name, []).extend(found)
                blocked.setdefault(later.name, []).append(first.name)
    return [
        replace(
            r,
            blocked_by=tuple(blocked.get(r.name, ())),
            dependents=tuple(dependents.get(r.name, ())),
        )
        for r in results
    ]


def _ties(
    bad: list[FileResult], names: dict[str, str], later: PatchResult
) -> Iterator[Dependent]:
    for part in later.files:
        for other in bad:
            if part.path != other.path:
                continue
            created = other.base is None
            common = [s for s in part.symbols if created or s in other.symbols]
            for symbol in common:
                yield Dependent(later.name, part.path, symbol)
        for name in sorted(names.keys() & _words(part)):
            # Code does not use what only a test defines.
            if names[name].startswith("tests/") and not part.path.startswith("tests/"):
                continue
            yield Dependent(later.name, part.path, name)


def _defined(part: FileResult) -> set[str]:
    """Names that a patch brings into being in a file."""
    before = symbols(part.path, _data(part.base))
    after = symbols(part.path, _data(part.theirs))
    last = {name.rpartition(".")[2] for name in after if name not in before}
    return {name for name in last if re.fullmatch(r"(?!__)\w{4,}", name)}


def _words(part: FileResult) -> set[str]:
    """Identifiers in the lines that a patch adds to a file."""
    before = symbols(part.path, _data(part.base))
    after = symbols(part.path, _data(part.theirs))
    found: set[str] = set()
    for change in deltas(before, after).values():
        for atom in change.added:
            found |= set(re.findall(r"\w{4,}", atom.decode("utf-8", "replace")))
    return found


def _data(entry: Entry | None) -> bytes | None:
    return entry.data if entry else None
