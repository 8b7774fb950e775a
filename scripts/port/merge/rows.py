# SPDX-License-Identifier: Apache-2.0
"""Which lines of a content are not in the one before."""

from __future__ import annotations

from functools import lru_cache

from scripts.port.merge.matching import changed


@lru_cache(maxsize=512)
def added_rows(before: bytes, after: bytes) -> frozenset[int]:
    """Lines of `after`, from 1, that `before` does not have there.

    >>> sorted(added_rows(b"a\\nb\\n", b"a\\nc\\nb\\n"))
    [2]
    """
    rows: set[int] = set()
    for _, _, first, last in changed(before.split(b"\n"), after.split(b"\n")):
        rows |= set(range(first + 1, last + 1))
    return frozenset(rows)


def added_lines(before: bytes, after: bytes) -> list[bytes]:
    """Those lines themselves, in their order.

    >>> added_lines(b"a\\nb\\n", b"a\\nc\\nb\\n")
    [b'c']
    """
    rows = after.split(b"\n")
    return [rows[n - 1] for n in sorted(added_rows(before, after))]
