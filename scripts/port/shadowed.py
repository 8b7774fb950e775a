# SPDX-License-Identifier: Apache-2.0
"""Names of a file that became a function's own around a change, or the contrary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.port.breach import Breach
from scripts.port.modules import module
from scripts.port.rows import added_rows
from scripts.port.states import FileResult
from scripts.port.uses import bindings
from scripts.series.replay import Entry


def shadowed(done: Sequence[FileResult]) -> Iterator[Breach]:
    """Names in the patch's lines that upstream binds where it did not, or no more.

    No rule of a linter sees it: the name is there, and is another thing.

    Args:
        done: The carried files of one patch.
    """
    for part in done:
        if part.result is None or part.theirs is None or part.result == part.theirs:
            continue
        own, outer = _bindings(part.path, part.base, part.theirs)
        now_own, now_outer = _bindings(part.target, part.ours, part.result)
        for scope, name in sorted(now_own.keys() & outer.keys() - own.keys()):
            row = now_own[scope, name]
            what = f"{name} is a name of {scope}'s own now, and was one of the file"
            yield Breach(part.path, row, name, what)
        for scope, name in sorted(now_outer.keys() & own.keys() - outer.keys()):
            row = now_outer[scope, name]
            what = f"{name} was a name of {scope}'s own, and is one of the file now"
            yield Breach(part.path, row, name, what)


Rows = dict[tuple[str, str], int]
"""Function and name to the line of a use."""


def _bindings(path: str, before: Entry | None, after: Entry) -> tuple[Rows, Rows]:
    found = module(path, after.data)
    if found is None:
        return {}, {}
    rows = added_rows(before.data if before else b"", after.data)
    return bindings(path, found, rows)
