# SPDX-License-Identifier: Apache-2.0
"""The scratch clone: the series carried there, and never in the checkout."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ci.commits import successors
from ci.steps import Step, run
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.checkout import Checkout
from scripts.port.prove import unlike
from scripts.port.report import readme
from scripts.port.report.summary import Outcome, Summary
from scripts.port.run import Wanted, port
from scripts.port.session import Session
from scripts.series import folder
from scripts.series.adopt import adopt as adopt_series
from scripts.series.mailbox import parse
from scripts.series.render import format_patches
from scripts.series.table import lanes_on, render
from scripts.upstream import lock, sdist_contents
from scripts.upstream.pin import pin


def folder_of(at: Checkout) -> Path:
    """Where the bot works, below `build/`."""
    return at.build / "bot"


def clone(at: Checkout, commit: str) -> Checkout:
    """A fresh clone at `commit` of the checkout; what is not committed stays out."""
    root = folder_of(at) / "work"
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    Git(at.root).run("clone", "--quiet", "--no-checkout", "--local", ".", str(root))
    Git(root).run("checkout", "--quiet", "--detach", commit)
    return Checkout(root)


def carry(
    work: Checkout, version: str, steps: Sequence[Step], *, proof: bool
) -> tuple[Summary, list[str]]:
    """Carry the series to a release in the scratch clone, and try it there.

    Args:
        work: The scratch clone.
        version: The release.
        steps: What to run on the result.
        proof: Run the long ones too.

    Returns:
        The port's summary, with the steps as its proof; and what the step that
        failed is quoted with.

    Raises:
        Finding: The release or the series is not as it says it is.
        Unusable: Something cannot be fetched.
    """
    summary = port(work, Wanted(version, proof=False))
    if summary.outcome is not Outcome.CARRIED:
        return summary, []
    by_hand = adopt(work, version)
    checks, quoted = run(steps, work.root, long=proof)
    summary = replace(
        summary,
        checks=tuple(checks),
        by_hand=by_hand,
        beside=tuple(unlike(work)),
        written="",
    )
    return summary, quoted


def adopt(work: Checkout, version: str) -> tuple[str, ...]:
    """Pin the release, and write the commits of `build/port/vllm` as the series.

    README and Containerfile follow. Nothing is proved by it; `carry` runs the
    steps on what this writes.

    Returns:
        Lines of the README that a person has to look at.

    Raises:
        Finding: The branch does not stand on the release's own tree.
    """
    before, old = lock.load(work.lock), folder.load(work.patches)
    pin(version, work.lock)
    pinned = lock.load(work.lock)
    git = Git(Session.of(work).tree)
    base = git.text("rev-parse", "refs/sm12x/base")
    if (tree := git.text("rev-parse", f"{base}^{{tree}}")) != pinned.tree:
        raise Finding(
            "the series was carried to another tree than the release's",
            where=str(git.path),
            expected=pinned.tree,
            found=tree,
            next="run make bot again",
        )
    tip = git.text("rev-parse", "HEAD")
    files = format_patches(git, base, tip)
    made = [parse(name, data) for name, data in files.items()]
    lanes = lanes_on(made, partial(sdist_contents.read, pinned.sdist))
    pairs = zip(old, successors(old, made), strict=True)
    renamed = {was.name: now.name if now else None for was, now in pairs}
    follow = partial(readme.follow, old=before, new=pinned, renamed=renamed)
    done = adopt_series(work, files, render(made, lanes), pinned.tag, follow)
    patched = git.text("rev-parse", f"{tip}^{{tree}}")
    lock.update(work.lock, {"series.patched-tree": patched})
    note(f"the series stands on vLLM {version}")
    return done.by_hand
