# SPDX-License-Identifier: Apache-2.0
"""More work trees of one repository, added by one thread or process at a time.

git writes a tree's entry before its folder, and `prune` removes entries without a
folder: of two that add at once, one may take the other's away.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.base.files import one_run
from scripts.base.git import Git

LOCK = "sm12x-worktrees.lock"
"""In the repository's common folder."""


def add(git: Git, folder: Path, revision: str, *, files: bool = True) -> None:
    """Let `folder` be a detached work tree at `revision`; what lay there goes.

    Args:
        git: The repository.
        folder: Where.
        revision: A commit.
        files: Write its files; else the tree is empty, and so is its index.
    """
    common = git.path / git.text("rev-parse", "--git-common-dir")
    with one_run(common / LOCK, f"git worktree add {folder}", wait=True):
        shutil.rmtree(folder, ignore_errors=True)
        git.run("worktree", "prune")
        empty = () if files else ("--no-checkout",)
        add = ("worktree", "add", "--quiet", *empty, "--detach")
        git.run(*add, str(folder), revision)
