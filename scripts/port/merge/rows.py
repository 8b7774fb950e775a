# SPDX-License-Identifier: Apache-2.0
"""Which lines of a content are not in the one before."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache


@lru_cache(maxsize=512)
def added_rows(before: bytes, after: bytes) -> frozenset[int]:
    """Lines of `after`, from 1, that `before` does not have there.

    >>> sorted(added_rows(b"a\\nb\\n", b"a\\nc\\nb\\n"))
    [2]
    """
    a, b = before.split(b"\n"), after.split(b"\n")
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    matcher = SequenceMatcher(
        None, a[head : len(a) - tail], b[head : len(b) - tail], autojunk=False
    )
    rows: set[int] = set()
    for tag, _, _, first, last in matcher.get_opcodes():
        if tag != "equal":
            rows |= set(range(head + first + 1, head + last + 1))
    return frozenset(rows)


def added_lines(before: bytes, after: bytes) -> list[bytes]:
    """Those lines themselves, in their order.

    >>> added_lines(b"a\\nb\\n", b"a\\nc\\nb\\n")
    [b'c']
    """
    rows = after.split(b"\n")
    return [rows[n - 1] for n in sorted(added_rows(before, after))]
