# SPDX-License-Identifier: Apache-2.0
"""What each side did to a file, symbol by symbol, as Markdown.

The change of the patch, and beside it upstream's to the same symbol. What upstream
did elsewhere in the file is named, and not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff

from scripts.base.object_ids import Entry
from scripts.port.merge.symbols import IMPORTS, TOP, deltas, owners, renames, symbols
from scripts.port.report.states import FileResult

LONGEST = 200
"""Rows of one side of one symbol; the files themselves have the rest."""
NAMES = 12
"""Names in a row of them."""

Lines = Mapping[str, list[str]]


def named(found: list[str]) -> str:
    """Names in a row, the first ones if they are many.

    >>> named(["a", "b", "a"])
    '`a`, `b`'
    """
    names = list(dict.fromkeys(found))
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(f"`{name}`" for name in names[:NAMES]) + more


def differences(part: FileResult, number: str, label: str) -> Iterator[str]:
    """A file that waits: what the patch does to it, and what upstream did."""
    was, here, want = (
        _by_symbol(part.target, entry)
        for entry in (part.base, part.upstream, part.patched)
    )
    if part.upstream is None:
        yield f"{label} has no such file. What the patch does to it:"
        yield ""
        yield from _diff(_all(part.base), _all(part.patched), f"patch {number}")
        return
    touched = [name for name in part.symbols if name in was or name in want]
    if not (was and here and want and touched):
        touched = [TOP]
        was, here, want = (
            {TOP: _all(entry)} for entry in (part.base, part.upstream, part.patched)
        )
    to = _renames(part, touched)
    for name in touched:
        if name == IMPORTS:
            yield from _imports(part, number, label)
            continue
        now = to.get(name, name)
        yield f"### `{name}`" + (f", now `{now}`" if now != name else "")
        yield ""
        yield from _sides(was.get(name), here.get(now), want.get(name), number, label)
    yield from _elsewhere(part, {to.get(name, name) for name in touched}, label)


def _sides(
    was: list[str] | None,
    here: list[str] | None,
    want: list[str] | None,
    number: str,
    label: str,
) -> Iterator[str]:
    yield f"Patch {number}" + (":" if want else " removes it:")
    yield ""
    yield from _diff(was or [], want or [], f"patch {number}")
    if was is None and here is None:
        return  # new, and no business of upstream's
    if here is None:
        yield f"{label} has no such symbol."
        yield ""
    elif was == here:
        yield f"{label} has it as the patch expects it."
        yield ""
    else:
        yield f"{label}:"
        yield ""
        yield from _diff(was or [], here, label)


def _imports(part: FileResult, number: str, label: str) -> Iterator[str]:
    """Imports as a set of names; of upstream's, those of the modules in question."""
    was, here, want = (
        {x.decode("utf-8", "replace") for x in symbols(part.target, data)[IMPORTS]}
        if data is not None and IMPORTS in symbols(part.target, data)
        else set()
        for data in (
            e.data if e else None for e in (part.base, part.upstream, part.patched)
        )
    )
    mine = was ^ want
    modules = {row.partition(" import ")[0] for row in mine}
    near = {row for row in was ^ here if row.partition(" import ")[0] in modules}
    yield f"### `{IMPORTS}`"
    yield ""
    yield "```diff"
    yield from sorted(f"{'-' if row in was else '+'}{row}" for row in mine)
    yield "```"
    yield ""
    if near:
        yield f"{label} changes imports from there, too:"
        yield ""
        yield "```diff"
        yield from sorted(f"{'-' if row in was else '+'}{row}" for row in near)
        yield "```"
    else:
        yield f"{label} leaves what is imported from there alone."
    yield ""


def _renames(part: FileResult, touched: list[str]) -> Mapping[str, str]:
    if part.base is None or part.upstream is None:
        return {}
    before = symbols(part.target, part.base.data)
    return renames(touched, before, symbols(part.target, part.upstream.data))


def _elsewhere(part: FileResult, shown: set[str], label: str) -> Iterator[str]:
    if part.base is None or part.upstream is None or TOP in shown:
        return
    changed = deltas(
        symbols(part.target, part.base.data), symbols(part.target, part.upstream.data)
    )
    if other := [name for name in changed if name not in shown]:
        yield f"Elsewhere in the file {label} differs in {named(other)}."
        yield ""


def _by_symbol(path: str, entry: Entry | None) -> Lines:
    """Lines as they stand, by the innermost symbol; none without syntax."""
    found: dict[str, list[str]] = {}
    if entry is None:
        return found
    for name, line in zip(owners(path, entry.data), _all(entry), strict=False):
        last = name.rpartition(".import ")[2] if ".import " in name else name
        is_import = last != name or name.startswith("import ")
        found.setdefault(IMPORTS if is_import else name, []).append(line)
    return found


def _all(entry: Entry | None) -> list[str]:
    return entry.data.decode("utf-8", "replace").split("\n") if entry else []


def _diff(old: list[str], new: list[str], who: str) -> Iterator[str]:
    rows = list(unified_diff(old, new, "base", who, lineterm="", n=6))
    fence = "`" * max(3, 1 + max((_ticks(row) for row in rows), default=0))
    yield f"{fence}diff"
    yield from rows[:LONGEST]
    if len(rows) > LONGEST:
        yield f"({len(rows) - LONGEST} rows more)"
    yield fence
    yield ""


def _ticks(row: str) -> int:
    """Length of a row's fence, in Markdown that a patch changes."""
    bare = row[1:].lstrip()
    return len(bare) - len(bare.lstrip("`"))
