# SPDX-License-Identifier: Apache-2.0
"""Touched files as upstream's ruff wants to see them: in their surroundings."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scripts.base.object_ids import Entry
from scripts.series.check.chain import Change, Step
from scripts.upstream.sdist_contents import Source

HOOKS = ".pre-commit-config.yaml"
_CONFIG = ("pyproject.toml", "ruff.toml", ".ruff.toml")
_SUFFIXES = (".py", ".pyi")


@dataclass(frozen=True)
class Pin:
    """What upstream's pre-commit configuration says of ruff."""

    version: str | None
    exclude: re.Pattern[str] | None
    """Paths that no hook of upstream looks at."""


def pin(text: str) -> Pin:
    """Read upstream's `.pre-commit-config.yaml`.

    >>> pin("- repo: https://x/ruff-pre-commit\\n  rev: v0.14.0\\n").version
    '0.14.0'
    """
    version = re.search(
        r"/ruff-pre-commit\s+rev:\s*(?:[0-9a-f]{40}\s*#\s*)?v?(\d[\w.]*)", text
    )
    exclude = re.search(r"^exclude:\s*(['\"]?)(.+)\1\s*$", text, re.MULTILINE)
    return Pin(
        version[1] if version else None, re.compile(exclude[2]) if exclude else None
    )


def context(paths: Iterable[str]) -> set[str]:
    """Files that decide how ruff sees `paths`: configuration and packages."""
    found = {HOOKS, *_CONFIG}
    for path in paths:
        for folder in list(PurePosixPath(path).parents)[:-1]:
            found |= {f"{folder}/{name}" for name in ("__init__.py", *_CONFIG)}
    return found


def sides(laid: Iterable[str]) -> list[str]:
    """Names of the files as they are after and before their patches."""
    return [name for file in laid for name in (file, file.replace("/b/", "/a/", 1))]


def lay(
    top: Path, number: str, step: Step, source: Source, skip: re.Pattern[str] | None
) -> dict[str, tuple[Step, Change]]:
    """Write one patch's files, before it below `a/` and after it below `b/`."""
    changes = [
        change
        for change in step.changes
        if change.after is not None
        and change.diff.path.endswith(_SUFFIXES)
        and not (skip and skip.search(change.diff.path))
        and _parses(change.before)
        and _parses(change.after)
    ]
    if not changes:
        return {}
    after: dict[str, Entry | None] = {
        path: step.tree.get(path, source.files.get(path))
        for path in context(change.diff.path for change in changes)
    }
    own = {path for path, entry in step.tree.items() if entry is not None}
    for change in changes:
        after |= {
            path: Entry(0, b"") for path in _imported(change, own | source.ids.keys())
        } | {k: v for k, v in after.items() if v is not None}
    before = dict(after)
    for change in step.changes:
        after[change.diff.path] = change.after
        before[change.diff.path] = change.before
    for side, files in (("a", before), ("b", after)):
        _write(top / number / side, files, source.folders)
    return {f"{number}/b/{c.diff.path}": (step, c) for c in changes}


def _parses(entry: Entry | None) -> bool:
    """Whether ruff can say something; what cannot compile is the syntax rule's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(entry.data if entry else b"")
    except (SyntaxError, ValueError):
        return False
    return True


def _write(root: Path, files: Mapping[str, Entry | None], folders: set[str]) -> None:
    for name in folders:  # they tell ruff which imports are upstream's own
        (root / name).mkdir(parents=True, exist_ok=True)
    for path, entry in files.items():
        if entry is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(entry.data)


def _imported(change: Change, tree: Container[str]) -> Iterator[str]:
    """Files of `tree`, upstream's or the series', that the changed file imports."""
    for node in ast.walk(ast.parse(change.after.data if change.after else b"")):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        else:
            continue
        for module in modules:
            path = module.replace(".", "/")
            for name in (f"{path}.py", f"{path}/__init__.py"):
                if name in tree:
                    yield name
