# SPDX-License-Identifier: Apache-2.0
"""`make apply`: the pinned upstream and the series as a git repository."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import one_run
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.series import folder
from scripts.series.base_commit import (
    base_from_git,
    base_from_sdist,
    commit_steps,
    entries,
    touched,
)
from scripts.series.mailbox import Patch
from scripts.series.origin import UPSTREAM_URL, Source
from scripts.series.replay import replay
from scripts.series.workbench import BRANCH, State, Workbench
from scripts.upstream import lock as lockfile
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Lock


@dataclass(frozen=True)
class Applied:
    """What `apply` did."""

    path: Path
    base: str
    tip: str
    tree: str
    patches: int
    changed: bool
    """False when everything stood there already."""
    backup: str | None
    """Ref that keeps what `force` overwrote."""


def make_commits(git: Git, base: str, patches: list[Patch]) -> str:
    """Replay `patches` on `base`, verified blob by blob, as commits.

    Returns:
        The last commit's id.

    Raises:
        Finding: A preimage or a result is not the one that its patch names.
    """
    steps = replay(patches, entries(git, base, touched(patches)).get)
    return commit_steps(git, base, steps)


def _known(lock: Lock) -> str:
    """Ref that keeps the base made from the pinned sdist."""
    return f"refs/sm12x/sdist/{lock.sdist.sha256}"


def sdist_base(git: Git, lock: Lock) -> str:
    """The base commit of the sdist; read anew only if it is not there yet."""
    if git.resolve(f"{_known(lock)}^{{tree}}") != lock.tree:
        base = base_from_sdist(git, obtain(lock.sdist), lock)
        git.run("update-ref", _known(lock), base)
    return git.text("rev-parse", _known(lock))


def _expected_tree(lock: Lock, source: Source) -> str | None:
    return lock.patched_tree if source is Source.SDIST else lock.git.patched_tree


def _check_tree(found: str, expected: str | None, patches: list[Patch]) -> None:
    if expected is not None and found != expected:
        raise Finding(
            f"after {len(patches)} patches the tree is not the one in upstream.lock",
            where="upstream.lock",
            expected=f"tree {expected}",
            found=f"tree {found}",
            next=folder.EDITED,
        )


@dataclass(frozen=True)
class Wanted:
    """What `apply` is asked for."""

    checkout: Checkout = field(default_factory=Checkout)
    source: Source = Source.SDIST
    """Where the base comes from."""
    url: str = UPSTREAM_URL
    """Upstream's repository, for `Source.GIT`."""
    until: str | None = None
    """Number of the last patch; None for all."""
    force: bool = False
    """Overwrite work that was not exported, after a backup."""


def apply(wanted: Wanted) -> Applied:
    """Make or refresh `build/vllm`: one base commit, one commit a patch.

    Raises:
        Finding: A patch does not hold, the tree is not the lock's, or work
            would be lost.
        Unusable: Another run is at work, or the folder cannot be used.
    """
    at = wanted.checkout
    with one_run(at.run_lock, "make apply"):
        lock = lockfile.load(at.lock)
        patches = folder.load(at.patches, wanted.until)
        bench = Workbench(at.build / "vllm")
        for left in at.build.glob(".vllm-new*"):
            shutil.rmtree(left)
        if not bench.path.exists():
            return _fresh(bench, lock, patches, wanted)
        return _refresh(bench, lock, patches, wanted)


def _prepare(
    git: Git, lock: Lock, patches: list[Patch], wanted: Wanted
) -> tuple[State, str]:
    if wanted.source is Source.GIT:
        base = base_from_git(git, wanted.url, lock)
    else:
        base = sdist_base(git, lock)
    tip = make_commits(git, base, patches)
    tree = git.text("rev-parse", f"{tip}^{{tree}}")
    complete = wanted.until is None
    if complete:
        _check_tree(tree, _expected_tree(lock, wanted.source), patches)
    if wanted.source is Source.GIT:
        seen = {
            "vllm.git.commit": base,
            "vllm.git.tree": git.text("rev-parse", f"{base}^{{tree}}"),
        }
        if complete:
            seen["vllm.git.patched-tree"] = tree
        if lockfile.update(wanted.checkout.lock, seen):
            note(f"recorded {lock.tag} = {base} in upstream.lock")
    series = folder.fingerprint(patches)
    return State(wanted.source.value, base, tip, series, complete), tree


def _fresh(
    bench: Workbench, lock: Lock, patches: list[Patch], wanted: Wanted
) -> Applied:
    # Beside its place and renamed at the end: it is there whole or not at all.
    new = Workbench(bench.path.with_name(".vllm-new"))
    new.path.mkdir(parents=True)
    new.git.run("init", "--quiet", f"--initial-branch={BRANCH}", ".")
    new.git.run("config", "core.autocrlf", "false")
    state, tree = _prepare(new.git, lock, patches, wanted)
    new.move(state)
    new.path.rename(bench.path)
    return Applied(bench.path, state.base, state.tip, tree, len(patches), True, None)


def _refresh(
    bench: Workbench, lock: Lock, patches: list[Patch], wanted: Wanted
) -> Applied:
    state = bench.recover(wanted.force)
    if state.exporting:
        raise Finding(
            "an export was cut off, so patches/ may be half old and half new",
            where=str(bench.path),
            next="make export",
        )
    losses = bench.losses(state)
    if losses and not wanted.force:
        raise bench.refuse(losses)
    if not losses and (tree := _stands(bench, lock, patches, wanted, state)):
        return Applied(
            bench.path, state.base, state.tip, tree, len(patches), False, None
        )
    # Only a series that holds is worth clearing the work tree for.
    target, tree = _prepare(bench.git, lock, patches, wanted)
    backup = bench.backup() if losses else None
    bench.move(target)
    return Applied(
        bench.path, target.base, target.tip, tree, len(patches), True, backup
    )


def _stands(
    bench: Workbench, lock: Lock, patches: list[Patch], wanted: Wanted, state: State
) -> str | None:
    """The tree, if what is asked for is what stands there already."""
    git = bench.git
    sdist = wanted.source is Source.SDIST
    pinned = git.resolve(_known(lock)) if sdist else lock.git.commit
    same = State(
        source=wanted.source.value,
        base=pinned or "",
        tip=state.tip,
        series=folder.fingerprint(patches),
        complete=wanted.until is None,
    )
    if same != state:
        return None
    tree = git.text("rev-parse", f"{state.tip}^{{tree}}")
    if same.complete:
        _check_tree(tree, _expected_tree(lock, wanted.source), patches)
    return tree
