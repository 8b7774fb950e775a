# SPDX-License-Identifier: Apache-2.0
"""Which names a stretch of a Python file uses, and how."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from scripts.port.merge.rows import added_rows
from scripts.port.names.meaning import once
from scripts.port.names.modules import Chunk, Module, module
from scripts.port.names.used import Use
from scripts.port.names.walk import Walk


def uses(
    path: str,
    found: Module,
    rows: frozenset[int] | None = None,
    names: Collection[str] | None = None,
) -> list[Use]:
    """The names that a file uses.

    Args:
        path: The file.
        found: It, read.
        rows: Lines to look at, from 1; None for all.
        names: Only uses that have one of these in them; None for all.
    """
    return _walked(path, found, rows, names).found


def added_uses(path: str, before: bytes, after: bytes) -> list[Use]:
    """What the lines that a content has more use, each kind of use once."""
    return once(_of_added(path, before, after).found)


def added_bindings(
    path: str, before: bytes, after: bytes
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Names that such lines use: of the functions around them, and of the file.

    Returns:
        Each by function and name, with the line of a use.
    """
    walk = _of_added(path, before, after)
    outer = {
        (use.scope, use.parts[0]): use.row
        for use in walk.found
        if use.scope and not (use.owner or use.kind or use.start)
    }
    return walk.own, outer


# Both trees are asked of the same lines, where nothing had to be merged.
@lru_cache(maxsize=64)
def _of_added(path: str, before: bytes, after: bytes) -> Walk:
    found = module(path, after)
    if found is None:
        return Walk(path, None, None)
    return _walked(path, found, added_rows(before, after), None)


def _said(chunk: Chunk, words: list[bytes]) -> frozenset[int]:
    """Lines of a file in which one of some words stands, from 1."""
    lines = enumerate(chunk.source.split(b"\n"), chunk.row)
    return frozenset(n for n, line in lines if any(word in line for word in words))


def _walked(
    path: str,
    found: Module,
    rows: frozenset[int] | None,
    names: Collection[str] | None,
) -> Walk:
    walk = Walk(path, rows, None if names is None else frozenset(names))
    words = [name.encode() for name in names or ()]
    for chunk in found.chunks:
        if rows is not None and rows.isdisjoint(chunk.rows):
            continue
        if names is not None:
            # Statements that do not say a name need not be gone through.
            said = [word for word in words if word in chunk.source]
            walk.rows = _said(chunk, said) if rows is None else rows
        if names is None or said:
            walk.above = chunk.above
            walk.body(chunk.body)
    return walk
