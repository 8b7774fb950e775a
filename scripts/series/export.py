# SPDX-License-Identifier: Apache-2.0
"""`make export`: the commits in `build/vllm` as canonical mailbox patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.base.errors import Finding, Unusable
from scripts.base.files import one_run
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.series import folder, quoted
from scripts.series.adopt import Change, adopt
from scripts.series.apply import make_commits, sdist_base
from scripts.series.mailbox import Patch, parse
from scripts.series.origin import Source
from scripts.series.render import format_patches
from scripts.series.required import lock_values, own_companions
from scripts.series.workbench import State, Workbench
from scripts.upstream import lock as lockfile


@dataclass(frozen=True)
class Exported:
    """What `export` did."""

    patches: list[Patch]
    changes: dict[str, Change]
    tree: str
    others: tuple[str, ...] = ()
    """Other files of the checkout that had to follow, the lock among them."""


def _same_trees(git: Git, base: str, ours: str, theirs: str) -> None:
    """Every canonical commit has the tree of the commit that it came from."""
    sides = [
        git.text("log", "--reverse", "--format=%T %h %s", f"{base}..{tip}").splitlines()
        for tip in (ours, theirs)
    ]
    for mine, yours in zip(*sides, strict=True):
        if mine.split()[0] != yours.split()[0]:
            raise Finding(
                "the patch does not give back its commit",
                where=yours.partition(" ")[2],
                expected=f"tree {yours.split()[0]}",
                found=f"tree {mine.split()[0]}",
            )


def _ready(bench: Workbench) -> State:
    if not bench.exists:
        raise Unusable(
            "there is nothing to export", where=str(bench.path), next="make apply"
        )
    state = bench.recover(force=False)
    if operation := bench.operation():
        raise Finding(
            f"a git {operation} is under way",
            where=str(bench.path),
            next="end it (git status says how), then make export",
        )
    if dirty := bench.dirty():
        new = set(bench.untracked())
        raise Finding(
            "export takes commits, and these files are not committed",
            where=str(bench.path),
            found="\n".join(f"{x} (never added)" if x in new else x for x in dirty),
            next="git add what belongs to a patch and commit it, or git stash "
            "--include-untracked, in build/vllm; then make export",
        )
    if not state.complete:
        raise Finding(
            "only a prefix of the series is applied; exporting it would drop the rest",
            where=str(bench.path),
            next="make apply FORCE=1 (keeps your commits under refs/sm12x/backup/), "
            "then cherry-pick them",
        )
    return state


def export(
    checkout: Checkout,
    force: bool = False,
    table: Callable[[list[Patch]], str] | None = None,
) -> Exported:
    """Write the series from the commits, and the lock's tree ids with it.

    The patches are replayed and compared with the commits before the first
    file is written. The branch then stands at the canonical commits.

    Args:
        checkout: Its patches, lock and `build/vllm`.
        force: Overwrite patches that changed since they were applied.
        table: Renders `patches/README.md`; None leaves it alone.

    Raises:
        Finding: The commits cannot be patches, or work would be lost.
        Unusable: There is no `build/vllm`, or another run is at work.
    """
    patches_dir = checkout.patches
    with one_run(checkout.run_lock, "make export"):
        bench = Workbench(checkout.build / "vllm")
        state = _ready(bench)
        on_disk = _on_disk(patches_dir)
        if not (force or state.exporting) and on_disk != state.series:
            raise Finding(
                "patches/ changed since it was applied; exporting would undo that",
                where=str(patches_dir),
                next="git diff -- patches shows what; then make export FORCE=1 to keep "
                "the commits, or make apply FORCE=1 to keep the files",
            )
        git = bench.git
        head = git.text("rev-parse", "HEAD")
        files = format_patches(git, state.base, head)
        patches = [_read_back(name, data) for name, data in files.items()]
        tip = make_commits(git, state.base, patches)
        _same_trees(git, state.base, tip, head)
        lock = lockfile.load(checkout.lock)
        values = _trees(git, lock, state, patches, tip)
        values |= lock_values(lock, own_companions(git, state.base, tip, patches))
        bench.save(replace(state, exporting=True))
        made = table(patches) if table is not None else None
        adopted = adopt(checkout, files, made, lock.tag)
        locked = lockfile.update(checkout.lock, values)
        others = (*adopted.others, *([checkout.lock.name] if locked else []))
        series = folder.fingerprint(patches)
        bench.move(replace(state, tip=tip, series=series, exporting=False))
        final = git.text("rev-parse", f"{tip}^{{tree}}")
        return Exported(patches, adopted.changes, final, others)


def _read_back(name: str, data: bytes) -> Patch:
    try:
        for at, text in quoted.diffs(data):
            raise Finding(
                "patch would take a part of the message for a diff",
                where=f"patches/{name}:{at}",
                expected="a message without diffs, indented ones too",
                found=text.decode("utf-8", "replace"),
                next="reword that commit in build/vllm, then make export",
            )
        return parse(name, data)
    except Finding as e:
        raise replace(
            e,
            next="reword or split the commit: git rebase -i refs/sm12x/base "
            "in build/vllm",
        ) from e


def _on_disk(patches_dir: Path) -> str | None:
    try:
        return folder.fingerprint(folder.load(patches_dir))
    except (Finding, Unusable):
        return None


def _trees(
    git: Git,
    lock: lockfile.Lock,
    state: State,
    patches: list[Patch],
    tip: str,
) -> dict[str, Any]:
    """The lock's keys for the tree after the series, on each source."""
    tree = git.text("rev-parse", f"{tip}^{{tree}}")
    if state.source == Source.SDIST.value:
        found: dict[str, Any] = {"series.patched-tree": tree}
        if lock.git.commit and git.resolve(f"{lock.git.commit}^{{tree}}"):
            other = make_commits(git, lock.git.commit, patches)
            found["vllm.git.patched-tree"] = git.text("rev-parse", f"{other}^{{tree}}")
        return found
    base = sdist_base(git, lock)
    other = make_commits(git, base, patches)
    return {
        "vllm.git.patched-tree": tree,
        "series.patched-tree": git.text("rev-parse", f"{other}^{{tree}}"),
    }
