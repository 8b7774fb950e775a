# SPDX-License-Identifier: Apache-2.0
"""What upstream pins beside vLLM on the new tree, and what answers were asked with."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.errors import ForkError
from scripts.lock import Lock
from scripts.release import REQUIREMENTS, companions
from scripts.series.check.source import Source


def of(tree: Source, where: str) -> dict[str, str]:
    """The companions that a tree pins; empty where it does not say."""
    entry = tree.files.get(REQUIREMENTS)
    if entry is None:
        return {}
    try:
        return companions(entry.data.decode("utf-8", "replace"), where)
    except ForkError:
        return {}  # another form than the pinned release has: nothing is claimed


def told(lock: Lock, new: Source, name: str) -> Iterator[str]:
    """That the target has other companions than the series is written for."""
    found = of(new, name)
    if not found:
        yield f"{name} pins no companions in {REQUIREMENTS} that can be read"
    for what, version in lock.companions.items():
        if what in found and found[what] != version:
            yield (
                f"other companions: {name} pins {what} {found[what]}, the series is "
                f"written for {version}"
            )
