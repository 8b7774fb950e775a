# SPDX-License-Identifier: Apache-2.0
"""What stands around a change: the tests that it runs under, there and here.

A hunk can merge, and its lines stand under a condition that upstream turned
round. So the chain of statements around each line that a patch adds or removes
is compared with the chain where the patch was made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from scripts.port.merge.contrary import opposite
from scripts.port.merge.enclosing import (
    BINDS,
    ELSE,
    GUARD,
    KEEPS,
    MARK,
    Chain,
    chain_of,
)
from scripts.port.merge.inside import JOINED, Around
from scripts.port.merge.languages import tree
from scripts.port.merge.rows import added_rows
from scripts.port.merge.symbols import owners, renames, symbols


@dataclass(frozen=True)
class Ground:
    """What upstream did to the ground of a change."""

    turned: tuple[str, ...] = ()
    """It would do the contrary now."""
    changed: tuple[str, ...] = ()
    """A person has to read it."""


_NEVER = {"0", "False", "false"}


def ground(
    path: str, base: bytes, upstream: bytes, patched: bytes, result: bytes
) -> Ground:
    """Compare the chains of what the patch adds, and of what it removes."""
    turned: list[str] = []
    changed: list[str] = []
    for was, now in (
        (_added(path, base, patched), _added(path, upstream, result)),
        (_added(path, patched, base), _added(path, result, upstream)),
    ):
        to = renames(
            [n for n, _, _ in was], symbols(path, base), symbols(path, upstream)
        )
        for (name, line, count), chain in was.items():
            here = now.get((to.get(name, name), line, count))
            if here is None or here == chain:
                continue
            bad, said = _compared(chain, here)
            (turned if bad else changed).append(f"{said}, in {name}")
    return Ground(tuple(dict.fromkeys(turned)), tuple(dict.fromkeys(changed)))


def _added(
    path: str, before: bytes, after: bytes
) -> dict[tuple[str, bytes, int], Chain]:
    """Chain of each line that `after` has more, by symbol, text and count."""
    root = tree(path, after)
    if root is None:
        return {}
    names = owners(path, after)
    rows = after.split(b"\n")
    found: dict[tuple[str, bytes, int], Chain] = {}
    seen: Counter[tuple[str, bytes]] = Counter()
    for row in sorted(added_rows(before, after)):
        line = rows[row - 1].strip() if row <= len(rows) else b""
        name = names[row - 1] if row <= len(names) else ""
        if not line or line.startswith((b"#", b"//")):
            continue
        seen[name, line] += 1
        column = len(rows[row - 1]) - len(rows[row - 1].lstrip())
        node = root.descendant_for_point_range((row - 1, column), (row - 1, column))
        found[name, line, seen[name, line]] = chain_of(node, row - 1)
    return found


def _compared(was: Chain, now: Chain) -> tuple[bool, str]:
    """Whether the chain was turned round, and what to say of it."""
    blocks = _blocks(was), _blocks(now)
    flips, said = 0, ""
    for a, b in zip(*blocks, strict=False):
        if a == b:
            continue
        if a.kind == b.kind and a.test != b.test:
            if a.kind == JOINED:
                flips += 1
                said = f"upstream joins what it stands in by {b.said}, and not {a.said}"
            elif opposite(a.test, b.test):
                flips += 1
                said = f"upstream turned the test around it: {a.said} is {b.said} now"
            elif not said:
                said = f"upstream changed the test around it: {a.said} is {b.said} now"
            continue
        if ELSE & {a.kind, b.kind}:
            flips += 1
            said = f"it would stand in another branch: {b.said}, and not {a.said}"
        elif not said:
            said = f"it would stand in {b.said}, and not in {a.said}"
        break
    longer = max(blocks, key=len)[min(map(len, blocks)) :]
    if longer and len(blocks[0]) != len(blocks[1]):
        into = len(blocks[1]) > len(blocks[0])
        if any(a.kind in ELSE for a in longer):
            flips += 1
        names = ", ".join(a.said for a in longer)
        how = "put it into" if into else "took it out of"
        said = said or f"upstream {how} {names}"
    for b in blocks[1]:
        if b not in blocks[0] and b.test in _NEVER:
            return True, f"upstream put it into {b.said}, where it never runs"
    if flips % 2:
        return True, said
    for tell in (_marks, _ways):
        bad, more = tell(was, now)
        if bad:
            return True, more
        said = said or more
    return False, said


def _blocks(chain: Chain) -> list[Around]:
    return [a for a in chain if a.kind not in (GUARD, MARK)]


def _changed(kind: str, was: Chain, now: Chain) -> tuple[list[Around], list[Around]]:
    gone = [a for a in was if a.kind == kind and a not in now]
    return gone, [a for a in now if a.kind == kind and a not in was]


def _marks(was: Chain, now: Chain) -> tuple[bool, str]:
    gone, come = _changed(MARK, was, now)
    for a in gone:
        for b in come:
            if opposite(a.test, b.test):
                return True, f"upstream turned @{a.test} round: it is @{b.test} now"
    if not gone and not come:
        return False, ""
    for b in (*come, *gone):
        has = "has" if b in come else "lost"
        if KEEPS.search(f"@{b.test}"):
            return True, f"what it stands in {has} @{b.test}, so runs at other times"
        if BINDS.search(f"@{b.test}"):
            return True, f"what it stands in {has} @{b.test}, so is given another self"
    words = [f"has @{a.test} now" for a in come] + [f"lost @{a.test}" for a in gone]
    return False, f"what it stands in {words[0]}"


def _ways(was: Chain, now: Chain) -> tuple[bool, str]:
    gone, come = _changed(GUARD, was, now)
    for a in gone:
        for b in come:
            if opposite(a.test, b.test):
                return True, f"the way out before it asks `{b.test}` now, the contrary"
    for b in come:
        if any(opposite(f"not ({a.test})", b.test) for a in _blocks(now) if a.test):
            return (
                True,
                f"upstream leaves before it if `{b.test}`, which it stands under",
            )
    if gone and come:
        said = f"the way out before it asks `{come[0].test}` now"
        return False, f"{said}, and not `{gone[0].test}`"
    if come:
        return False, f"upstream leaves before it if `{come[0].test}`"
    if gone:
        return False, f"upstream does not leave before it if `{gone[0].test}`"
    return False, ""
