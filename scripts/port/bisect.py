# SPDX-License-Identifier: Apache-2.0
"""Which upstream commit broke a patch: the port itself, tried on each half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scripts.console import note
from scripts.port.carry import carry
from scripts.port.places import Places
from scripts.port.resolutions import Records
from scripts.port.slim import Mirror
from scripts.port.states import PatchResult, State
from scripts.port.summary import Culprit
from scripts.port.target import git_tree
from scripts.series.mailbox import Patch
from scripts.series.replay import Entry, Tree
from scripts.upstream import touched


@dataclass
class _Trials:
    """The port at commits of the mirror; each is tried once."""

    mirror: Mirror
    patches: Sequence[Patch]
    base: Tree
    records: Records
    done: dict[str, tuple[PatchResult, ...]] = field(default_factory=dict)

    def carried(self, commit: str, patch: str, path: str) -> bool:
        if commit not in self.done:
            paths = touched(list(self.patches))
            files: dict[str, Entry] = dict(
                git_tree(self.mirror.git, commit, paths.__contains__).files
            )
            result = carry(
                self.patches, self.base, files.get, Places(), self.records, "then"
            )
            self.done[commit] = result.patches
        (found,) = [p for p in self.done[commit] if p.name == patch]
        return not any(f.state.open for f in found.files if f.path == path)


def culprits(
    mirror: Mirror,
    start: str,
    end: str,
    patches: Sequence[Patch],
    base: Tree,
    records: Records,
    results: Sequence[PatchResult],
) -> Iterator[Culprit]:
    """For each file that was not carried, the first commit at which it is not.

    Args:
        mirror: The slim mirror.
        start: Upstream's commit of the pin, where everything holds.
        end: Upstream's commit of the target.
        patches: The series.
        base: The pinned tree.
        records: What persons decided.
        results: What the port to `end` came to.
    """
    git = mirror.git
    first, last = (_nearest(mirror, commit) for commit in (start, end))
    trials = _Trials(mirror, patches, base, records)
    for result in results:
        for part in result.files:
            if not part.state.open or part.state is State.BROKEN:
                continue  # another file's history broke what it uses
            log = git.text(
                "log", "--reverse", "--format=%H", f"{first}..{last}", "--", part.path
            )
            commits = log.split()
            if not commits or trials.carried(commits[-1], result.name, part.path):
                continue  # not this file's own history
            low, high = -1, len(commits) - 1
            while high - low > 1:
                middle = (low + high) // 2
                if trials.carried(commits[middle], result.name, part.path):
                    low = middle
                else:
                    high = middle
            note(f"{result.name[:4]} {part.path}: {len(trials.done)} commits tried")
            commit = commits[high]
            subject = git.text("log", "-1", "--format=%s", commit)
            yield Culprit(result.name, part.path, mirror.original(commit), subject)


def _nearest(mirror: Mirror, commit: str) -> str:
    """The mirror's commit for one of upstream's, which may have kept nothing."""
    return mirror.commits.get(commit, commit)
