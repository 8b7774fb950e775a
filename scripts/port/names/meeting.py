# SPDX-License-Identifier: Apache-2.0
"""What each side brings, and the other does not know of: names of one class, imports.

Each side is right by itself, and their lines do not touch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.scopes import dotted
from scripts.port.names.breach import Breach, Side
from scripts.port.names.modules import Module, module
from scripts.port.report.states import FileResult


def meeting(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Members that both sides add to a class, and imports that go round.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        after = module(part.target, part.result.data) if part.result else None
        if after is None:
            continue
        yield from _members(part)
        yield from _round(part, after, old, new)


def _members(part: FileResult) -> Iterator[Breach]:
    if not (part.base and part.upstream and part.patched) or part.base == part.upstream:
        return
    before, want = (module(part.path, e.data) for e in (part.base, part.patched))
    now = module(part.target, part.upstream.data)
    if before is None or want is None or now is None:
        return
    for name in before.places.keys() & want.places.keys() & now.places.keys():
        said = before.sources(name)
        if said in (want.sources(name), now.sources(name)):
            continue  # one side leaves it as it was: nothing of it has to be parsed
        was, mine, other = (side.get(name) for side in (before, want, now))
        if not (was and mine and other) or was.sort is not Sort.CLASS:
            continue
        both = mine.members.keys() & other.members.keys() - was.members.keys()
        for member in sorted(both):
            if _said(mine.members[member]) != _said(other.members[member]):
                what = f"both sides add {name}.{member}, each in its own way"
                yield Breach(part.path, 0, member, what)


def _said(made: Definition) -> list[str]:
    return [ast.dump(node) for node in made.nodes]


def _round(part: FileResult, after: Module, old: Side, new: Side) -> Iterator[Breach]:
    """Files that import each other since each side has one of the two imports."""
    before = module(part.target, part.upstream.data) if part.upstream else None
    known = _imported(before) if before else set()
    here = dotted(part.target)
    for name in sorted(_imported(after) - known):
        path = new.library.path(name)
        if path is None or path == part.target:
            continue
        other, was = new.library.load(path), old.library.load(path)
        if other is None or here not in _imported(other):
            continue
        if was is None or here not in _imported(was):
            what = f"it imports {name}, which imports {here} now"
            yield Breach(part.path, 0, name.rpartition(".")[2], what)


def _imported(found: Module) -> set[str]:
    """Modules of which a file imports names when it is imported itself."""
    return {
        link.module
        for name, link in found.links.items()
        if link.name and name not in found.typing
    }
