# SPDX-License-Identifier: Apache-2.0
"""Releases of upstream: their archives, and which there are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from packaging.version import Version

from scripts.base import decode
from scripts.base.errors import Finding, ForkError, Unusable
from scripts.base.files import digest, write
from scripts.upstream import cache, fetch, index
from scripts.upstream.lock import Artifact, Lock
from scripts.upstream.pin import announced
from scripts.upstream.release_facts import PROJECT, kind_of, version_of

_ANY = Version("0"), Version("99999")
"""After the first and before the last release."""


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
    with suppress(ForkError):
        return decode.read(row, Artifact, "no archive is noted")
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
        version = version_of(name)
        if version and after < version < before and not version.is_prerelease:
            found |= {version} if kind_of(name, version) == "sdist" else set()
    return sorted(found)
