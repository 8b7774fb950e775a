# SPDX-License-Identifier: Apache-2.0
"""`make release`: everything that is published, from a clean commit."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from scripts import reports
from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import one_run, write
from scripts.checkout import Checkout
from scripts.release import build, changelog, index
from scripts.release.changes import Changes, between
from scripts.release.files import SUMS, File, Kind, Maker, sums
from scripts.release.obstacles import obstacles
from scripts.release.repository import Repository
from scripts.series import folder
from scripts.series.mailbox import Patch
from scripts.upstream import lock as lockfile
from scripts.upstream.lock import Lock
from scripts.upstream.release_facts import tag_of


@dataclass(frozen=True)
class Wanted:
    """What a release is asked for."""

    dry_run: bool = False
    tag: bool = False
    files_url: str = ""
    """Where the files will lie, for the index."""
    out: Path = Path("dist")


def release(at: Checkout, wanted: Wanted) -> Iterator[str]:
    """Make a release, or say what one would be.

    Yields:
        Lines of result.

    Raises:
        Finding: Something stands in the way, all of it named; or the change
            log was written just now and waits to be committed.
        Unusable: This is no git checkout, or files cannot be had or written.
    """
    lock = lockfile.load(at.lock)
    patches = folder.load(at.patches)
    reasons = list(obstacles(at, lock))
    log = _log(at, lock, patches)
    recorded = lock.is_release
    # What is built from here on is the release, once that is recorded.
    lock = replace(lock, released_tree=lock.patched_tree)
    if wanted.dry_run:
        yield from _plan(lock, wanted, log)
    if reasons:
        raise Finding(
            f"{lock.release_version} cannot be released",
            where=str(at.root),
            found="\n".join(reasons),
            next="fix that, then make release",
        )
    if wanted.dry_run:
        return
    if log is not None or not recorded:
        _record(at, lock, log)
    with one_run(at.build / ".release.lock", "make release"):
        files = yield from _files(lock, patches, wanted)
    yield from _tag(at, lock, wanted)
    _report(at, lock, files)


def _record(at: Checkout, lock: Lock, log: str | None) -> NoReturn:
    """Write down what the release is, for a person to read and commit."""
    wrote = [f"{at.lock.name}: the tree of {lock.release_version}"]
    if log is not None:
        write(at.root / changelog.NAME, log.encode("utf-8"))
        wrote.append(f"{changelog.NAME}: a section for {lock.release_version}")
    lockfile.update(at.lock, {"series.released-tree": lock.released_tree})
    names = " ".join(sorted(row.partition(":")[0] for row in wrote))
    raise Finding(
        "the release has to be in the change log and the lock before it is built",
        where=names,
        found="written just now: " + "\n".join(wrote),
        next=f"read it, git commit -m 'release: {lock.release_version}' "
        f"{names}, then make release again",
    )


def _log(at: Checkout, lock: Lock, patches: Sequence[Patch]) -> str | None:
    """The change log with this release in it; None if it has it already."""
    text = changelog.read(at.root)
    if lock.release_version in changelog.released(text):
        return None
    last, changes = _since(at, lock, patches)
    facts = changelog.facts(lock.version, last, changes)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return changelog.release(text, lock.release_version, today, facts)


def _since(
    at: Checkout, lock: Lock, patches: Sequence[Patch]
) -> tuple[tuple[str, str] | None, Changes]:
    """The last release below HEAD with its pin, and what changed since."""
    here = Repository(at.root)
    below = [v for v in here.releases("HEAD") if v != lock.release_version]
    if not below:
        return None, between([], patches)
    tag = tag_of(below[-1])
    return (below[-1], below[-1].partition("+")[0]), between(here.series(tag), patches)


def _plan(lock: Lock, wanted: Wanted, log: str | None) -> Iterator[str]:
    yield f"would release {lock.release_version} as {tag_of(lock.release_version)}"
    if log is None:
        yield f"{changelog.NAME} has its section"
    else:
        body = changelog.section(log, lock.release_version) or ""
        yield f"{changelog.NAME} would get, to be committed first:"
        yield from (f"  {row}" for row in body.splitlines())
    for arch in _arches(lock):
        name = build.name(lock, arch)
        there = (
            "is there, and would be verified" if (wanted.out / name).is_file() else ""
        )
        yield f"{wanted.out / name}: {there or 'would be built'}"
        if arch:
            yield "  and beside it: .cdx.json, .metadata"
    yield f"{wanted.out / SUMS}, {wanted.out / index.FOLDER}/: would be written"
    tag = "would be made here" if wanted.tag else "would not be made without TAG=1"
    yield f"the tag {tag}; nothing is pushed"


def _arches(lock: Lock) -> list[str | None]:
    return [*sorted(lock.wheels), None]


def _files(
    lock: Lock, patches: Sequence[Patch], wanted: Wanted
) -> Generator[str, None, list[File]]:
    maker = Maker(lock, patches, wanted.out)
    files: list[File] = []
    for arch in _arches(lock):
        note(f"{build.name(lock, arch)} ...")
        for file in maker.files(arch):
            files.append(file)
            yield _row(file)
    files.append(sums(files, wanted.out))
    yield _row(files[-1])
    _index(files, wanted)
    where = wanted.files_url or f"{wanted.out.absolute().as_uri()}/"
    yield f"index: {wanted.out / index.FOLDER}/, for files at {where}"
    return files


def _row(file: File) -> str:
    return f"{file.made.value:<6}{file.sha256}  {file.size:>12,}  {file.name}"


def _index(files: Sequence[File], wanted: Wanted) -> None:
    metadata = {f.arch: f for f in files if f.kind is Kind.METADATA}
    needs = [index.requires_python(f.path.read_bytes()) for f in metadata.values()]
    entries = [
        index.Entry(
            f.name,
            f.sha256,
            needs[0] if needs else None,
            metadata[f.arch].sha256 if f.kind is Kind.WHEEL else None,
        )
        for f in files
        if f.kind in (Kind.WHEEL, Kind.SDIST)
    ]
    at = wanted.out / index.FOLDER
    page = index.project_page(entries, wanted.files_url)
    write(at / index.PROJECT / "index.html", page.encode("utf-8"))
    write(at / "index.html", index.root_page().encode("utf-8"))


def _tag(at: Checkout, lock: Lock, wanted: Wanted) -> Iterator[str]:
    here, version = Repository(at.root), lock.release_version
    if here.tag(version):
        yield f"tag: {tag_of(version)} is on this commit"
    elif not wanted.tag:
        yield f"tag: none; make release TAG=1 makes {tag_of(version)} in this clone"
    else:
        body = changelog.section(changelog.read(at.root), version) or ""
        here.make_tag(version, f"vLLM for SM12x {version}\n\n{body}\n")
        yield f"tag: {tag_of(version)} made here; git push origin {tag_of(version)}"


def _report(at: Checkout, lock: Lock, files: Sequence[File]) -> None:
    here = Repository(at.root)
    data: dict[str, Any] = {
        "version": lock.release_version,
        "pin": lock.version,
        "commit": here.head(),
        "tag": tag_of(lock.release_version),
        "tagged": here.tag(lock.release_version) is not None,
        "files": [
            {
                "name": f.name,
                "kind": f.kind.value,
                "arch": f.arch,
                "size": f.size,
                "sha256": f.sha256,
            }
            for f in files
        ],
    }
    reports.write(at, "release", data)
