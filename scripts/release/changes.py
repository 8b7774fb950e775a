# SPDX-License-Identifier: Apache-2.0
"""What became of the series between two releases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.series.mailbox import Patch


@dataclass(frozen=True)
class Changes:
    """Patches by what happened to them, told apart by their subject."""

    added: tuple[Patch, ...]
    changed: tuple[Patch, ...]
    """Other lines are added or removed, or other files touched."""
    dropped: tuple[Patch, ...]
    same: int
    """The same lines, whatever stands around them; number and message aside."""

    def rows(self) -> Iterator[str]:
        """One line a patch that is not as it was."""
        for word, patches in (
            ("added", self.added),
            ("changed", self.changed),
            ("dropped", self.dropped),
        ):
            for patch in patches:
                yield f"{word} {patch.number} {patch.subject}"

    def summary(self) -> str:
        """How many of each.

        >>> Changes((), (), (), 20).summary()
        '0 added, 0 changed, 0 dropped, 20 as they were'
        """
        return (
            f"{len(self.added)} added, {len(self.changed)} changed, "
            f"{len(self.dropped)} dropped, {self.same} as they were"
        )


def between(before: Sequence[Patch], after: Sequence[Patch]) -> Changes:
    """Compare two series.

    A patch that was carried to another pin has other blobs and line numbers;
    if it adds and removes the same lines in the same files, it is the same.
    """
    old = {patch.subject: patch for patch in before}
    new = {patch.subject: patch for patch in after}
    both = [(old[s], new[s]) for s in new if s in old]
    changed = tuple(b for a, b in both if _lines(a) != _lines(b))
    return Changes(
        added=tuple(p for s, p in new.items() if s not in old),
        changed=changed,
        dropped=tuple(p for s, p in old.items() if s not in new),
        same=len(both) - len(changed),
    )


def _lines(patch: Patch) -> list[tuple[str, int | None, list[bytes]]]:
    return [
        (
            change.path,
            change.new_mode,
            [
                line
                for hunk in change.hunks
                for line in hunk.lines
                if line.startswith((b"+", b"-"))
            ],
        )
        for change in patch.files
    ]
