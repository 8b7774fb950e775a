# SPDX-License-Identifier: Apache-2.0
"""apply and export on the real pinned upstream."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import ROOT
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.hopper.served import ENGINE
from scripts.series import folder
from scripts.series.apply import Wanted, apply
from scripts.series.export import export
from scripts.series.origin import Source
from scripts.series.table import render
from scripts.upstream import lock as lockfile

pytestmark = pytest.mark.upstream


def test_apply_gives_the_pinned_tree(patched_tree: Path, checkout: Checkout) -> None:
    lock = lockfile.load()
    git = Git(patched_tree)
    assert git.text("rev-parse", "HEAD^{tree}") == lock.patched_tree
    assert git.text("rev-parse", "refs/sm12x/base^{tree}") == lock.tree
    count = git.text("rev-list", "--count", "refs/sm12x/base..HEAD")
    assert int(count) == len(folder.load())
    assert git.text("status", "--porcelain") == ""
    assert not apply(Wanted(checkout)).changed


def test_export_of_apply_is_the_identity(
    patched_tree: Path, checkout: Checkout, tmp_path: Path
) -> None:
    own = Checkout(tmp_path)
    shutil.copytree(checkout.build, own.build, symlinks=True)
    shutil.copytree(ROOT / "patches", own.patches)
    shutil.copy(ROOT / "upstream.lock", own.lock)
    assert export(own, table=render).changes == {}
    for path in (ROOT / "patches").iterdir():
        if path.is_file():
            assert (own.patches / path.name).read_bytes() == path.read_bytes()
    assert own.lock.read_bytes() == (ROOT / "upstream.lock").read_bytes()


def test_git_source(patched_tree: Path, checkout: Checkout, tmp_path: Path) -> None:
    """From a bare repository made of the sdist, with the tag on its base."""
    git = Git(patched_tree)
    base = git.text("rev-parse", "refs/sm12x/base")
    git.run("tag", "--force", lockfile.load().tag, base)
    own = Checkout(tmp_path)
    own.patches.symlink_to(ROOT / "patches")
    shutil.copy(ROOT / "upstream.lock", own.lock)
    # Our base is no commit of upstream's, so the pin is moved to it first.
    lockfile.update(own.lock, {"vllm.commit": base[:9]})
    done = apply(Wanted(own, Source.GIT, patched_tree.as_uri()))
    assert done.base == base
    assert done.tree == lockfile.load().patched_tree
    assert lockfile.load(own.lock).git.commit == base


def test_the_lines_that_stop_the_engine_on_a_hopper_gpu_are_there(
    patched_tree: Path,
) -> None:
    for one in ENGINE:
        path, words = one.stops.split(": ", 1)
        assert words in (patched_tree / path).read_text(encoding="utf-8"), one.part
