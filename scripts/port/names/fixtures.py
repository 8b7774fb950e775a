# SPDX-License-Identifier: Apache-2.0
"""Fixtures that a patch's tests ask for by the name of an argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from scripts.port.merge.definitions import MARKS
from scripts.port.merge.rows import added_rows
from scripts.port.merge.scopes import blocks
from scripts.port.merge.signature import last
from scripts.port.names.breach import Breach, Side
from scripts.port.names.library import Library
from scripts.port.names.modules import Module, module
from scripts.port.report.states import FileResult

_FIXTURE = "fixture"
assert _FIXTURE in MARKS


def unfixed(done: Sequence[FileResult], old: Side, new: Side) -> Iterator[Breach]:
    """Fixtures that were in reach of a test of the patch, and are not now.

    Args:
        done: The carried files of one patch.
        old: The pinned tree with the patch.
        new: The new tree with it.
    """
    for part in done:
        if part.result is None or not part.target.startswith("tests/"):
            continue
        found = module(part.target, part.result.data)
        rows = added_rows(
            part.upstream.data if part.upstream else b"", part.result.data
        )
        for row, node in _functions(found, rows):
            for name in _taken(node):
                there = _home(old.library, part.path, name)
                if there and not _home(new.library, part.target, name):
                    what = f"the fixture {name} is not in reach of {node.name}"
                    yield Breach(part.path, row, name, what)


def asked(part: FileResult, old: Side) -> Iterator[tuple[str, str]]:
    """Fixtures that the lines of a patch ask for: where they are, and their names."""
    data = part.patched.data if part.patched else b""
    found = module(part.path, data) if part.path.startswith("tests/") else None
    rows = added_rows(part.base.data if part.base else b"", data)
    for row, node in _functions(found, rows):
        for name in _taken(node):
            if row and (home := _home(old.library, part.path, name)):
                yield home, name


def _functions(
    found: Module | None, rows: frozenset[int]
) -> Iterator[tuple[int, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Tests and fixtures whose head is one of some lines, with that line."""
    for chunk in found.chunks if found else ():
        if rows.isdisjoint(chunk.rows):
            continue
        for node in blocks(chunk.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                row = node.lineno + chunk.above
                if _asks(node) and row in rows:
                    yield row, node


def _taken(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]


def _asks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    fixture = any(last(d) == _FIXTURE for d in node.decorator_list)
    return fixture or node.name.startswith("test")


def _home(library: Library, path: str, name: str) -> str:
    """The file, or the conftest.py above it, that has a fixture or imports the name."""
    folders = [p.as_posix() for p in PurePosixPath(path).parents]
    for place in (path, *(f"{folder}/conftest.py" for folder in folders)):
        found = library.load(place.removeprefix("./"))
        if found is None:
            continue
        made = found.get(name)
        if name in found.links or (made is not None and _FIXTURE in made.marks):
            return place.removeprefix("./")
    return ""
