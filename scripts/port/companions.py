# SPDX-License-Identifier: Apache-2.0
"""What upstream pins beside vLLM on the new tree, and what answers were asked with."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from scripts.base.errors import ForkError
from scripts.upstream.environments import FLASHINFER, asked_with
from scripts.upstream.lock import Lock, Own
from scripts.upstream.release_facts import REQUIREMENTS, companions
from scripts.upstream.sdist_contents import Source


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
        there = found.get(what)
        if there is None:
            continue
        if what in lock.own:
            follows = _own(lock.own[what], there)
            yield f"other companions: {name} pins {what} {there}; {follows}"
        elif there != version:
            yield (
                f"other companions: {name} pins {what} {there}, the series is "
                f"written for {version}{_asked(what, there)}"
            )


def _asked(what: str, pinned: str) -> str:
    """What a proof would have in its place, where it has the package at all."""
    asked = asked_with().get(what, pinned)
    if asked == pinned:
        return ""
    if what in asked_with(files=(FLASHINFER,)):
        return f"; a proof installs {pinned}, or has {asked} where the index has it not"
    return f"; a proof asks and tests with {asked}"


def _own(own: Own, there: str) -> str:
    """What follows where the series requires a companion of its own."""
    if there == own.version:
        return f"so does the series, and {own.patch} has nothing left to do: drop it"
    if Version(there) < Version(own.version):
        return (
            f"that is too old: the series requires {own.version} ({own.patch}). "
            f"{own.why} So upstream's own calls need that release too: "
            "tests/on_cpu/test_flashinfer_calls.py binds them to both"
        )
    return (
        f"that is newer than {own.version}, which the series requires ({own.patch}) "
        "and was tested with: drop the patch rather than take the release back, then "
        "make kernels, make matrix and the tests of tests/on_cpu with the new one"
    )
