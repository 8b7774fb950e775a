# SPDX-License-Identifier: Apache-2.0
"""The source lane: the tree that is built in, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scripts.base.errors import Finding, Unusable
from scripts.series import folder
from scripts.upstream import lock as lock_file
from scripts.upstream.sdist import members
from scripts.wheel import patched_sdist, source
from scripts.wheel.buildenv import BOTH
from scripts.wheel.source import Plan
from tests.unit.small import Small
from tests.unit.wheel.stand_ins import become


def test_tree_is_kept_until_the_archive_changes(small: Small, tmp_path: Path) -> None:
    patches = folder.load(small.patches)
    path = patched_sdist.build(small.lock, patches, small.sdist, tmp_path / "dist")
    tree = source.prepare(path, tmp_path / "work")
    assert {m.path for m in members(path)} == {
        p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()
    }
    (tree / "object.o").touch()
    (tmp_path / "work" / f"{tree.name}.part-killed").mkdir()
    assert source.prepare(path, tmp_path / "work") == tree
    assert (tree / "object.o").exists()
    lock_file.update(small.lock_path, {"vllm.epoch": 1795455328})
    path = patched_sdist.build(small.lock, patches, small.sdist, tmp_path / "dist")
    source.prepare(path, tmp_path / "work")
    assert not (tree / "object.o").exists()
    assert not list((tmp_path / "work").glob("*.part-*"))


def test_archive_that_is_cut_off_leaves_nothing(small: Small, tmp_path: Path) -> None:
    path = patched_sdist.build(
        small.lock, folder.load(small.patches), small.sdist, tmp_path
    )
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Finding, match="damaged"):
        source.prepare(path, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_dry_run_says_its_plan_before_it_asks_for_tools(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = patched_sdist.build(
        small.lock, folder.load(small.patches), small.sdist, tmp_path
    )
    python = str(tmp_path / "no-python")
    with pytest.raises(Unusable) as e:
        source.plan(*(small.lock, path, tmp_path, tmp_path / "work"), python=python)
    assert python in str(e.value)
    said = capsys.readouterr().err
    assert f"plan: {python} -m pip wheel " in said
    assert f"for cuda, {BOTH}, of {path.name}" in said


def test_unknown_device_is_refused(small: Small, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="not built here"):
        source.plan(
            small.lock,
            small.sdist,
            tmp_path,
            tmp_path,
            python=sys.executable,
            target_device="rocm",
        )


def test_the_build_keeps_the_lock_and_ends_as_it_ends(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = f"flock --nonblock {lock} echo free || echo held by $GIVEN; exit 3"
    done = become(Plan(tmp_path, script, {}, dict(os.environ, GIVEN="it")), lock)
    assert (done.stdout, done.returncode) == ("held by it\n", 3)
