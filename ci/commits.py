# SPDX-License-Identifier: Apache-2.0
"""The carried series as commits: what is mechanical in one, each decision apart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.base.git import IDENTITY, Git
from scripts.port.report.states import PatchResult, State
from scripts.port.report.summary import Summary
from scripts.series.mailbox import Patch
from scripts.series.resolutions import FOLDER

MECHANICAL = (State.UNCHANGED, State.MOVED)
"""States in which a patch says on the new release what it said on the old one."""
RECORDS = (
    ("records/selection.tsv", "matrix: what vLLM {} selects"),
    ("records/kernels.json", "kernels: the figures on vLLM {}"),
    (f"patches/{FOLDER}", "port: decisions for vLLM {}"),
)
"""Files in which a release leaves traces that a person has to read."""


@dataclass(frozen=True)
class Group:
    """One commit to be: a message, and the paths that belong to it alone."""

    message: str
    paths: tuple[str, ...]


def groups(
    summary: Summary, old: Sequence[Patch], new: Sequence[Patch], version: str
) -> list[Group]:
    """What does not belong to the mechanical commit, in the order of the series.

    Args:
        summary: The port's; one result a patch of `old`.
        old: The series before.
        new: The series as carried; what upstream absorbed has left it.
        version: The release.
    """
    found: list[Group] = []
    for patch, now, result in zip(
        old, successors(old, new), summary.patches, strict=True
    ):
        read = any(part.read for part in result.files)
        if result.state in MECHANICAL and now is not None and not read:
            continue
        names = {patch.name, *([now.name] if now else [])}
        paths = tuple(f"patches/{name}" for name in sorted(names))
        found.append(Group(_message(result, left=now is None), paths))
    return found + [Group(text.format(version), (p,)) for p, text in RECORDS]


def successors(old: Sequence[Patch], new: Sequence[Patch]) -> list[Patch | None]:
    """What each patch of a series became in the carried one; None if it left."""
    left = list(new)
    return [
        left.pop(0) if left and left[0].subject == patch.subject else None
        for patch in old
    ]


def _message(result: PatchResult, *, left: bool) -> str:
    what = "left the series, " if left else ""
    rows = [result.subject]
    for part in result.files:
        if part.state not in MECHANICAL or part.said:
            rows.append("; ".join((f"{part.path}: {part.state.value}", *part.said)))
    body = "\n".join(
        textwrap.fill(row, 72, subsequent_indent="  ", break_long_words=False)
        for row in rows
    )
    return f"port: {result.name[:4]} {what}{result.state.value}\n\n{body}\n"


def commit(git: Git, apart: Sequence[Group], first: str) -> list[str]:
    """Commit the work tree's changes: all that is in no group, then each group.

    The same changes on the same commit give the same ids. Only the last commit
    is a series that applies.

    Args:
        git: The scratch clone.
        apart: The groups.
        first: Message of the mechanical commit.

    Returns:
        Subjects of the commits that were made; a group without changes has none.
    """
    when = git.text("log", "-1", "--format=%cd", "--date=raw", "HEAD")
    name, mail = IDENTITY
    env = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }
    git.run("add", "--all")
    changed = git.text("diff", "--cached", "--name-only", "-z").split("\0")[:-1]
    parts: dict[str, list[str]] = {first: [], **{g.message: [] for g in apart}}
    for path in changed:
        owners = (group.message for group in apart if _holds(group, path))
        parts[next(owners, first)].append(path)
    if later := [p for what, part in parts.items() if what != first for p in part]:
        git.run("reset", "--quiet", "HEAD", "--", *later)
    made = []
    for message, part in parts.items():
        if not part:
            continue
        if message != first:
            git.run("add", "--all", "--", *part)
        git.run("commit", "--quiet", "--message", message, env=env)
        made.append(message.partition("\n")[0])
    return made


def _holds(group: Group, path: str) -> bool:
    """Whether a changed file is one of a group's, or lies in a folder of it."""
    return any(path == p or path.startswith(f"{p}/") for p in group.paths)
