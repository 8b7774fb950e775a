# SPDX-License-Identifier: Apache-2.0
"""What a wheel is held against: the pinned archives and the patched tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.files import digest
from scripts.base.object_ids import Entry, tree_id
from scripts.series import folder
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch
from scripts.series.replay import changed_ids, replay, result
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Artifact, Lock


@dataclass(frozen=True)
class Tree:
    """The sdist before and after the series."""

    before: str
    after: str
    changes: Mapping[str, Entry | None]
    """Every touched path, None for a deleted file."""
    new: frozenset[str]
    """Touched paths that the sdist does not have."""


def patched_tree(lock: Lock, sdist: Path, patches: Sequence[Patch]) -> Tree:
    """Derive the patched tree from the sdist.

    Args:
        lock: The pin.
        sdist: Its sdist, verified.
        patches: The whole series.

    Raises:
        Finding: The series does not apply.
    """
    paths = touched(patches)
    source = sdist_contents.source(sdist, lock.sdist, paths.__contains__)
    changes = result(replay(patches, source.files.get))
    after = tree_id(changed_ids(source.ids, changes))
    new = frozenset(paths - {*source.files})
    return Tree(source.tree, after, changes, new)


def require_tree(lock: Lock, tree: Tree) -> None:
    """Hold a derived tree against the lock.

    Raises:
        Finding: Upstream's tree or the patched one is another: series or lock was
            edited.
    """
    for what, expected, found in (
        ("upstream's tree", lock.tree, tree.before),
        ("the tree after the series", lock.patched_tree, tree.after),
    ):
        if expected != found:
            raise Finding(
                f"{what} is not the one in the lock",
                where="upstream.lock",
                expected=expected,
                found=found,
                next=folder.EDITED,
            )


def pinned(path: Path, artifact: Artifact) -> None:
    """Refuse a file that is not the pinned one, by digest.

    Raises:
        Finding: It is another.
    """
    if (found := digest(path)) != artifact.sha256:
        raise Finding(
            f"{artifact.filename} is not the pinned one",
            where=str(path),
            expected=f"sha256 {artifact.sha256}",
            found=f"sha256 {found}",
            next="remove it; the next run fetches it again",
        )


def base_of(lock: Lock, wheel: Path) -> Artifact:
    """The upstream wheel that this one must have been made from, by platform.

    Raises:
        Finding: The name is no wheel of a pinned platform.
    """
    return lock.wheels[arch_of(lock, wheel)]


def arch_of(lock: Lock, wheel: Path) -> str:
    """The architecture, as `uname -m` prints it, of a wheel by its platform.

    Raises:
        Finding: The name is no wheel of a pinned platform.
    """
    tag = wheel.name.split("-", 2)[-1]
    for arch, artifact in lock.wheels.items():
        if artifact.filename.split("-", 2)[-1] == tag:
            return arch
    raise Finding(
        "the wheel is for no pinned platform"
        if wheel.suffix == ".whl"
        else "this is no wheel",
        where=str(wheel),
        expected=" or ".join(
            a.filename.replace(lock.version, lock.local_version, 1)
            for a in lock.wheels.values()
        ),
        found=wheel.name,
        next="make wheel, then make verify-wheel WHEEL=dist/<its name>",
    )
