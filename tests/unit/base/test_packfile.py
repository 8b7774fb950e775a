# SPDX-License-Identifier: Apache-2.0
"""A pack that was written here is one that git itself would take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.base.git import Git
from scripts.base.object_ids import tree_id
from scripts.base.packfile import Pack

FILES = {
    "a/empty.py": b"",
    "a/same.py": b"",
    "a/b/long.bin": os.urandom(70_000),  # several stored blocks
    "a.b/edge": b"x" * 15,
    "edge": b"x" * 16,
    "more": b"x" * 2048,
    "ä": b"\n",
}


@pytest.fixture
def git(tmp_path: Path) -> Git:
    found = Git(tmp_path / "repo")
    found.path.mkdir()
    found.run("init", "--quiet", ".")
    return found


def packs(git: Git) -> list[str]:
    return sorted(p.name for p in (git.path / ".git/objects/pack").iterdir())


def write(git: Git) -> str:
    """The id of the tree of `FILES`."""
    with Pack(git.path / ".git/objects/pack") as pack:
        ids = {name: (0o100644, pack.add(b"blob", FILES[name])) for name in FILES}
        return tree_id(ids, pack.add)


def test_git_reads_what_was_put_in(git: Git) -> None:
    tree = write(git)
    git.run("fsck", "--strict", "--full", "--no-dangling")
    git.run("verify-pack", *(str(p) for p in git.path.rglob("*.idx")))
    rows = git.text("ls-tree", "-r", "--name-only", "-z", tree).rstrip("\0").split("\0")
    assert sorted(rows) == sorted(FILES)
    with git.blobs() as blobs:
        for name, data in FILES.items():
            assert blobs.read(f"{tree}:{name}") == data
    # The two that are alike are there once.
    assert "in-pack: 10" in git.text("count-objects", "-v")


def test_it_is_what_git_makes_of_the_same_files(git: Git, tmp_path: Path) -> None:
    for name, data in FILES.items():
        path = git.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    git.run("add", "--all")
    assert write(git) == git.text("write-tree")


def test_again_is_the_same(git: Git) -> None:
    write(git)
    before = packs(git)
    write(git)
    assert packs(git) == before
    assert len(before) == 2


def test_a_block_that_raises_leaves_nothing(git: Git) -> None:
    with pytest.raises(KeyError), Pack(git.path / ".git/objects/pack") as pack:
        pack.add(b"blob", b"x")
        raise KeyError
    assert packs(git) == []
