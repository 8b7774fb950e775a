# SPDX-License-Identifier: Apache-2.0
"""Classes of fields that Python refuses to make, once both sides' fields are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.signature import Making, Param
from scripts.port.names.breach import Breach, Side
from scripts.port.names.counted import has_below
from scripts.port.names.modules import module
from scripts.port.report.states import FileResult


def unmakeable(done: Sequence[FileResult], new: Side) -> Iterator[Breach]:
    """Fields that have to be given, behind one that need not be.

    A dataclass, a named tuple or a struct of those does not import. Upstream may
    have given the fields above a default, here or in the class above.

    Args:
        done: The carried files of one patch.
        new: The new tree with it.
    """
    before = new.over({part.target: part.upstream for part in done})
    for part in done:
        if part.result is None:
            continue
        seen: set[tuple[str, str]] = set()
        todo = [(part.target, name) for name in _written(part)]
        while todo:
            path, name = todo.pop()
            if (path, name) in seen:
                continue
            seen.add((path, name))
            was, now = (_made(side, path, name) for side in (before, new))
            if was and now and _given(was) != _given(now):
                todo += _below(name, new)
            field = _misplaced(now)
            if field and not _misplaced(was):
                where = "" if path == part.target else f" of {path}"
                what = (
                    f"{field} of {name}{where} has no default, and stands behind a "
                    "field that has one"
                )
                yield Breach(part.path, 0, name, what)


def _written(part: FileResult) -> list[str]:
    """Names at the top of a file that read otherwise than upstream's, or are new."""
    assert part.result is not None
    now = module(part.target, part.result.data)
    was = module(part.target, part.upstream.data) if part.upstream else None
    return [
        name
        for name in (now.places if now else ())
        if now and now.sources(name) != (was.sources(name) if was else [])
    ]


def _below(name: str, new: Side) -> Iterator[tuple[str, str]]:
    """Classes that name another one as the class above them."""
    for path in new.search(name.encode()):
        if not has_below(new.library.read(path), name):
            continue
        found = new.library.load(path)
        for below in found.places if found else ():
            made = found.get(below) if found else None
            if made and name in {b.rpartition(".")[2] for b in made.bases}:
                yield path, below


def _made(side: Side, path: str, name: str) -> Definition | None:
    """A class; None for what is none, or not the only one of its name."""
    made = side.library.chain(path, (name,))
    if not isinstance(made, Definition) or made.again or made.sort is not Sort.CLASS:
        return None
    return made


def _given(made: Definition) -> tuple[Param, ...]:
    """The fields that a class is made of; none for one that is not made of fields."""
    if made.making is Making.WRITTEN:
        return ()
    return made.fields if made.params is None else made.params


def _misplaced(made: Definition | None) -> str:
    """The first field that comes too late; empty where none does."""
    given = False
    for param in _given(made) if made else ():
        if param.by_position and given and param.default is None:
            return param.name
        given = given or (param.by_position and param.default is not None)
    return ""
