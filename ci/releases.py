# SPDX-License-Identifier: Apache-2.0
"""Which upstream release is the next one to carry the series to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from scripts.base.git import Git
from scripts.upstream.index import Offer
from scripts.upstream.release_facts import KINDS, as_version, kind_of, version_of


@dataclass(frozen=True)
class Found:
    """What the index offers beyond the pin.

    Attributes:
        version: The newest release that can be pinned, or None.
        notes: What newer ones were passed by, and why; one sentence each.
    """

    version: Version | None
    notes: tuple[str, ...] = ()


def newest(
    pinned: Version, offers: Iterable[Offer], tags: Iterable[str] | None = None
) -> Found:
    """The newest release after the pinned one.

    Pre-releases are passed by in silence; a release that was yanked, whose sdist
    or wheels are not all there yet, or that has no tag is passed by with a note.

    Args:
        pinned: The version that the series stands on.
        offers: Every file of the project on the index.
        tags: Tags of upstream's repository, or None where it was not asked.
    """
    files: dict[Version, dict[str, Offer]] = {}
    for offer in offers:
        version = version_of(offer.filename)
        if version is None or version <= pinned or version.is_prerelease:
            continue
        if (kind := kind_of(offer.filename, version)) is not None:
            files.setdefault(version, {})[kind] = offer
    tagged = None if tags is None else {as_version(t) for t in tags} - {None}
    notes: list[str] = []
    for version in sorted(files, reverse=True):
        if why := _unfit(version, files[version], tagged):
            notes.append(f"vLLM {version} is passed by: {why}")
        else:
            return Found(version, tuple(notes))
    return Found(None, tuple(notes))


def _unfit(
    version: Version, files: dict[str, Offer], tagged: set[Version | None] | None
) -> str:
    if any(offer.yanked for offer in files.values()):
        return "it was yanked"
    if missing := [kind for kind in KINDS if kind not in files]:
        return f"the index has no {' and no '.join(missing)} of it yet"
    if tagged is not None and version not in tagged:
        return "upstream's repository has no tag for it"
    return ""


def tags(url: str, where: Path) -> list[str]:
    """Tags of a git repository, as `git ls-remote` lists them.

    Raises:
        Finding: git cannot read it.
    """
    rows = Git(where).text("ls-remote", "--tags", "--refs", "--", url).splitlines()
    return [row.partition("refs/tags/")[2] for row in rows]
