# SPDX-License-Identifier: Apache-2.0
"""Ask both trees everything, and put the answers into one table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.base import worktrees
from scripts.base.files import write
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.selection.ask import Question, ask_all
from scripts.selection.cases import ONLY_OURS, WORLDS, all_cases, named_backends
from scripts.selection.table import Key, Outcome, Table, key, outcome
from scripts.series.apply import Wanted, apply


@dataclass(frozen=True)
class Tree:
    """A vLLM that can be imported."""

    path: Path
    id: str
    """git's id of its `vllm` folder."""


@dataclass(frozen=True)
class Trees:
    """The pinned upstream, with the series and without."""

    fork: Tree
    upstream: Tree


@dataclass(frozen=True)
class Matrix:
    """All cases, and the values that the two options take."""

    table: Table
    backends: dict[str, tuple[str, ...]]
    tree: str = ""
    """Patched tree that was asked; empty of a record that does not say."""
    day: str = ""
    """When it was asked, as `2026-11-25`; empty as above."""


def trees(at: Checkout) -> Trees:
    """Both trees below `build/selection`, apart from what a person works on.

    Raises:
        Finding: The series does not apply.
        Unusable: The pinned archive cannot be had.
    """
    own = Checkout(at.build / "selection")
    write(own.lock, at.lock.read_bytes())
    if own.patches.is_symlink() or not own.patches.exists():
        own.patches.unlink(missing_ok=True)
        own.patches.symlink_to(at.patches.resolve())
    bench = apply(Wanted(own, force=True)).path
    git = Git(bench)
    upstream = own.root / "upstream"
    if git.resolve("refs/sm12x/base") != _head(upstream):
        worktrees.add(git, upstream, "refs/sm12x/base")
    return Trees(tree(bench, "HEAD"), tree(upstream, "HEAD"))


def _head(path: Path) -> str | None:
    return Git(path).resolve("HEAD") if (path / ".git").exists() else None


def tree(path: Path, revision: str) -> Tree:
    """A work tree that stands at `revision`."""
    return Tree(path, Git(path).text("rev-parse", f"{revision}:vllm"))


def ask_both(both: Trees) -> Matrix:
    """Every case of every world, put to both trees.

    Raises:
        Finding: vLLM cannot be asked.
        Unusable: The CPU environment cannot be made.
    """
    backends = named_backends(both.fork.path)
    cases = tuple(all_cases(backends))
    known = tuple(c for c in cases if c.backend not in ONLY_OURS)
    questions = [
        Question(tree.path, tree.id, world, asked)
        for world in WORLDS
        for tree, asked in ((both.fork, cases), (both.upstream, known))
    ]
    answers = iter(ask_all(questions))
    table: dict[Key, Outcome] = {}
    for world in WORLDS:
        fork = dict(zip(cases, next(answers), strict=True))
        upstream = dict(zip(known, next(answers), strict=True))
        for case in cases:
            found = outcome(case, fork[case], upstream.get(case))
            table[key(case, world)] = found
    return Matrix(table, backends)
