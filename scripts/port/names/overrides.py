# SPDX-License-Identifier: Apache-2.0
"""Methods of a patch that stand over upstream's, which upstream changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from scripts.port.merge.definitions import Definition, Sort
from scripts.port.merge.rows import added_rows
from scripts.port.merge.signature import Param
from scripts.port.names.breach import Breach, Side
from scripts.port.names.library import Library
from scripts.port.names.modules import module
from scripts.port.report.states import FileResult

_HOOK = "__init_subclass__"


def overridden(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Classes that a patch brings, whose classes above ask for something else now.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        found = module(part.target, part.result.data) if part.result else None
        if found is None or part.result is None:
            continue
        rows = added_rows(
            part.upstream.data if part.upstream else b"", part.result.data
        )
        for name, chunks in found.places.items():
            near = [c for c in chunks if not rows.isdisjoint(c.rows)]
            made = found.get(name) if near else None
            if made and made.sort is Sort.CLASS and made.bases:
                yield from _of_class(part, made, near[0].row, old, new)


def _of_class(
    part: FileResult, made: Definition, row: int, old: Side, new: Side
) -> Iterator[Breach]:
    before = _above(part.path, made, old.library)
    now = _above(part.target, made, new.library)
    yield from _made_below(part, made, row, before.get(_HOOK), now.get(_HOOK))
    kinds = [
        _members(path, made, side.library)
        for path, side in ((part.path, old), (part.target, new))
    ]
    for name in made.members.keys() & kinds[0].keys() & kinds[1].keys():
        was_, now_ = (_is_called(side[name]) for side in kinds)
        if was_ is not now_ and not (kinds[0][name].again or kinds[1][name].again):
            word = "a method" if now_ else "no method"
            what = f"{made.name}.{name} stands over upstream's, which is {word} now"
            yield Breach(part.path, row, name, what)
    for name, one in now.items():
        was = before.get(name)
        if name in made.members:
            if was is not None and _asked(was) != _asked(one):
                what = f"{made.name}.{name} stands over upstream's, which "
                what += f"takes ({_shown(one.params)}) now, and not "
                yield Breach(part.path, row, name, f"{what}({_shown(was.params)})")
        elif "abstractmethod" in one.marks and name not in before:
            what = f"{made.name} lacks {name}, which upstream asks every such class for"
            yield Breach(part.path, row, name, what)
    for name, one in before.items():
        if name in made.members and name not in now and _whole(part, made, new):
            what = f"{made.name}.{name} stands over nothing of upstream's now"
            yield Breach(part.path, row, one.name, what)


def _made_below(
    part: FileResult,
    made: Definition,
    row: int,
    was: Definition | None,
    now: Definition | None,
) -> Iterator[Breach]:
    """What runs for each class below another, and what it asks for."""
    if now is None or now == was or (was and _asked(was) == _asked(now)):
        return
    given = {name for node in made.nodes for name in _keywords(node)}
    lacks = [
        p.name
        for p in (now.params or ())[1:]
        if p.default is None and p.name not in given
    ]
    if lacks:
        what = f"{made.name} does not say {', '.join(lacks)}, which upstream asks "
        yield Breach(part.path, row, made.name, f"{what}every such class for")
    elif extra := sorted(given - {p.name for p in now.params or ()}):
        if "**" not in now.more:
            what = f"{made.name} says {', '.join(extra)}, which upstream does not take"
            yield Breach(part.path, row, made.name, what)


def _keywords(node: ast.AST) -> set[str]:
    marks = node.keywords if isinstance(node, ast.ClassDef) else []
    return {k.arg for k in marks if k.arg and k.arg != "metaclass"}


def _is_called(made: Definition) -> bool:
    return made.sort is Sort.FUNCTION and "property" not in made.marks


def _above(path: str, made: Definition, library: Library) -> dict[str, Definition]:
    """Methods of the classes above, the nearest first."""
    return {
        name: one
        for name, one in _members(path, made, library).items()
        if one.sort is Sort.FUNCTION and not one.again
    }


def _members(path: str, made: Definition, library: Library) -> dict[str, Definition]:
    """What the classes above have, the nearest first."""
    found: dict[str, Definition] = {}
    for base in made.bases:
        above = library.chain(path, base.partition("[")[0].split("."))
        if isinstance(above, Definition) and above.sort is Sort.CLASS:
            for name, one in above.members.items():
                found.setdefault(name, one)
            for name, one in _members(above.home, above, library).items():
                found.setdefault(name, one)
    return found


def _whole(part: FileResult, made: Definition, new: Side) -> bool:
    """Whether every class above is known, so that what is not there is not there."""
    return all(
        isinstance(
            new.library.chain(part.target, base.partition("[")[0].split(".")),
            Definition,
        )
        for base in made.bases
    )


def _asked(made: Definition) -> tuple[object, ...]:
    """What those that call a method may count on."""
    params = tuple(
        (p.name, p.by_position, p.by_name, p.default is None) for p in made.params or ()
    )
    kinds = made.marks - {"abstractmethod"}
    return params, made.more, kinds


def _shown(params: Sequence[Param] | None) -> str:
    return ", ".join(
        p.name if p.default is None else f"{p.name}={p.default}" for p in params or ()
    )
