# SPDX-License-Identifier: Apache-2.0
"""Who else uses what a patch takes away, or makes another thing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scripts.port.merge.definitions import Definition
from scripts.port.merge.rows import added_rows
from scripts.port.merge.scopes import Link, dotted
from scripts.port.names.binding import Change, changes
from scripts.port.names.breach import Search
from scripts.port.names.library import Library
from scripts.port.names.modules import Module, module
from scripts.port.names.used import Use
from scripts.port.names.uses import uses
from scripts.port.report.states import FileResult


def others(
    part: FileResult, new: Library, search: Search
) -> Iterator[tuple[str, str, str, Change]]:
    """What others use, and the patch takes away or makes another thing.

    Yields the name, the file that uses it, the use, and what it meets.
    """
    if part.upstream is None:
        return
    result = part.result.data if part.result else b""
    before, after = module(part.target, part.upstream.data), module(part.target, result)
    if before is None or after is None:
        return
    rows = added_rows(part.upstream.data, result)
    for name in _headed(before, after):
        was, other = before.get(name), after.get(name)
        assert was is not None
        for path, use in _users(part.target, name, after, rows, new, search):
            if other is None:
                yield name, path, use.text, Change("is gone")
                continue
            for change in changes(use, was, other):
                yield name, path, use.text, change


def _headed(before: Module, after: Module) -> list[str]:
    """Names at the top of a file that are gone, or are used otherwise now."""
    found = []
    for name in before.places:
        if before.sources(name) == after.sources(name):
            continue  # nothing of it has to be parsed
        was, other = before.get(name), after.get(name)
        if was is None or (other is not None and _interface(was) == _interface(other)):
            continue
        if other is not None or not (name in after.links or after.opens):
            found.append(name)
    return found


def _interface(made: Definition) -> tuple[object, ...]:
    """What those that use a name can tell."""
    return made.sort, made.params, made.more, made.marks, made.gives, made.fields


def _users(
    target: str,
    name: str,
    after: Module,
    rows: Collection[int],
    new: Library,
    search: Search,
) -> Iterator[tuple[str, Use]]:
    where = dotted(target)
    for use in uses(target, after, names={name}):
        if use.row not in rows and use.parts == (name,) and use.start is None:
            yield target, use
    for path in search(name.encode()):
        entry = new.read(path)
        if path == target or entry is None:
            continue
        if where.rpartition(".")[2].encode() not in entry.data:
            continue
        user = module(path, entry.data)
        if user is None:
            continue
        for use in uses(path, user, names={name}):
            link = use.start or user.links.get(use.parts[0])
            if link is not None and _full(link, use) == f"{where}.{name}":
                yield path, use


def _full(link: Link, use: Use) -> str:
    head = [link.module, link.name] if link.name else [link.module]
    return ".".join([*head, *use.parts[1:]])
