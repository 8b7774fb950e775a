# SPDX-License-Identifier: Apache-2.0
"""What the series requires beside vLLM where upstream pins another version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.base.git import Git
from scripts.series.mailbox import Patch
from scripts.series.table import first_sentence
from scripts.series.trailers import description
from scripts.upstream.lock import Lock, Own
from scripts.upstream.release_facts import REQUIREMENTS, companions


def touches(patches: Sequence[Patch]) -> Patch | None:
    """The last patch that changes upstream's requirements, if one does."""
    found = [p for p in patches if any(c.path == REQUIREMENTS for c in p.files)]
    return found[-1] if found else None


def required(before: str, after: str, patches: Sequence[Patch]) -> dict[str, Own]:
    """Companions that the series moves, with the patch and its reason.

    Args:
        before: Upstream's requirements file.
        after: The same after the series.
        patches: The series.

    Raises:
        Finding: One side pins no one version of a companion.
    """
    patch = touches(patches)
    if patch is None:
        return {}
    upstream = companions(before, REQUIREMENTS)
    return {
        name: Own(version, patch.name, first_sentence(description(patch.body)))
        for name, version in companions(after, REQUIREMENTS).items()
        if version != upstream[name]
    }


def own_companions(
    git: Git, base: str, tip: str, patches: Sequence[Patch]
) -> dict[str, Own]:
    """Companions that the commits between move, as the lock has them."""
    if touches(patches) is None:
        return {}
    before, after = (git.text("show", f"{c}:{REQUIREMENTS}") for c in (base, tip))
    return required(before, after, patches)


def lock_values(lock: Lock, found: Mapping[str, Own]) -> dict[str, Any]:
    """Keys of the lock for `scripts.upstream.lock.edit`."""
    gone = (name for name in lock.own if name not in found)
    values: dict[str, Any] = {f"series.companions.{name}": None for name in gone}
    for name, own in found.items():
        at = f"series.companions.{name}"
        values[f"{at}.version"] = own.version
        values[f"{at}.patch"] = own.patch
        values[f"{at}.why"] = own.why
    return values
