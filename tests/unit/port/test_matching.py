# SPDX-License-Identifier: Apache-2.0
"""Lines are matched as Python's own difflib matches them, and faster."""

from __future__ import annotations

import random
from difflib import SequenceMatcher

import pytest

from scripts.port.merge.matching import Matcher


def _rows(chance: random.Random, kinds: int) -> list[bytes]:
    return [b"%d" % chance.randrange(kinds) for _ in range(chance.randrange(40))]


def _edited(chance: random.Random, rows: list[bytes], kinds: int) -> list[bytes]:
    """Rows with stretches taken out, repeated elsewhere, or written otherwise."""
    found = list(rows)
    for _ in range(chance.randrange(5)):
        first, last = sorted(chance.randrange(len(found) + 1) for _ in range(2))
        at = chance.randrange(len(found) + 1)
        how = chance.randrange(3)
        if how == 0:
            del found[first:last]
        elif how == 1:
            found[at:at] = found[first:last]
        else:
            found[first : first + 1] = [b"%d" % chance.randrange(kinds)]
    return found


@pytest.mark.parametrize("kinds", [1, 2, 3, 6, 25, 100])
def test_every_answer_is_that_of_difflib(kinds: int) -> None:
    chance = random.Random(kinds)
    for _ in range(1500):
        a = _rows(chance, kinds)
        b = _edited(chance, a, kinds) if chance.random() < 0.7 else _rows(chance, kinds)
        known = SequenceMatcher(None, a, b, autojunk=False)
        found = Matcher(a, b)
        assert found.get_opcodes() == known.get_opcodes(), (a, b)
        assert found.ratio() == known.ratio(), (a, b)


def test_a_file_of_many_blank_lines_is_not_matched_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = SequenceMatcher.find_longest_match

    def slow(of: SequenceMatcher[bytes], *where: int) -> object:
        alo, ahi, blo, bhi = where
        assert min(ahi - alo, bhi - blo) < 10, "each line is tried against all alike"
        return known(of, *where)

    a = [row for n in range(400) for row in (b"a%d" % n, b"", b"b%d" % n, b"")]
    b = [*a[:600], b"new", b"", *a[700:], b"last"]
    monkeypatch.setattr(SequenceMatcher, "find_longest_match", slow)
    assert [tag for tag, *_ in Matcher(a, b).get_opcodes()] == [
        *("equal", "replace", "equal", "insert"),
    ]
