# SPDX-License-Identifier: Apache-2.0
"""Places within one symbol that look alike, so that a merge may take another."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.port.merge.matching import Matcher
from scripts.port.merge.symbols import Delta, Lines, renames


def twins(
    before: Mapping[str, Lines],
    new: Mapping[str, Lines],
    wanted: Mapping[str, Lines],
    touched: Mapping[str, Delta],
) -> list[str]:
    """Places within one symbol that look alike, so that a merge may take another."""
    to = renames(list(touched), before, new)
    found = []
    for name in touched:
        old, now = before.get(name, ()), new.get(to.get(name, name), ())
        if not old or not now or old == now or name.endswith("imports"):
            continue
        if now == wanted.get(name):
            continue  # upstream has made the change: nothing is placed there
        spots = _spots(old, wanted.get(name, ()))
        if any(_ambiguous(old, now, a, b) for a, b in spots):
            found.append(f"{name} has more than one place like the one to change")
    return found


def _spots(old: Lines, new: Lines) -> list[tuple[int, int]]:
    """Each stretch of `old` that the patch replaces, empty where it inserts."""
    matcher = Matcher(old, new)
    return [(a, b) for tag, a, b, _, _ in matcher.get_opcodes() if tag != "equal"]


def _ambiguous(old: Lines, now: Lines, a: int, b: int) -> bool:
    """Whether `old[a:b]` cannot be told from other places, before or now."""
    for around in (1, 2, 3, 5, 8):
        if _alone(old[max(0, a - around) : b + around], old, now):
            return False
    if a < b:
        return not _alone(old[a:b], old, now)
    # What is inserted at a symbol's end has one neighbour.
    return not any(
        _alone(x, old, now) for x in (old[max(0, a - 1) : a], old[a : a + 1])
    )


def _alone(core: Lines, *places: Lines) -> bool:
    return bool(core) and all(_count(lines, core) == 1 for lines in places)


def _count(lines: Lines, core: Lines) -> int:
    return sum(
        lines[i : i + len(core)] == core for i in range(len(lines) - len(core) + 1)
    )
