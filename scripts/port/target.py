# SPDX-License-Identifier: Apache-2.0
"""The tree to carry the series to: a release of the index, or a git ref."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from scripts.base.errors import Unusable
from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.port.merge.languages import Kind, is_native, kind
from scripts.port.released import sdist
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Artifact, Lock
from scripts.upstream.release_facts import REQUIREMENTS, as_version, tag_of
from scripts.upstream.sdist_contents import Source, Want


@dataclass(frozen=True)
class Target:
    """What the series is to stand on."""

    name: str
    """Without blanks; it names a branch."""
    version: Version | None
    """None for a git ref, which has no archive to pin."""
    artifact: Artifact | None = None
    git: Path | None = None
    commit: str | None = None


def find(lock: Lock, to: str, clone: Path | None = None) -> Target:
    """What `TO` stands for: a version of the index, else a ref of a clone.

    Raises:
        Finding: The index has no such release.
        Unusable: Neither; or the index cannot be asked.
    """
    version = as_version(to)
    if version is not None:
        commit = Git(clone).resolve(f"{tag_of(version)}^{{commit}}") if clone else None
        name = f"vllm-{version}"
        return Target(name, version, sdist(lock, version), clone, commit)
    if clone is None:
        raise Unusable(
            "this is no release, and no git repository is named to look for a ref",
            found=to,
            expected="a version such as 0.32.0, or GIT=<clone> beside a ref",
            next="make port TO=0.32.0, or make port TO=main GIT=../vllm",
        )
    git = Git(clone)
    commit = git.resolve(f"{to}^{{commit}}") if clone.is_dir() else None
    if commit is None:
        raise Unusable(
            "there is no such commit",
            where=str(clone),
            found=to,
            next="git fetch there, or name another ref",
        )
    name = re.sub(r"[^\w.-]+", "-", to).strip("-.") or commit[:12]
    return Target(name, None, git=clone, commit=commit)


def tree(target: Target, want: Want) -> Source:
    """Every id of the target, and the bytes of the paths that are wanted.

    Raises:
        Finding: The archive is damaged, or git failed.
        Unusable: It cannot be fetched.
    """
    if target.artifact is not None:
        return sdist_contents.read(target.artifact, want)
    assert target.git and target.commit
    return git_tree(Git(target.git), target.commit, want)


def git_tree(
    git: Git, commit: str, want: Want, known: dict[str, bytes] | None = None
) -> Source:
    """As `tree`, of a commit.

    Args:
        git: The repository.
        commit: Which one.
        want: Whether a path's bytes are wanted.
        known: Blobs by id that need not be read; those that are read go there.
    """
    kept = {} if known is None else known
    ids: dict[str, tuple[int, str]] = {}
    files: dict[str, Entry] = {}
    listing = git.run("ls-tree", "-r", "-z", "--full-tree", commit).stdout
    with git.blobs() as blobs:
        for row in listing.split(b"\0")[:-1]:
            meta, _, raw = row.partition(b"\t")
            mode, sort, blob = meta.split()
            path = raw.decode("utf-8", "surrogateescape")
            if sort != b"blob":
                continue
            ids[path] = (int(mode, 8), blob.decode())
            if not want(path):
                continue
            name = blob.decode()
            data = kept[name] if name in kept else blobs.read(name)
            if data is not None:
                kept[name] = data
                files[path] = Entry(int(mode, 8), data)
    return Source(ids, files)


_BINDS = re.compile(r"^csrc/.*bindings?\.(cpp|cu)$")


def python_or(touched: set[str]) -> Want:
    """What to keep of the pinned tree: what the series touches, all Python, and
    what it pins."""

    native = any(is_native(path) for path in touched)

    def want(path: str) -> bool:
        return path in touched or _is_looked_up(path, native)

    return want


def _is_looked_up(path: str, native: bool) -> bool:
    """Python, what binds operations to it, and other code where the series has some."""
    if native and is_native(path):
        return True
    python = path.endswith(".py") and path.startswith(("vllm/", "tests/"))
    return (
        python or path in (REQUIREMENTS, "pyproject.toml") or bool(_BINDS.search(path))
    )


def wanted(touched: set[str], base: Mapping[str, tuple[int, str]]) -> Want:
    """What to keep of a new tree: as of the pinned one, and new source files.

    A file that upstream moved, or split off, is among the latter.
    """

    native = any(is_native(path) for path in touched)

    def want(path: str) -> bool:
        return (
            path in touched
            or _is_looked_up(path, native)
            or (path not in base and kind(path) is not Kind.TEXT)
        )

    return want
