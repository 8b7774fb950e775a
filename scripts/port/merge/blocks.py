# SPDX-License-Identifier: Apache-2.0
"""What a line stands in, in a file that is read by indent: YAML, CMake, a shell's.

Nobody knows the meaning of these files here, so that a block which upstream changed
around a patch's line is told. One that asks the contrary now is no merge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from scripts.port.merge.languages import Kind, kind
from scripts.port.merge.rows import added_rows

Rows = Sequence[bytes]
Block = tuple[int, int]
"""First line of a block and the one behind its last, from 0."""

_TURNS = re.compile(rb"\bNOT\b|!|\bfalse\b|\btrue\b", re.IGNORECASE)
_SECTION = re.compile(rb"\[.+\]\s*$")


def around(
    path: str, base: bytes, upstream: bytes, patched: bytes, result: bytes
) -> tuple[list[str], list[str]]:
    """What upstream turned round, and what it changed, around the patch's lines."""
    if kind(path) is not Kind.TEXT:
        return [], []
    turned: list[str] = []
    changed: list[str] = []
    was, now = _added(base, patched), _added(upstream, result)
    for key, (rows, at) in was.items():
        if key not in now:
            continue
        here, there = now[key]
        for a, b in zip(_heads(rows, at), _heads(here, there), strict=False):
            if a != b:
                said = (
                    f"upstream changed what it stands in: `{_show(a)}` is `{_show(b)}`"
                )
                bare = [_TURNS.sub(b"", head).replace(b" ", b"") for head in (a, b)]
                (turned if bare[0] == bare[1] else changed).append(f"{said} now")
        own = {rows[n] for r, n in was.values() if r is rows}
        other = {here[n] for r, n in now.values() if r is here}
        before = {row for row in _block(rows, at) if row not in own}
        after = {row for row in _block(here, there) if row not in other}
        for row in sorted(before ^ after):
            changed.append(f"upstream changed what stands beside it: `{_show(row)}`")
            break
    return list(dict.fromkeys(turned)), list(dict.fromkeys(changed))


def _added(before: bytes, after: bytes) -> dict[tuple[bytes, int], tuple[Rows, int]]:
    """Lines that a content has more, by their text and count."""
    rows = after.split(b"\n")
    seen: Counter[bytes] = Counter()
    found: dict[tuple[bytes, int], tuple[Rows, int]] = {}
    for row in sorted(added_rows(before, after)):
        line = rows[row - 1].strip()
        if line and not line.startswith(b"#"):
            seen[line] += 1
            found[line, seen[line]] = rows, row - 1
    return found


def _indent(row: bytes) -> int:
    return len(row) - len(row.lstrip())


def _heads(rows: Rows, at: int) -> list[bytes]:
    """The lines that a line is indented under, the outermost first, and its section."""
    found: list[bytes] = []
    least = _indent(rows[at])
    for row in reversed(rows[:at]):
        bare = row.strip()
        if not bare or bare.startswith(b"#"):
            continue
        if _SECTION.fullmatch(bare) and not _indent(row):
            found.append(bare)
            break
        if _indent(row) < least:
            least = _indent(row)
            found.append(bare)
    return found[::-1]


def _block(rows: Rows, at: int) -> Iterator[bytes]:
    """The lines of the entry of a list that a line stands in; of no other block."""
    first = at
    while first >= 0 and not (
        rows[first].lstrip().startswith(b"- ")
        and _indent(rows[first]) < _indent(rows[at])
    ):
        first -= 1
    if first < 0:
        return
    for row in rows[first + 1 :]:
        if row.strip() and _indent(row) <= _indent(rows[first]):
            break
        yield row.strip()
    yield rows[first].strip()


def _show(row: bytes) -> str:
    return row.decode("utf-8", "replace")
