# SPDX-License-Identifier: Apache-2.0
"""Whether git would write these very bytes: it is asked to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.errors import Finding
from scripts.base.git import Git
from scripts.series import replay
from scripts.series.base_commit import commit_files, commit_steps, touched
from scripts.series.check.chain import Step
from scripts.series.check.problem import Problem, Rule, printable
from scripts.series.render import format_patches
from scripts.upstream.sdist_contents import Source


def check(
    steps: list[Step], source: Source, files: Mapping[str, bytes]
) -> Iterator[Problem]:
    """Export the series again from a tree of touched files and compare.

    Args:
        steps: The patches; those that could not be followed whole are left out.
        source: The tree to start from.
        files: Bytes of each patch by name.
    """
    steps = [step for step in steps if step.whole]
    if not steps:
        return
    paths = touched(step.patch for step in steps)
    base = {path: source.files[path] for path in paths if path in source.files}
    with TemporaryDirectory(prefix="sm12x-check-") as scratch:
        git = Git(Path(scratch))
        git.run("init", "--quiet", "--bare", "--template=", ".")
        commit_files(git, "refs/heads/base", base.items(), "base")
        start = git.text("rev-parse", "refs/heads/base")
        tip = commit_steps(
            git,
            start,
            [
                replay.Step(s.patch, {c.diff.path: c.after for c in s.changes})
                for s in steps
            ],
        )
        try:
            made = format_patches(git, start, tip)
        except Finding as e:
            where = "patches/series"
            yield Problem(where, 1, Rule.CANONICAL, f"{e.what}: {e.where}")
            return
    for step, (name, data) in zip(steps, made.items(), strict=True):
        where = f"patches/{step.patch.name}"
        if name[4:] != step.patch.name[4:]:
            slug = f"the subject gives NNNN{name[4:]}"
            yield Problem(where, 4, Rule.NAME, slug)
        yield from _compare(where, files[step.patch.name], data)


def _compare(where: str, found: bytes, expected: bytes) -> Iterator[Problem]:
    """The first line that differs."""
    pairs = zip_longest(found.split(b"\n"), expected.split(b"\n"))
    for number, (is_, should) in enumerate(pairs, 1):
        if is_ != should:
            shown = "the end" if should is None else printable(repr(should)[2:-1])
            yield Problem(
                where, number, Rule.CANONICAL, f"git format-patch writes {shown[:120]}"
            )
            return
