# SPDX-License-Identifier: Apache-2.0
"""The tree to carry the series to: a release of the index, or a git ref."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from scripts import cache, fetch, index
from scripts.errors import Finding, Unusable
from scripts.files import digest, write
from scripts.git import Git
from scripts.lock import Artifact, Lock
from scripts.pin import announced
from scripts.port import shelf
from scripts.port.languages import Kind, kind
from scripts.release import PROJECT, REQUIREMENTS, kind_of
from scripts.series.check.source import Source, Want
from scripts.series.replay import Entry

_ANY = Version("0"), Version("99999")
"""After the first and before the last release."""


@dataclass(frozen=True)
class Target:
    """What the series is to stand on."""

    name: str
    """Without blanks; it names a branch."""
    version: Version | None
    """None for a git ref, which has no archive to pin."""
    artifact: Artifact | None = None
    git: Path | None = None
    commit: str | None = None


def find(lock: Lock, to: str, clone: Path | None = None) -> Target:
    """What `TO` stands for: a version of the index, else a ref of a clone.

    Raises:
        Finding: The index has no such release.
        Unusable: Neither; or the index cannot be asked.
    """
    version = as_version(to)
    if version is not None:
        commit = Git(clone).resolve(f"v{version}^{{commit}}") if clone else None
        name = f"vllm-{version}"
        return Target(name, version, sdist(lock, version), clone, commit)
    if clone is None:
        raise Unusable(
            "this is no release, and no git repository is named to look for a ref",
            found=to,
            expected="a version such as 0.32.0, or GIT=<clone> beside a ref",
            next="make port TO=0.32.0, or make port TO=main GIT=../vllm",
        )
    git = Git(clone)
    commit = git.resolve(f"{to}^{{commit}}") if clone.is_dir() else None
    if commit is None:
        raise Unusable(
            "there is no such commit",
            where=str(clone),
            found=to,
            next="git fetch there, or name another ref",
        )
    name = re.sub(r"[^\w.-]+", "-", to).strip("-.") or commit[:12]
    return Target(name, None, git=clone, commit=commit)


def as_version(text: str) -> Version | None:
    """The version that a text is, if it is one.

    >>> str(as_version("v0.32.0")), as_version("main")
    ('0.32.0', None)
    """
    try:
        return Version(text.removeprefix("v"))
    except InvalidVersion:
        return None


def sdist(lock: Lock, version: Version) -> Artifact:
    """The source archive of a release: from the lock, what is known, the index.

    Raises:
        Finding: The index has none of that version.
        Unusable: The index cannot be asked.
    """
    if str(version) == lock.version:
        return lock.sdist
    folder = fetch.upstream_folder()
    if folder is not None:
        for path in sorted(folder.iterdir()):
            if kind_of(path.name, version) == "sdist":
                return Artifact(path.name, path.stat().st_size, digest(path))
    row = cache.cache_dir() / "releases" / f"{version}.json"
    if noted := _noted(row):
        return noted
    if fetch.is_offline():
        raise Unusable(
            f"vLLM {version} is not known here, and the network may not be used",
            next=f"{nearest(known(*_ANY), version, 'at hand')}; else unset "
            "SM12X_OFFLINE and PIP_NO_INDEX, or set UPSTREAM_DIR to a folder that "
            "has its sdist",
        )
    source = index.open_index()
    offers = [o for o in source.offers(PROJECT) if kind_of(o.filename, version)]
    archives = [o for o in offers if kind_of(o.filename, version) == "sdist"]
    if len(archives) != 1:
        raise Finding(
            f"the index has no one source archive of vLLM {version}",
            where=index.masked(source.url),
            found="\n".join(o.filename for o in offers) or "no file of that version",
            next=nearest(
                _final((o.filename for o in source.offers(PROJECT)), *_ANY),
                *(version, "there"),
            ),
        )
    found = announced(source, archives[0])
    write(row, json.dumps(asdict(found)).encode("utf-8"))
    return found


def nearest(every: Sequence[Version], version: Version, where: str) -> str:
    """The command for the releases beside one that is not there.

    >>> nearest([Version("0.31.0"), Version("0.33.0")], Version("0.32.9"), "there")
    'make port TO=0.31.0 or TO=0.33.0, the nearest that are there'
    >>> nearest([Version("0.31.0")], Version("0.40"), "at hand")
    'make port TO=0.31.0, the nearest that is at hand'
    >>> nearest([], Version("0.40"), "at hand")
    'name another release, none is at hand'
    """
    below = [v for v in every if v < version][-1:]
    beside = [*below, *[v for v in every if v > version][:1]]
    if not beside:
        return f"name another release, none is {where}"
    are = "are" if len(beside) > 1 else "is"
    asked = " or ".join(f"TO={v}" for v in beside)
    return f"make port {asked}, the nearest that {are} {where}"


def _noted(row: Path) -> Artifact | None:
    """The archive that an earlier look-up wrote down."""
    try:
        return Artifact(**json.loads(row.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def releases(after: Version, before: Version) -> list[Version]:
    """Final releases between two, the older first; needs the index.

    Raises:
        Unusable: The index cannot be asked.
    """
    offers = index.open_index().offers(PROJECT)
    return _final((o.filename for o in offers), after, before)


def known(after: Version, before: Version) -> list[Version]:
    """Final releases between two whose archive is at hand, the older first."""
    folder = fetch.upstream_folder()
    names = [p.name for p in folder.iterdir()] if folder else []
    for row in (cache.cache_dir() / "releases").glob("*.json"):
        noted = _noted(row)
        if noted and cache.object_path(noted).is_file():
            names.append(noted.filename)
    return _final(names, after, before)


def _final(names: Iterable[str], after: Version, before: Version) -> list[Version]:
    found = set()
    for name in names:
        match = re.fullmatch(rf"{PROJECT}-(.+)\.tar\.gz", name)
        version = as_version(match[1]) if match else None
        if version and after < version < before and not version.is_prerelease:
            found.add(version)
    return sorted(found)


def tree(target: Target, want: Want) -> Source:
    """Every id of the target, and the bytes of the paths that are wanted.

    Raises:
        Finding: The archive is damaged, or git failed.
        Unusable: It cannot be fetched.
    """
    if target.artifact is not None:
        return shelf.read(target.artifact, want)
    assert target.git and target.commit
    return git_tree(Git(target.git), target.commit, want)


def git_tree(
    git: Git, commit: str, want: Want, known: dict[str, bytes] | None = None
) -> Source:
    """As `tree`, of a commit.

    Args:
        git: The repository.
        commit: Which one.
        want: Whether a path's bytes are wanted.
        known: Blobs by id that need not be read; those that are read go there.
    """
    kept = {} if known is None else known
    ids: dict[str, tuple[int, str]] = {}
    files: dict[str, Entry] = {}
    listing = git.run("ls-tree", "-r", "-z", "--full-tree", commit).stdout
    with git.blobs() as blobs:
        for row in listing.split(b"\0")[:-1]:
            meta, _, raw = row.partition(b"\t")
            mode, sort, blob = meta.split()
            path = raw.decode("utf-8", "surrogateescape")
            if sort != b"blob":
                continue
            ids[path] = (int(mode, 8), blob.decode())
            if not want(path):
                continue
            name = blob.decode()
            data = kept[name] if name in kept else blobs.read(name)
            if data is not None:
                kept[name] = data
                files[path] = Entry(int(mode, 8), data)
    return Source(ids, files)


def python_or(touched: set[str]) -> Want:
    """What to keep of the pinned tree: what the series touches, all Python, and
    what it pins."""

    def want(path: str) -> bool:
        return path in touched or _is_looked_up(path)

    return want


def _is_looked_up(path: str) -> bool:
    python = path.endswith(".py") and path.startswith(("vllm/", "tests/"))
    return python or path == REQUIREMENTS


def wanted(touched: set[str], base: Mapping[str, tuple[int, str]]) -> Want:
    """What to keep of a new tree: as of the pinned one, and new source files.

    A file that upstream moved, or split off, is among the latter.
    """

    def want(path: str) -> bool:
        return (
            path in touched
            or _is_looked_up(path)
            or (path not in base and kind(path) is not Kind.TEXT)
        )

    return want
