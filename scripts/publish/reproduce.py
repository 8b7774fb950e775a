# SPDX-License-Identifier: Apache-2.0
"""`make reproduce`: a published file, built again and compared byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from scripts import lock as lockfile
from scripts import reports
from scripts.checkout import Checkout
from scripts.console import note
from scripts.errors import Unusable
from scripts.files import digest
from scripts.lock import Lock
from scripts.publish import build, differ
from scripts.publish.named import Named, commit_with, named_in
from scripts.publish.repository import Repository, tag_of
from scripts.series import folder
from scripts.series.mailbox import Patch


@dataclass(frozen=True)
class Answer:
    """What came of building a file again."""

    name: str
    same: bool
    sha256: str
    """Of the published file."""
    rebuilt: str
    """SHA-256 of ours."""
    differences: tuple[str, ...] = ()
    kept: str | None = None
    """Where ours lies, if they differ."""

    def __str__(self) -> str:
        if self.same:
            return f"same bytes: {self.name}, sha256 {self.sha256}"
        return "\n".join(
            [
                *self.differences,
                f"not the same: {self.name}",
                f"  published  sha256 {self.sha256}",
                f"  rebuilt    sha256 {self.rebuilt}, {self.kept}",
            ]
        )


def reproduce(at: Checkout, published: Path) -> Answer:
    """Build a published wheel or source archive again.

    Args:
        at: The checkout to build from.
        published: The file, under the name that it was published under.

    Raises:
        Finding: The series does not apply, or an input is not the pinned one.
        Unusable: The file is none of the fork, or of another series than this
            checkout's; the error names the commit that has it.
    """
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    _same_series(at, lock, patches, published)
    arch = build.arch_or_sdist(lock, published)
    if published.name != (name := build.name(lock, arch)):
        raise Unusable(
            "the file has another name than it was published under",
            where=str(published),
            expected=name,
            found=published.name,
            next="give it back its name",
        )
    out = at.build / "reproduce"
    if published.resolve().parent == out.resolve():
        raise Unusable(
            "this is where the rebuilt file goes",
            where=str(published),
            next="move the published file elsewhere",
        )
    shutil.rmtree(out, ignore_errors=True)
    ours = build.build(lock, patches, arch, out)
    theirs_sum, ours_sum = digest(published), digest(ours)
    same = theirs_sum == ours_sum
    found: tuple[str, ...] = ()
    if same:
        shutil.rmtree(out)
    else:
        note("they differ; looking where")
        found = tuple(differ.explain(lock, patches, published, ours, arch))
    kept = None if same else str(ours)
    answer = Answer(published.name, same, theirs_sum, ours_sum, found, kept)
    data = {k: v for k, v in vars(answer).items() if k != "kept"}
    reports.write(at, "reproduce", data | {"differences": list(found)})
    return answer


def _version(published: Path) -> str:
    try:
        if published.suffix == ".whl":
            return str(parse_wheel_filename(published.name)[1])
        return str(parse_sdist_filename(published.name)[1])
    except (InvalidWheelFilename, InvalidSdistFilename) as e:
        raise Unusable(
            "no name of a wheel or a source archive",
            where=str(published),
            expected="vllm-X.Y.Z+sm12x.N-....whl or vllm-X.Y.Z+sm12x.N.tar.gz",
            found=str(e),
            next="give the file the name that it was published under, WHEEL=...",
        ) from e


def _same_series(
    at: Checkout, lock: Lock, patches: Sequence[Patch], published: Path
) -> None:
    """Refuse a file that another commit made, and name that commit."""
    version = _version(published)
    named = named_in(published)
    ours = Named(tuple((p.name, p.sha256) for p in patches))
    if version == lock.local_version and named in (None, ours):
        return  # one without its notice is rebuilt, and differs
    where = commit_with(Repository(at.root), version, named)
    expected, found = f"the {len(patches)} patches of this checkout", []
    if version != lock.local_version:
        expected, found = f"version {lock.local_version}", [f"version {version}"]
    if named is not None and named != ours:
        found += named.against(ours)
    there = tag_of(version) if ".dev" not in version else ""
    raise Unusable(
        "this checkout does not make that file",
        where=str(published),
        expected=expected,
        found="\n".join(found),
        next=f"git checkout {where}, then make reproduce WHEEL=... again"
        if where
        else "no commit of this clone has its series; "
        + (
            f"git fetch --tags, then git checkout {there}"
            if there
            else "it is no release: ask who built it for the commit"
        ),
    )
