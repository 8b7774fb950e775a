# SPDX-License-Identifier: Apache-2.0
"""Commits into canonical mailbox patches, by `git format-patch`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.errors import Finding
from scripts.base.git import Git

# The canonical form. Each flag removes something that varies between machines
# or git versions, or that a reader would have to guess about.
FORMAT = (
    "--zero-commit",
    "--full-index",
    "--no-signature",
    "--no-stat",
    "--no-renames",
    "--no-numbered",
    "--no-attach",
    "--no-thread",
    "--no-cover-letter",
    "--no-base",
    "--no-notes",
    "--no-encode-email-headers",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--unified=3",
    "--diff-algorithm=myers",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--subject-prefix=PATCH",
    "--suffix=.patch",
    "--filename-max-length=64",
)


def format_patches(git: Git, base: str, tip: str) -> dict[str, bytes]:
    """Canonical patches of the commits `base..tip`, by file name, in order.

    Raises:
        Finding: A commit is a merge, is empty, or `tip` is not on `base`.
    """
    if git.run("merge-base", "--is-ancestor", base, tip, ok=(0, 1)).returncode:
        raise Finding(
            "the commits do not stand on the base of the series",
            where=str(git.path),
            expected=f"base {base[:12]} among the ancestors of HEAD",
            found=tip[:12],
            next=f"git rebase --onto {base[:12]} <where your commits begin>",
        )
    rows = git.text("log", "--reverse", "--format=%T %P%x00%h %s", f"{base}..{tip}")
    above = git.text("rev-parse", f"{base}^{{tree}}")
    for row in rows.split("\n") if rows else ():
        ids, _, title = row.partition("\0")
        tree, *parents = ids.split()
        if len(parents) != 1:
            raise Finding(
                "a merge cannot be a patch",
                where=title,
                expected="one parent",
                found=f"{len(parents)} parents",
                next="git rebase -i refs/sm12x/base",
            )
        if tree == above:
            raise Finding(
                "the commit changes nothing",
                where=title,
                next="git rebase -i refs/sm12x/base, and drop it",
            )
        above = tree
    if not rows:
        return {}
    with TemporaryDirectory(prefix="sm12x-export-") as scratch:
        git.run("format-patch", *FORMAT, "-o", scratch, f"{base}..{tip}")
        found = sorted(Path(scratch).iterdir())
        return {path.name: path.read_bytes() for path in found}
