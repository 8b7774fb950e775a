# SPDX-License-Identifier: Apache-2.0
"""Names of a file that became a function's own around a change, or the contrary."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from scripts.base.object_ids import Entry
from scripts.port.merge.rows import added_rows
from scripts.port.merge.scopes import statements, targets
from scripts.port.names.breach import Breach
from scripts.port.names.modules import Module, module
from scripts.port.names.uses import added_bindings
from scripts.port.report.states import FileResult


def shadowed(done: Sequence[FileResult]) -> Iterator[Breach]:
    """Names in the patch's lines that upstream binds where it did not, or no more.

    No rule of a linter sees it: the name is there, and is another thing.

    Args:
        done: The carried files of one patch.
    """
    for part in done:
        if part.result is None or part.patched is None or part.result == part.patched:
            continue
        own, outer = _bindings(part.path, part.base, part.patched)
        now_own, now_outer = _bindings(part.target, part.upstream, part.result)
        for scope, name in sorted(now_own.keys() & outer.keys() - own.keys()):
            row = now_own[scope, name]
            what = f"{name} is a name of {scope}'s own now, and was one of the file"
            yield Breach(part.path, row, name, what)
        for scope, name in sorted(now_outer.keys() & own.keys() - outer.keys()):
            row = now_outer[scope, name]
            what = f"{name} was a name of {scope}'s own, and is one of the file now"
            yield Breach(part.path, row, name, what)
        for row, name in _unbound(part):
            what = f"global {name}: the file does not bind it"
            yield Breach(part.path, row, name, what)
        for scope, name in sorted(_both(part)):
            what = f"{name} is a local of {scope} that upstream adds, too"
            yield Breach(part.path, 0, name, what)


def _unbound(part: FileResult) -> Iterator[tuple[int, str]]:
    """Names that the patch's lines call global, and that the file bound on the pin."""
    assert part.result is not None and part.patched is not None
    found = module(part.target, part.result.data)
    made = module(part.path, part.patched.data)
    rows = added_rows(part.upstream.data if part.upstream else b"", part.result.data)
    for chunk in found.chunks if found and made else ():
        if b"global " not in chunk.source or rows.isdisjoint(chunk.rows):
            continue
        for node in ast.walk(ast.Module(chunk.body, [])):
            if isinstance(node, ast.Global) and node.lineno + chunk.above in rows:
                for name in node.names:
                    if _binds(made, name) and not _binds(found, name):
                        yield node.lineno + chunk.above, name


def _binds(found: Module | None, name: str) -> bool:
    """Whether a statement at the top binds a name, and not a function's `global`."""
    places = found.places.get(name, ()) if found else ()
    return any(m.nodes for chunk in places for m in chunk.defined.get(name, ()))


def _both(part: FileResult) -> set[tuple[str, str]]:
    """Functions and the locals that both sides bring into them."""
    if part.base is None or part.upstream is None or part.patched is None:
        return set()
    before, after = (module(part.path, e.data) for e in (part.base, part.patched))
    now = module(part.target, part.upstream.data)
    if before is None or after is None or now is None or part.upstream == part.base:
        return set()
    names = {
        name
        for name in before.places.keys() & after.places.keys() & now.places.keys()
        if before.sources(name) != after.sources(name)
    }
    base, patched, upstream = (_locals(side, names) for side in (before, after, now))
    both = upstream & patched - base
    scopes = {scope for scope, _ in base}
    return {(scope, name) for scope, name in both if scope in scopes and name != "_"}


def _locals(found: Module, names: Iterable[str]) -> set[tuple[str, str]]:
    """Each function of these names, or below them, and each name that it binds.

    One stands by itself, too, with an empty name.
    """
    pairs: set[tuple[str, str]] = set()
    chunks = [chunk for name in names for chunk in found.places[name]]
    todo = [("", node) for chunk in chunks for node in chunk.body]
    while todo:
        above, node = todo.pop()
        if isinstance(node, ast.ClassDef):
            todo += [(f"{above}{node.name}.", inner) for inner in node.body]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{above}{node.name}"
            pairs.add((name, ""))
            pairs |= {(name, x) for s in statements(node.body) for x in targets(s)}
    return pairs


Rows = dict[tuple[str, str], int]
"""Function and name to the line of a use."""


def _bindings(path: str, before: Entry | None, after: Entry) -> tuple[Rows, Rows]:
    return added_bindings(path, before.data if before else b"", after.data)
