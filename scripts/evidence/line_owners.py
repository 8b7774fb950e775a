# SPDX-License-Identifier: Apache-2.0
"""Which patch each line of the patched files comes from."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from scripts.evidence.names import State, is_code
from scripts.series.replay import Step, hunk_sides, lines


def owners(base: State, steps: Sequence[Step]) -> dict[str, list[str | None]]:
    """Number of the patch that added each line, None for upstream's.

    Python code alone, as the last patch leaves it; a file that is gone has no lines.
    The hunks themselves are followed, so that no line is guessed.
    """
    found: dict[str, list[str | None]] = {}
    for step in steps:
        for change in step.patch.files:
            if not (change.path.endswith(".py") and is_code(change.path)):
                continue
            entry = base[change.path]
            first: list[str | None] = [None] * len(lines(entry.data if entry else b""))
            before = found.get(change.path, first)
            after: list[str | None] = []
            done = 0
            for hunk in change.hunks:
                old, _ = hunk_sides(hunk)
                start = hunk.old_start - 1 if hunk.old_count else hunk.old_start
                after += before[done:start]
                at = start
                for line in hunk.lines:
                    if line[:1] == b"+":
                        after.append(step.patch.number)
                    elif line[:1] == b" ":
                        after.append(before[at])
                    at += line[:1] in (b" ", b"-")
                done = start + len(old)
            found[change.path] = after + before[done:]
    return found


def digest(number: str, owned: dict[str, list[str | None]], last: State) -> str:
    """Digest of the lines that a patch has in the patched files."""
    made = sha256()
    for path, numbers in sorted(owned.items()):
        entry = last[path]
        rows = lines(entry.data) if entry else []
        for owner, row in zip(numbers, rows, strict=True):
            if owner == number:
                made.update(row)
    return made.hexdigest()[:16]
