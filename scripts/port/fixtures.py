# SPDX-License-Identifier: Apache-2.0
"""Fixtures that a patch's tests ask for by the name of an argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from scripts.port.breach import Breach, Side
from scripts.port.definitions import MARKS
from scripts.port.library import Library
from scripts.port.modules import module
from scripts.port.rows import added_rows
from scripts.port.signature import last
from scripts.port.states import FileResult

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
        rows = added_rows(part.ours.data if part.ours else b"", part.result.data)
        for chunk in found.chunks if found else ():
            if rows.isdisjoint(chunk.rows):
                continue
            for node in ast.walk(ast.Module(chunk.body, [])):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                row = node.lineno + chunk.above
                if not _asks(node) or row not in rows:
                    continue
                for name in [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]:
                    there = _has(old.library, part.path, name)
                    if there and not _has(new.library, part.target, name):
                        what = f"the fixture {name} is not in reach of {node.name}"
                        yield Breach(part.path, row, name, what)


def _asks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    fixture = any(last(d) == _FIXTURE for d in node.decorator_list)
    return fixture or node.name.startswith("test")


def _has(library: Library, path: str, name: str) -> bool:
    """Whether a file, or a conftest.py above it, has a fixture or imports the name."""
    folders = [p.as_posix() for p in PurePosixPath(path).parents]
    for place in (path, *(f"{folder}/conftest.py" for folder in folders)):
        found = library.load(place.removeprefix("./"))
        if found is None:
            continue
        made = found.get(name)
        if name in found.links or (made is not None and _FIXTURE in made.marks):
            return True
    return False
