# SPDX-License-Identifier: Apache-2.0
"""Python's own matching of two rows of lines, faster where lines are unique."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import Match, SequenceMatcher


class Matcher(SequenceMatcher[bytes]):
    """As `SequenceMatcher` without junk, of which every answer is the same.

    It tries each line against all its likes; of files there are many blank ones. Here
    only lines that the other side has once are tried. They show the longest match,
    if it is longer than any stretch that has none of them: nothing else can be longer.
    """

    def __init__(self, a: Sequence[bytes], b: Sequence[bytes]) -> None:
        super().__init__(None, a, b, autojunk=False)

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        """The longest match in two stretches, and the first of those as long."""
        a, b, places = self.a, self.b, self.b2j  # type: ignore[attr-defined]
        ahi, bhi = len(a) if ahi is None else ahi, len(b) if bhi is None else bhi
        best = Match(alo, blo, 0)
        stretch = longest = done = 0
        for i in range(alo, ahi):
            at = places.get(a[i], ())
            if len(at) > 1:
                stretch += 1
                longest = max(longest, stretch)
                continue
            stretch = 0
            if i < done or not at or not blo <= at[0] < bhi:
                continue
            first, last, off = i, i + 1, at[0] - i
            least, most = max(alo, blo - off), min(ahi, bhi - off)
            while first > least and a[first - 1] == b[first + off - 1]:
                first -= 1
            while last < most and a[last] == b[last + off]:
                last += 1
            done = last
            if last - first > best.size:
                best = Match(first, first + off, last - first)
        if not longest or best.size > longest:
            return best
        return super().find_longest_match(alo, ahi, blo, bhi)


def changed(a: Sequence[bytes], b: Sequence[bytes]) -> list[tuple[int, int, int, int]]:
    """Stretches `a[i:j]` that are `b[m:n]` instead, in order, as (i, j, m, n).

    >>> changed([b"x", b"y", b"z"], [b"x", b"z", b"w"])
    [(1, 2, 1, 1), (3, 3, 2, 3)]
    """
    head, most = 0, min(len(a), len(b))
    while head < most and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < most - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    matcher = Matcher(a[head : len(a) - tail], b[head : len(b) - tail])
    return [
        (head + i, head + j, head + m, head + n)
        for tag, i, j, m, n in matcher.get_opcodes()
        if tag != "equal"
    ]
