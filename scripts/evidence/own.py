# SPDX-License-Identifier: Apache-2.0
"""The series' own tests: which there are, and whose."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scripts.base.object_ids import Entry
from scripts.evidence.names import State
from scripts.series.replay import Step
from scripts.series.trailers import trailers


def named(step: Step) -> tuple[str, ...]:
    """The tests that a patch says fail without it."""
    return tuple(trailers(step.patch.body).get("Test", ()))


@dataclass(frozen=True)
class Own:
    """Tests of a series, as `path::name`."""

    files: Mapping[str, tuple[str, ...] | None]
    """What to run: whole files that the series adds; of upstream's, what it names."""
    owners: Mapping[str, frozenset[str]]
    """Numbers of the patches that name a test, add it or change it."""


def own_tests(base: State, steps: Sequence[Step]) -> Own:
    """Every test that a `Test` trailer names, and all others in files of theirs.

    Args:
        base: Every path that `steps` touch, as upstream has it.
        steps: Some or all of the series, replayed.
    """
    owners: dict[str, set[str]] = {}
    files: dict[str, set[str] | None] = {}
    for step in steps:
        for test in named(step):
            path, _, name = test.partition("::")
            owners.setdefault(test, set()).add(step.patch.number)
            if base.get(path) is None:
                files[path] = None
            else:
                wanted = files.setdefault(path, set())
                assert wanted is not None
                wanted.add(name)
    now = dict(base)
    for step in steps:
        for path in step.changes.keys() & files.keys():
            before, after = functions(now[path]), functions(step.changes[path])
            for name in after.keys() | before.keys():
                if before.get(name) != after.get(name):
                    owners.setdefault(f"{path}::{name}", set()).add(step.patch.number)
        now |= step.changes
    return Own(
        {k: None if v is None else tuple(sorted(v)) for k, v in sorted(files.items())},
        {test: frozenset(numbers) for test, numbers in owners.items()},
    )


@lru_cache(maxsize=256)
def functions(entry: Entry | None) -> Mapping[str, str]:
    """Test functions of a module, and `Class::method`, with their code."""
    if entry is None:
        return {}
    tree = ast.parse(entry.data)
    return {name: ast.dump(node) for name, node in _tests(tree.body)}


def _tests(
    body: Sequence[ast.stmt], prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) if name.startswith("Test"):
                yield from _tests(node.body, f"{name}::")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name.startswith("test"):
                    yield prefix + node.name, node
