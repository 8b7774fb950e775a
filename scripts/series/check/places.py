# SPDX-License-Identifier: Apache-2.0
"""From a line of a patched file to the line of the patch that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.series.mailbox import FilePatch


@dataclass(frozen=True)
class Line:
    """A line that a hunk adds or keeps."""

    at: int
    """Line in the patch file, from 1."""
    number: int
    """Line in the file after the patch, from 1."""
    text: bytes
    """Without its newline."""
    added: bool
    ends: bool
    """False for a last line without a newline."""


def lines(change: FilePatch) -> Iterator[Line]:
    """The lines of the new side, in order."""
    for hunk in change.hunks:
        number = hunk.new_start
        for offset, raw in enumerate(hunk.lines):
            if raw[:1] not in b"+ ":
                continue
            after = hunk.lines[offset + 1] if offset + 1 < len(hunk.lines) else b""
            yield Line(
                at=hunk.at + 1 + offset,
                number=number,
                text=raw[1:-1],
                added=raw[:1] == b"+",
                ends=not after.startswith(b"\\"),
            )
            number += 1


def added(change: FilePatch) -> Iterator[Line]:
    """The lines that the patch adds to one file."""
    return (line for line in lines(change) if line.added)


def place(change: FilePatch, number: int) -> int:
    """Line of the patch file for line `number` of the patched file.

    A line outside the hunks is shown by its file's `diff --git` line.
    """
    return next((x.at for x in lines(change) if x.number == number), change.at)
