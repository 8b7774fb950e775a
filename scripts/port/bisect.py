# SPDX-License-Identifier: Apache-2.0
"""Which upstream commit broke a patch: the port itself, tried on each half.

Text is broken by a commit of the file itself, which a slim mirror finds quickly.
What a file uses may be broken by any commit, so that for it all are candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scripts.base.console import note
from scripts.base.git import Git
from scripts.port.carry import carry
from scripts.port.mirror import Mirror
from scripts.port.moves import places
from scripts.port.names.trees import Trees
from scripts.port.report.states import FileResult, PatchResult, State
from scripts.port.report.summary import Culprit
from scripts.port.target import git_tree, python_or
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch
from scripts.series.resolutions import Records


@dataclass
class Trials:
    """The port at commits of a clone; each is tried once."""

    git: Git
    patches: Sequence[Patch]
    trees: Trees
    """The pinned tree and the target's, whose blobs need not be read again."""
    records: Records
    done: dict[str, tuple[PatchResult, ...]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in (self.trees.base, self.trees.new):
            for path, entry in source.files.items():
                self.blobs[source.ids[path][1]] = entry.data

    def carried(self, commit: str, patch: str, path: str) -> bool:
        """Whether a file of a patch is carried to a commit, what it uses included."""
        if commit not in self.done:
            paths = touched(list(self.patches))
            want = python_or(paths)
            new = git_tree(self.git, commit, want, self.blobs)
            base = self.trees.base
            reads = base.files.get, new.files.get
            result = carry(
                self.patches,
                *reads,
                places(paths, base, new),
                self.records,
                "then",
                Trees(base, new),
            )
            self.done[commit] = result.patches
        (found,) = [p for p in self.done[commit] if p.name == patch]
        return not any(f.state.open for f in found.files if f.path == path)

    def first_lost(self, commits: Sequence[str], patch: str, path: str) -> str | None:
        """The first commit at which a file is not carried; None if the last has it.

        Args:
            commits: In order; before the first one all holds.
            patch: Name of the patch.
            path: The file.
        """
        if not commits or self.carried(commits[-1], patch, path):
            return None
        low, high = -1, len(commits) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self.carried(commits[middle], patch, path):
                low = middle
            else:
                high = middle
        return commits[high]


def culprits(
    mirror: Mirror,
    start: str,
    end: str,
    trials: Trials,
    results: Sequence[PatchResult],
) -> Iterator[Culprit]:
    """For each file that was not carried, the first commit at which it is not.

    Args:
        mirror: The slim mirror.
        start: Upstream's commit of the pin, where everything holds.
        end: Upstream's commit of the target.
        trials: The port, to be tried.
        results: What the port to `end` came to.
    """
    every = trials.git.text(
        "rev-list", "--first-parent", "--reverse", f"{start}..{end}"
    ).split()
    for result in results:
        for part in result.files:
            if not part.state.open:
                continue
            own = [] if part.state is State.BROKEN else _own(mirror, start, end, part)
            commit = trials.first_lost(own, result.name, part.path)
            if commit is None:  # not this file's own history
                commit = trials.first_lost(every, result.name, part.path)
            if commit is None:
                continue
            note(f"{result.name[:4]} {part.path}: {len(trials.done)} commits tried")
            subject = trials.git.text("log", "-1", "--format=%s", commit)
            yield Culprit(result.name, part.path, commit, subject)


def _own(mirror: Mirror, start: str, end: str, part: FileResult) -> list[str]:
    """Upstream's commits that changed a file."""
    first, last = (_nearest(mirror, commit) for commit in (start, end))
    log = mirror.git.text(
        "log", "--reverse", "--format=%H", f"{first}..{last}", "--", part.path
    )
    return [mirror.original(commit) for commit in log.split()]


def _nearest(mirror: Mirror, commit: str) -> str:
    """The mirror's commit for one of upstream's, which may have kept nothing."""
    return mirror.commits.get(commit, commit)
