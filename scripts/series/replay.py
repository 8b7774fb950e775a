# SPDX-License-Identifier: Apache-2.0
"""Apply patches in memory, exactly: the blobs that they name, or nothing.

A hunk goes to the line that its header names and must find its lines there.
No offset, no fuzz, no reverse check: `git apply`, `git am -3` and `patch` all
search, and so can edit a twin of the function that a patch means (see
tests/unit/series/test_experiments.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scripts.base.errors import Finding
from scripts.base.git import NULL_ID
from scripts.base.object_ids import Entry, blob_id
from scripts.series.mailbox import FilePatch, Hunk, Patch


class Named(Protocol):
    """What a change belongs to, for messages."""

    @property
    def name(self) -> str:
        """File name in `patches/`."""


Tree = Callable[[str], Entry | None]
"""Looks up a path in the tree that the series starts from."""


@dataclass
class Files:
    """The files of a tree as the patches so far leave them."""

    tree: Tree
    now: dict[str, Entry | None] = field(default_factory=dict)
    """Those that a patch has touched; None for one that is deleted."""

    def __call__(self, path: str) -> Entry | None:
        return self.now[path] if path in self.now else self.tree(path)

    def apply(self, patch: Patch, change: FilePatch) -> Entry | None:
        """Apply one file's change, and keep its result; raises as `apply_file`."""
        after = apply_file(patch, change, self(change.path))
        self.now[change.path] = after
        return after


@dataclass(frozen=True)
class Step:
    """What one patch makes of the tree; None stands for a deleted file."""

    patch: Patch
    changes: Mapping[str, Entry | None]


def lines(data: bytes) -> list[bytes]:
    """Lines with their newlines; a lone carriage return ends none."""
    parts = data.split(b"\n")
    found = [x + b"\n" for x in parts[:-1]]
    return [*found, parts[-1]] if parts[-1] else found


def hunk_sides(hunk: Hunk) -> tuple[list[bytes], list[bytes]]:
    """Lines of a hunk before and after it."""
    old: list[bytes] = []
    new: list[bytes] = []
    touched: list[list[bytes]] = []
    for line in hunk.lines:
        if line[:1] == b"\\":
            for side in touched:
                side[-1] = side[-1][:-1]
            continue
        touched = [s for s, marks in ((old, b" -"), (new, b" +")) if line[:1] in marks]
        for side in touched:
            side.append(line[1:])
    return old, new


def _where(patch: Named, at: int) -> str:
    return f"patches/{patch.name}:{at}"


def apply_file(patch: Named, change: FilePatch, before: Entry | None) -> Entry | None:
    """Apply one file's change to its true preimage.

    Args:
        patch: The patch that `change` belongs to, for messages.
        change: The change.
        before: The file as the tree has it, None if it is not there.

    Returns:
        The file afterwards, None if it was deleted.

    Raises:
        Finding: Preimage, context or result is not the one that the patch
            names.
    """
    where = f"{_where(patch, change.at)} ({change.path})"
    next_ = (
        f"git diff -- patches/{patch.name} shows whether it was edited; another "
        "upstream needs make port"
    )
    if change.old_mode is None:
        if before is not None:
            raise Finding(
                "the patch creates a file that is there already",
                where,
                "no file",
                f"blob {blob_id(before.data)}",
                next_,
            )
    elif before is None:
        raise Finding(
            "the file to patch is not there",
            where,
            f"blob {change.old_blob}",
            "no file",
            next_,
        )
    elif before.mode != change.old_mode:
        raise Finding(
            "the preimage has another mode",
            where,
            f"{change.old_mode:o}",
            f"{before.mode:o}",
            next_,
        )
    mode_only = change.old_blob == change.new_blob == NULL_ID
    data = before.data if before else b""
    if not mode_only and before and (found := blob_id(data)) != change.old_blob:
        raise Finding(
            "the preimage is another blob than the patch was made on",
            where,
            f"blob {change.old_blob}",
            f"blob {found}",
            next_,
        )
    out: list[bytes] = []
    rows = lines(data)
    done = 0
    for hunk in change.hunks:
        old, new = hunk_sides(hunk)
        # An empty side is counted from the line before it.
        start = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        if start < done:
            raise Finding(
                "the hunk begins before the one above it ends",
                f"{_where(patch, hunk.at)} ({change.path})",
                f"line {done + 1} or later",
                f"line {start + 1}",
                next_,
            )
        if rows[start : start + len(old)] != old:
            raise _other_line(patch, change, hunk, rows[start:], next_)
        out += rows[done:start]
        out += new
        done = start + len(old)
    out += rows[done:]
    if change.new_mode is None:
        if out:
            raise Finding(
                "the patch deletes a file but leaves lines",
                where,
                "no line",
                f"{len(out)}",
                next_,
            )
        return None
    result = b"".join(out)
    if not mode_only and (found := blob_id(result)) != change.new_blob:
        raise Finding(
            "the result is another blob than the patch names",
            where,
            f"blob {change.new_blob}",
            f"blob {found}",
            next_,
        )
    return Entry(change.new_mode, result)


def _other_line(
    patch: Named, change: FilePatch, hunk: Hunk, rows: list[bytes], next_: str
) -> Finding:
    """The first line of a hunk that the file does not have there."""
    there = iter([*rows, None])
    here, found = hunk.at, None
    line = b""
    for here, line in enumerate(hunk.lines, hunk.at + 1):  # noqa: B007
        if line[:1] not in (b" ", b"-"):
            continue
        found = next(there, None)
        if found is None or found.rstrip(b"\n") != line[1:].rstrip(b"\n"):
            break
    return Finding(
        "the file has another line where the hunk stands",
        f"{_where(patch, here)} ({change.path})",
        _shown(line[1:]),
        "the end of the file" if found is None else _shown(found),
        next_,
    )


def _shown(line: bytes) -> str:
    return line.rstrip(b"\n").decode("utf-8", "backslashreplace")


def replay(
    patches: Iterable[Patch],
    tree: Tree,
    want: Callable[[str], bool] = lambda path: True,
) -> list[Step]:
    """Apply patches one after another, in memory.

    Args:
        patches: The series, in order.
        tree: Where files come from that no earlier patch has touched.
        want: Which paths to look at; the others are left out of the steps.

    Raises:
        Finding: As `apply_file`, at the first patch that does not hold.
    """
    files = Files(tree)
    steps = []
    for patch in patches:
        wanted = (change for change in patch.files if want(change.path))
        steps.append(Step(patch, {c.path: files.apply(patch, c) for c in wanted}))
    return steps


def result(steps: Iterable[Step]) -> dict[str, Entry | None]:
    """The last state of every path that the steps touch."""
    last: dict[str, Entry | None] = {}
    for step in steps:
        last |= step.changes
    return last


def changed_ids(
    ids: Mapping[str, tuple[int, str]], changes: Mapping[str, Entry | None]
) -> dict[str, tuple[int, str]]:
    """Mode and blob id of every file once `changes` are made, for `tree_id`."""
    after = dict(ids)
    for path, entry in changes.items():
        if entry is None:
            after.pop(path, None)
        else:
            after[path] = (entry.mode, blob_id(entry.data))
    return after
