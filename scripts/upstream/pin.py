# SPDX-License-Identifier: Apache-2.0
"""Pin a release: bring its files, and write down what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_version
from packaging.version import Version

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, write
from scripts.upstream import fetch, index, lock, release_facts
from scripts.upstream.lock import Artifact, Lock
from scripts.upstream.release_facts import (
    ARCHES,
    KINDS,
    PROJECT,
    REQUIREMENTS,
    Release,
    as_version,
    choose,
    tag_of,
)

_ARTIFACT = """\
filename = ""
size = 0  # bytes
sha256 = ""
"""
TEMPLATE = f"""\
# What this checkout stands on. Tools write it: `make pin`, `make export`,
# `make apply SOURCE=git`. Comments survive them; values are theirs.
schema = {lock.SCHEMA}

[vllm]
# Version of the release, as the package index names it.
version = ""
# Upstream's tag for it.
tag = ""
# Upstream's commit, as the release itself carries it: the start of the full id.
commit = ""
# Date of everything that is built, in seconds since 1970: the sdist's newest file.
epoch = 0

# The released source archive, which the series starts from.
[vllm.sdist]
{_ARTIFACT}\
# git's id of the tree that it unpacks to.
tree = ""

# The released wheels, which the series is laid over.
[vllm.wheels.x86_64]
{_ARTIFACT}
[vllm.wheels.aarch64]
{_ARTIFACT}
# What upstream's {REQUIREMENTS} pins.
[companions]

# [series.companions] has what the series requires in its place, with patch and reason.
[series]
# N of the fork's version X.Y.Z+sm12x.N; starts at 1 with each upstream release.
# `make release` adds released-tree, the patched-tree of N; any other is a .dev.
release = 1
# git's id of the sdist's tree after the whole series.
patched-tree = ""
"""


def pin(version: str, lock_path: Path = lock.PATH) -> Lock:
    """Write the lock for a release, after checking every file of it.

    The files come from $UPSTREAM_DIR if all of them are there, else from the
    package index, whose digests they must have. Another version than the
    lock's starts a new series: N is 1, and what git recorded is dropped.

    Args:
        version: The release, such as `0.33.0`.
        lock_path: The lock; it is made if it is not there.

    Returns:
        The lock as written.

    Raises:
        Finding: The release is not what it says it is, or lacks a file.
        Unusable: It cannot be had, or the lock cannot be read or written.
    """
    wanted = _version(version)
    text, before = TEMPLATE, None
    if lock_path.exists():
        before = lock.load(lock_path)
        text = lock_path.read_text(encoding="utf-8")

    folder = fetch.upstream_folder()
    artifacts = _from_folder(folder, wanted) if folder is not None else None
    if artifacts is None:
        if fetch.is_offline():
            raise Unusable(
                f"cannot pin vLLM {wanted}: the network may not be used",
                where=f"UPSTREAM_DIR={folder or ' (not set)'}",
                next="set UPSTREAM_DIR to a folder with its sdist and wheels, "
                "or unset SM12X_OFFLINE and PIP_NO_INDEX",
            )
        artifacts = _from_index(wanted)
    paths = {kind: fetch.obtain(a) for kind, a in artifacts.items()}
    found = release_facts.read(paths["sdist"])
    # `0.33` is the release 0.33.0, which its own files call it by.
    if canonicalize_version(found.version) != canonicalize_version(wanted):
        raise Finding(
            "the sdist is of another version than its name says",
            where=str(paths["sdist"]),
            expected=str(wanted),
            found=found.version,
            next="compare the file with the release; do not pin this one",
        )
    values = _values(artifacts, found)
    if before is None or before.version != found.version:
        values["vllm.git"] = None
        values["series.release"] = 1
        values["series.released-tree"] = None
        values["series.patched-tree"] = values["vllm.sdist.tree"]
        values["series.companions"] = None
    after = lock.edit(text, values)
    parsed = lock.parse(after)
    write(lock_path, after.encode("utf-8"))
    return parsed


def _version(text: str) -> Version:
    found = as_version(text)
    if found is None:
        raise Unusable(
            "this is no version",
            expected="one like 0.33.0",
            found=text,
            next="make pin VERSION=X.Y.Z",
        )
    return found


def _from_folder(folder: Path, version: Version) -> dict[str, Artifact] | None:
    names = (p.name for p in folder.iterdir())
    chosen = choose(names, version, str(folder))
    if set(chosen) != set(KINDS):
        note(f"UPSTREAM_DIR lacks files of vLLM {version}; asking the index")
        return None
    note("digests are those of the files in UPSTREAM_DIR; no index was asked")
    return {
        kind: Artifact(name, (folder / name).stat().st_size, digest(folder / name))
        for kind, name in chosen.items()
    }


def _from_index(version: Version) -> dict[str, Artifact]:
    source = index.open_index()
    where = index.masked(source.url)
    offers = {o.filename: o for o in source.offers(PROJECT)}
    chosen = choose(offers, version, where)
    if missing := set(KINDS) - set(chosen):
        raise Finding(
            f"vLLM {version} has no {' and no '.join(sorted(missing))} there",
            where=where,
            expected="one .tar.gz and one manylinux wheel for each of "
            + ", ".join(ARCHES),
            found="\n".join(sorted(chosen.values())) or "no file of that version",
            next="pin a version that has them",
        )
    return {k: announced(source, offers[name]) for k, name in chosen.items()}


def announced(source: index.Index, offer: index.Offer) -> Artifact:
    if offer.yanked:
        note(f"{offer.filename} was yanked: upstream advises against it")
    size = offer.size or source.length(offer)
    if offer.sha256 is None or size is None:
        raise Unusable(
            f"the index announces no sha256 or no length of {offer.filename}",
            where=index.masked(offer.url),
            next="set UPSTREAM_INDEX_URL to an index that does, "
            "or UPSTREAM_DIR to a folder with files that you checked",
        )
    return Artifact(offer.filename, size, offer.sha256)


def _values(artifacts: dict[str, Artifact], found: Release) -> dict[str, Any]:
    values: dict[str, Any] = {
        "schema": lock.SCHEMA,
        "vllm.version": found.version,
        "vllm.tag": tag_of(found.version),
        "vllm.commit": found.commit,
        "vllm.epoch": found.epoch,
        "vllm.sdist.tree": found.tree,
    }
    for kind, artifact in artifacts.items():
        table = "vllm.sdist" if kind == "sdist" else f"vllm.wheels.{kind}"
        values[f"{table}.filename"] = artifact.filename
        values[f"{table}.size"] = artifact.size
        values[f"{table}.sha256"] = artifact.sha256
    return values | {f"companions.{k}": v for k, v in found.companions.items()}
