# SPDX-License-Identifier: Apache-2.0
"""Ids equal the real git's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.base.git import Git
from scripts.base.object_ids import blob_id, tree_id


def git_tree(git: Git, files: dict[str, tuple[int, bytes]]) -> str:
    stream = b"".join(
        b"M %o inline %s\ndata %d\n%s\n" % (mode, path.encode(), len(data), data)
        for path, (mode, data) in files.items()
    )
    head = b"commit refs/heads/x\ncommitter a <a> 0 +0000\ndata 0\ndeleteall\n"
    git.run(
        "fast-import", "--quiet", "--force", "--done", stdin=head + stream + b"\ndone\n"
    )
    return git.text("rev-parse", "refs/heads/x^{tree}")


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    git = Git(tmp_path_factory.mktemp("repository"))
    git.run("init", "--quiet", "--bare")
    return git


@pytest.mark.parametrize("data", [b"", b"x\n", b"\0\xff" * 70_000])
def test_blob(git: Git, data: bytes) -> None:
    found = git.run("hash-object", "--stdin", stdin=data).stdout.decode().strip()
    assert blob_id(data) == found


def test_folders_sort_as_if_they_ended_with_a_slash(git: Git) -> None:
    # By plain names the folder `a` would come before `a.b` and `a-b`.
    paths = ("a/z", "a.b", "a-b", "a0", "b/c/d", "b.c", "é/ü", "A")
    files = {path: (0o100644, path.encode()) for path in paths}
    files["run"] = (0o100755, b"#!/bin/sh\n")
    files["link"] = (0o120000, b"run")
    ids = {path: (mode, blob_id(data)) for path, (mode, data) in files.items()}
    assert tree_id(ids) == git_tree(git, files)


names = st.text("ab.-0é", min_size=1, max_size=3).filter(lambda s: s.strip("."))


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    paths=st.sets(
        st.lists(names, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12
    )
)
def test_any_tree(git: Git, paths: set[str]) -> None:
    whole = {p for p in paths if not any(q.startswith(f"{p}/") for q in paths)}
    files = {p: (0o100644, p.encode()) for p in whole}
    ids = {p: (mode, blob_id(data)) for p, (mode, data) in files.items()}
    assert tree_id(ids) == git_tree(git, files)


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a/b", "a"), ("a//b",), ("/a",)])
def test_what_no_tree_can_hold(paths: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a"):
        tree_id({p: (0o100644, blob_id(b"")) for p in paths})


def test_working_copy(git: Git, tmp_path: Path) -> None:
    """The same id as `git add` and `git write-tree` of files on a disk."""
    work = Git(tmp_path)
    work.run("init", "--quiet")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/run").write_bytes(b"x")
    (tmp_path / "d/run").chmod(0o755)
    (tmp_path / "d.txt").write_bytes(b"y")
    work.run("add", ".")
    expected = work.text("write-tree")
    found = tree_id(
        {"d/run": (0o100755, blob_id(b"x")), "d.txt": (0o100644, blob_id(b"y"))}
    )
    assert found == expected
