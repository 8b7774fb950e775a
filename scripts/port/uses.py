# SPDX-License-Identifier: Apache-2.0
"""Which names a stretch of a Python file uses, and how."""

from __future__ import annotations

from collections.abc import Collection

from scripts.port.modules import Chunk, Module
from scripts.port.used import Use
from scripts.port.walk import Walk


def uses(
    path: str,
    found: Module,
    rows: Collection[int] | None = None,
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


def bindings(
    path: str, found: Module, rows: Collection[int]
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Names that lines use: of the functions around them, and of the file.

    Returns:
        Each by function and name, with the line of a use.
    """
    walk = _walked(path, found, rows, None)
    outer = {
        (use.scope, use.parts[0]): use.row
        for use in walk.found
        if use.scope and not (use.owner or use.kind or use.start)
    }
    return walk.own, outer


def _said(chunk: Chunk, words: list[bytes]) -> set[int]:
    """Lines of a file in which one of some words stands, from 1."""
    lines = enumerate(chunk.source.split(b"\n"), chunk.row)
    return {row for row, line in lines if any(word in line for word in words)}


def _walked(
    path: str,
    found: Module,
    rows: Collection[int] | None,
    names: Collection[str] | None,
) -> Walk:
    walk = Walk(path, rows, None if names is None else frozenset(names))
    words = [name.encode() for name in names or ()]
    for chunk in found.chunks:
        if rows is not None and not any(row in rows for row in chunk.rows):
            continue
        if names is not None:
            # Statements that do not say a name need not be gone through.
            said = [word for word in words if word in chunk.source]
            walk.rows = _said(chunk, said) if rows is None else rows
        if names is None or said:
            walk.above = chunk.above
            walk.body(chunk.body)
    return walk
