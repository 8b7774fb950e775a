# SPDX-License-Identifier: Apache-2.0
"""Whether upstream has what a patch adds to a collection, with more beside it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from scripts.port.merge.elements import NoMerge
from scripts.port.merge.syntax import merge_syntax
from scripts.port.merge.text import Space

Rows = list[bytes]


def among_more(
    path: str, base: bytes, upstream: bytes, patched: bytes, space: Space
) -> bool:
    """Whether upstream adds all that the patch adds, at its place, and more with it.

    Both have to add no more than elements: of what runs, the more may matter.
    """
    old, now, new = (data.split(b"\n") for data in (base, upstream, patched))
    theirs = {at: rows for tag, at, rows in _changes(old, now) if tag == "insert"}
    for tag, at, block in _changes(old, new):
        if tag != "insert" or not _holds(theirs.get(at, []), block):
            return False
    try:
        made = merge_syntax(path, base, upstream, patched, space)
    except NoMerge:
        return False
    return made.result == upstream and not made.by_text


def _changes(old: Rows, new: Rows) -> Iterator[tuple[str, int, Rows]]:
    """What is done, at which of the old rows, and what stands there now."""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, at, _, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield tag, at, new[first:last]


def _holds(rows: Rows, block: Rows) -> bool:
    spans = range(len(rows) - len(block) + 1)
    return any(rows[at : at + len(block)] == block for at in spans)
