# SPDX-License-Identifier: Apache-2.0
"""Why a release may not be made; all reasons at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from packaging.version import Version

from scripts.base.errors import Unusable
from scripts.checkout import Checkout
from scripts.release import changelog
from scripts.release.repository import Repository
from scripts.series import folder
from scripts.series.check.run import check
from scripts.upstream import sdist_contents
from scripts.upstream.lock import Lock
from scripts.upstream.release_facts import tag_of

_SHOWN = 10
_RAISE = "make release NEXT=1 raises the number"


def obstacles(at: Checkout, lock: Lock) -> Iterator[str]:
    """One paragraph for each reason.

    A tag of this version on HEAD itself is none: it is that release, which may
    be built again anywhere.

    Raises:
        Unusable: This is no git checkout, or the check cannot run.
    """
    here = Repository(at.root)
    head = here.head()
    if head is None:
        raise Unusable(
            "a release is made from a git checkout with a commit",
            where=str(at.root),
            next="git clone this project, and run it there",
        )
    if edits := here.edits():
        more = f"\n... and {len(edits) - _SHOWN} more" if len(edits) > _SHOWN else ""
        shown = "\n".join(edits[:_SHOWN])
        yield f"the tree differs from HEAD; commit it or remove it:\n{shown}{more}"
    version = lock.release_version
    tagged = here.tag(version)
    if tagged is not None and tagged != head:
        yield (
            f"{tag_of(version)} is the tag of {tagged[:12]}, and this is {head[:12]}: "
            f"released already; {_RAISE}"
        )
    later = [
        old
        for old in here.releases()
        if Version(old).public == lock.version
        and old != version
        and Version(old) > Version(version)
    ]
    if later:
        yield (
            f"{tag_of(later[-1])} is there, so that {version} is a number gone by; "
            f"{_RAISE}"
        )
    yield from _given(at, here, version)
    report = check(lock, at.patches, partial(sdist_contents.read, lock.sdist))
    if not report.passes:
        problems = [str(p) for p in report.problems]
        more = f"\n... {len(problems)} in all" if len(problems) > _SHOWN else ""
        yield "make check fails:\n" + "\n".join(problems[:_SHOWN]) + more


def _given(at: Checkout, here: Repository, version: str) -> Iterator[str]:
    """The change log may have given the number to another series already.

    A clone without tags sees nothing else of a release.
    """
    if version not in changelog.released(changelog.read(at.root)):
        return
    commit = here.wrote(changelog.NAME, f"## {version} - ")
    if commit is None:
        return  # not committed, which the edits tell
    then = [(p.name, p.sha256) for p in here.series(commit)]
    if then != [(p.name, p.sha256) for p in folder.load(at.patches)]:
        yield (
            f"{changelog.NAME} gave {version} to another series, in {commit[:12]}: "
            f"{_RAISE}; if it was never published, take its section back under "
            f"{changelog.UNRELEASED}"
        )
