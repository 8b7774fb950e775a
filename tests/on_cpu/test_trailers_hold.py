# SPDX-License-Identifier: Apache-2.0
"""The tests that each patch names: they pass with it and fail without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.series.trailers import trailers
from tests.on_cpu.conftest import Run

pytestmark = [pytest.mark.upstream, pytest.mark.slow, pytest.mark.timeout(1800)]
PATCHES = folder.load()


def outcome(run_cpu: Run, tree: Path, tests: list[str]) -> tuple[int, str]:
    done = run_cpu(
        *("-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "--color=no", *tests),
        cwd=tree,
    )
    return done.returncode, done.stderr[-1000:] + done.stdout[-20000:]


@pytest.fixture(params=PATCHES, ids=lambda p: p.number)
def patch(request: pytest.FixtureRequest) -> Patch:
    return request.param


@pytest.fixture
def at_patch(
    patch: Patch, checkout: Checkout, patched_tree: Path, tmp_path: Path
) -> Path:
    """A work tree that stands at the commit of `patch`."""
    git = Git(patched_tree)
    rows = git.text("log", "--reverse", "--format=%H", "refs/sm12x/base..sm12x")
    commit = rows.splitlines()[[p.name for p in PATCHES].index(patch.name)]
    tree = tmp_path / "tree"
    git.run("worktree", "add", "--quiet", "--detach", str(tree), commit)
    return tree


def test_named_tests_need_the_patch(patch: Patch, at_patch: Path, run_cpu: Run) -> None:
    tests = trailers(patch.body)["Test"]
    code, said = outcome(run_cpu, at_patch, tests)
    assert code == 0, said
    assert " passed" in said
    # Take away what the patch does and leave what it says: its tests. A patch of
    # tests alone does its work in those that no trailer names.
    named = {test.partition("::")[0] for test in tests}
    code_files = [f for f in patch.files if not f.path.startswith("tests/")]
    code_files = code_files or [f for f in patch.files if f.path not in named]
    assert code_files
    git = Git(at_patch)
    for change in code_files:
        if change.old_mode is None:
            (at_patch / change.path).unlink()
        else:
            git.run("checkout", "HEAD^", "--", change.path)
    code, said = outcome(run_cpu, at_patch, tests)
    # 2 and 4: what the tests import is not there, so that none is collected.
    if code in (2, 4):
        assert "passed" not in said.splitlines()[-1], said
        return
    # A case of a test may say that something else stays as it is, and pass.
    assert code == 1, said
    failed = re.findall(r"^(?:FAILED|ERROR) ([^\s[]+)", said, re.MULTILINE)
    assert set(failed) >= set(tests), said
