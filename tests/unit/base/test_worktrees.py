# SPDX-License-Identifier: Apache-2.0
"""Work trees of one repository, added at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.base import worktrees
from scripts.base.files import one_run
from scripts.base.git import Git
from scripts.evidence.warm import place
from tests.unit.small import Small, git


def repository(small: Small) -> Git:
    git(small.repo, "update-ref", "refs/sm12x/base", "base^{commit}")
    return Git(small.repo)


def test_one_waits_for_the_other(small: Small, tmp_path: Path) -> None:
    repo = repository(small)
    tree = repo.text("rev-parse", "HEAD^{tree}")
    common = repo.path / repo.text("rev-parse", "--git-common-dir")
    folder = tmp_path / "tree"
    added = threading.Thread(target=place, args=(repo, folder, tree))
    with one_run(common / worktrees.LOCK, "the test"):
        added.start()
        added.join(0.5)
        assert added.is_alive()
        assert not folder.exists()
    added.join(30)
    assert (folder / "vllm/config/kernel.py").is_file()


def test_many_at_once_are_all_there(small: Small, tmp_path: Path) -> None:
    repo = repository(small)
    folders = [tmp_path / f"tree-{i}" for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda f: worktrees.add(repo, f, "refs/sm12x/base"), folders))
    listed = repo.text("worktree", "list", "--porcelain").splitlines()
    assert {f"worktree {f}" for f in folders} <= set(listed)
    assert all(Git(f).resolve("HEAD") for f in folders)
