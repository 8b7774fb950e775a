# SPDX-License-Identifier: Apache-2.0
"""Between the pin and the target: what upstream took of the series, and took back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.base.git import Git
from scripts.base.object_ids import Entry
from scripts.port.history import Moment, alerts, commits, named
from scripts.port.released import known, releases, sdist
from scripts.port.report.states import PatchResult
from scripts.port.target import Target, tree
from scripts.series.alerts import Alert
from scripts.series.base_commit import touched
from scripts.series.mailbox import Patch
from scripts.upstream.fetch import is_offline
from scripts.upstream.lock import Lock
from scripts.upstream.release_facts import as_version


def between(
    lock: Lock,
    target: Target,
    patches: list[Patch],
    results: Sequence[PatchResult],
    new: Mapping[str, Entry],
) -> tuple[list[Alert], list[str]]:
    """Alerts, and the names of what was looked at for them.

    A clone of upstream gives every commit; without one it is the releases, and
    without the network those that are at hand. Going back, there is nothing
    between that could have taken a change.

    Args:
        lock: The pin.
        target: Where the series goes.
        patches: The series.
        results: What became of it there.
        new: The target's files.

    Raises:
        Finding: An archive is damaged, or git failed.
        Unusable: The index cannot be asked.
    """
    paths = touched(patches)
    moments: list[Moment] = []
    found: list[Alert] = []
    gap = ""
    if target.git and target.commit:
        git = Git(target.git)
        start = start_of(lock, git)
        if start is None:
            return [], [f"nothing: the clone has neither {lock.commit} nor {lock.tag}"]
        moments = commits(git, start, target.commit, sorted(paths))
        found += named(git, start, target.commit, patches)
    elif (pinned := as_version(lock.version)) and target.version:
        if pinned < target.version:
            offline = is_offline()
            listed = known if offline else releases
            for version in listed(pinned, target.version):
                part = Target(f"vllm-{version}", version, sdist(lock, version))
                files = tree(part, paths.__contains__).files
                moments.append(Moment(part.name, files))
            gap = "others, if there are any: not, as the network may not be used"
            gap = gap if offline else ""
    seen = [m.name for m in moments] + ([gap] if gap else [])
    moments.append(Moment(target.name, new))
    return found + alerts(results, moments), seen


def start_of(lock: Lock, git: Git) -> str | None:
    """Upstream's commit of the pin in a clone; None where it is not there."""
    for name in (lock.git.commit or lock.commit, lock.tag):
        if found := git.resolve(f"{name}^{{commit}}"):
            return found
    return None
