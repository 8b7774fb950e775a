# SPDX-License-Identifier: Apache-2.0
"""The series without one patch, and without what depends on it.

A later patch depends on one that is left out if its code does not merge on what
is left (three ways, on true preimages), or if it uses, in its code or its tests, a
name that only the left out code defines. That tests and documents do not merge makes
no dependent: where they do not by line, they are merged by syntax, and where they do
not by syntax, both sides' lines are kept, so that a patch's tests stay even beside
those of the one that went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.evidence.names import Names, State, is_code
from scripts.port.merge.elements import NoMerge
from scripts.port.merge.syntax import merge_syntax
from scripts.port.merge.text import space
from scripts.series.replay import Step


@dataclass(frozen=True)
class Dependent:
    """A later patch that cannot stand without an earlier one."""

    number: str
    why: str
    """`path does not merge`, or `path uses name`."""


@dataclass(frozen=True)
class Without:
    """What is left of the series."""

    number: str
    """The patch that is left out."""
    dependents: tuple[Dependent, ...]
    files: State

    @property
    def gone(self) -> frozenset[str]:
        """Numbers of all patches that are not in it."""
        return frozenset({self.number, *(d.number for d in self.dependents)})


def leave_out(
    number: str, base: State, steps: Sequence[Step], names: Mapping[str, Names]
) -> Without:
    """Everything but the patch `number` and its dependents.

    A patch of tests alone is left out like any other.

    Args:
        number: Four digits.
        base: Every path that `steps` touch, as upstream has it.
        steps: The whole series, replayed.
        names: What `names_of` gives.
    """
    before, now = dict(base), dict(base)
    lost: set[str] = set()
    dependents: list[Dependent] = []
    for step in steps:
        patch = step.patch
        merged: dict[str, Entry | None] = {}
        why = None
        if patch.number != number:
            why = names[patch.number].first_of(lost)
            for path, theirs in step.changes.items():
                both = merge(path, now[path], before[path], theirs)
                if isinstance(both, Conflict):
                    why = why or f"{path} does not merge"
                else:
                    merged[path] = both
        if patch.number == number or why:
            lost |= names[patch.number].own
            if why:
                dependents.append(Dependent(patch.number, why))
        else:
            now |= merged
        before |= step.changes
    return Without(number, tuple(dependents), now)


class Conflict:
    """What `merge` gives where both sides changed the same lines."""


def merge(
    path: str, ours: Entry | None, base: Entry | None, theirs: Entry | None
) -> Entry | None | Conflict:
    """A three-way merge of one file, by git.

    A test or a document always merges: by line, else by syntax, else with the lines of
    both sides; one that is not there stays away.
    """
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    if ours is None or base is None or theirs is None:
        return Conflict() if is_code(path) else ours
    sides = (ours.data, base.data, theirs.data)
    if (made := _by_line(*sides)) is None and not is_code(path):
        made = _by_syntax(path, *sides)
        if made is None:
            made = _by_line(*sides, "--union")
    return Conflict() if made is None else Entry(theirs.mode, made)


def _by_line(ours: bytes, base: bytes, theirs: bytes, *options: str) -> bytes | None:
    with TemporaryDirectory(prefix="sm12x-merge-") as scratch:
        sides = [Path(scratch) / name for name in ("ours", "base", "theirs")]
        for side, data in zip(sides, (ours, base, theirs), strict=True):
            side.write_bytes(data)
        done = Git(Path(scratch)).run(
            *("merge-file", "-p", "-q", *options, *(side.name for side in sides)),
            ok=range(128),  # the number of conflicts
        )
    return None if done.returncode else done.stdout


def _by_syntax(path: str, ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    with space() as room, suppress(NoMerge):
        return merge_syntax(path, base, ours, theirs, room).result
    return None
