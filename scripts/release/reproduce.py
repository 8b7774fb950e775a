# SPDX-License-Identifier: Apache-2.0
"""`make reproduce`: a published file, built again and compared byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts import reports
from scripts.base.console import note
from scripts.base.errors import ForkError, Unusable
from scripts.base.files import digest
from scripts.checkout import Checkout
from scripts.release import build
from scripts.release.named import Named, commit_with, named_in
from scripts.release.repository import Repository
from scripts.series import folder
from scripts.series.check.problem import printable
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile
from scripts.upstream.lock import Lock
from scripts.upstream.release_facts import tag_of, version_of
from scripts.upstream.sdist import members

_SHOWN = 40


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
    if theirs_sum == ours_sum:
        shutil.rmtree(out)
        answer = Answer(published.name, True, theirs_sum, ours_sum)
    else:
        note("they differ; looking where")
        found = tuple(_differences(lock, patches, published, ours, arch))
        answer = Answer(published.name, False, theirs_sum, ours_sum, found, str(ours))
    data = {k: v for k, v in vars(answer).items() if k != "kept"}
    reports.write(at, "reproduce", data | {"differences": list(answer.differences)})
    return answer


def _differences(
    lock: Lock, patches: Sequence[Patch], published: Path, ours: Path, arch: str | None
) -> Iterator[str]:
    """Where it differs: of a wheel verify-wheel says it, an sdist has only files."""
    try:
        if arch is not None:
            report = build.verified(lock, patches, published, arch)
            yield from str(report).splitlines()
            yield "make verify-wheel WHEEL=... writes every difference down"
        elif build.sdist_is_whole(lock, patches, published):
            yield "the tar inside is the same, bytes and order: only the gzip differs"
        else:
            yield from _files(published, ours)
    except ForkError as e:
        yield str(e)


def _files(published: Path, ours: Path) -> Iterator[str]:
    found, expected = (
        {m.path: f"mode {m.mode:o}, sha256 {sha256(m.data).hexdigest()}" for m in each}
        for each in map(members, (published, ours))
    )
    names = sorted({name for name, _ in found.items() ^ expected.items()})
    for name in names[:_SHOWN]:
        is_, should = (x.get(name, "no such file") for x in (found, expected))
        yield f"content: {printable(name)}: expected {should}, found {is_}"
    if names:
        yield f"files that differ: {len(names)}"
    else:
        yield "the files inside are the same; order, owner or dates differ"


def _version(published: Path) -> str:
    if version := version_of(published.name):
        return str(version)
    raise Unusable(
        "no name of a wheel or a source archive",
        where=str(published),
        expected="vllm-X.Y.Z+sm12x.N-....whl or vllm-X.Y.Z+sm12x.N.tar.gz",
        found=published.name,
        next="give the file the name that it was published under, WHEEL=...",
    )


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
