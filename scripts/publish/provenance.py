# SPDX-License-Identifier: Apache-2.0
"""The provenance statement of a built file, as bytes.

An in-toto Statement v1 (https://in-toto.io/Statement/v1) with a SLSA provenance
v1 predicate (https://slsa.dev/provenance/v1). Same inputs, same bytes: no time
of day is in it, the date is the lock's. What the build types mean stands in
docs/provenance.md; `attestation` checks a statement and shares no code with
this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from scripts.files import digest, write
from scripts.lock import Artifact, Lock
from scripts.series.mailbox import Patch

SUFFIX = ".intoto.jsonl"
"""in-toto's bundle specification names it after the file: `NAME.intoto.jsonl`."""
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
OVERLAY = "urn:vllm-sm12x:build:overlay-wheel:1"
SDIST = "urn:vllm-sm12x:build:sdist:1"
LOCAL = "urn:vllm-sm12x:builder:local"
"""A builder that nobody vouches for: whoever ran the tools."""


@dataclass(frozen=True)
class Origin:
    """Where a build ran, and on what."""

    lock_sha256: str
    """Of `upstream.lock`."""
    commit: str | None = None
    """This repository's commit, full id; None where it is not known."""
    builder: str = LOCAL
    """URI of the builder, such as the address of a workflow."""


def path_of(built: Path) -> Path:
    """Where the statement of a built file lies."""
    return built.with_name(built.name + SUFFIX)


def statement(
    lock: Lock,
    patches: Sequence[Patch],
    subject: Artifact,
    origin: Origin,
    arch: str | None,
) -> dict[str, Any]:
    """What is said of one built file.

    Args:
        lock: The pin.
        patches: The whole series.
        subject: The built file.
        origin: Commit and builder.
        arch: Of an overlay wheel, as `uname -m` prints it; None for the sdist.

    Returns:
        The statement; keys and lists in one order always.
    """
    external: dict[str, Any] = {"version": lock.version, "release": lock.number}
    if arch is not None:
        external["arch"] = arch
    built_from = [lock.sdist] if arch is None else [lock.sdist, lock.wheel(arch)]
    needed: list[dict[str, Any]] = [
        {
            "name": artifact.filename,
            "uri": _purl(lock, artifact),
            "digest": {"sha256": artifact.sha256},
        }
        for artifact in built_from
    ]
    needed.append({"name": "upstream.lock", "digest": {"sha256": origin.lock_sha256}})
    needed += [
        {"name": f"patches/{patch.name}", "digest": {"sha256": patch.sha256}}
        for patch in patches
    ]
    if origin.commit is not None:
        needed.append({"name": "repository", "digest": {"gitCommit": origin.commit}})
    return {
        "_type": STATEMENT,
        "subject": [{"name": subject.filename, "digest": {"sha256": subject.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": SDIST if arch is None else OVERLAY,
                "externalParameters": external,
                "internalParameters": {
                    "SOURCE_DATE_EPOCH": lock.epoch,
                    "tree": lock.tree,
                    "patchedTree": lock.patched_tree,
                },
                "resolvedDependencies": needed,
            },
            "runDetails": {"builder": {"id": origin.builder}},
        },
    }


def _purl(lock: Lock, artifact: Artifact) -> str:
    name = {"file_name": artifact.filename}
    return PackageURL("pypi", None, "vllm", lock.version, name).to_string()


def line(value: dict[str, Any]) -> bytes:
    """A statement as one line of a bundle."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii") + b"\n"


def save(
    built: Path,
    lock: Lock,
    patches: Sequence[Patch],
    origin: Origin,
    arch: str | None,
) -> Path:
    """Write the unsigned statement beside a built file.

    Returns:
        The statement's path.

    Raises:
        Unusable: The folder cannot be written.
    """
    subject = Artifact(built.name, built.stat().st_size, digest(built))
    path = path_of(built)
    write(path, line(statement(lock, patches, subject, origin, arch)))
    return path


def save_predicate(bundle: Path, path: Path) -> None:
    """Write the predicate of a bundle's first statement, as signing tools take it.

    Raises:
        Unusable: The folder cannot be written.
    """
    first = bundle.read_bytes().split(b"\n")[0]
    text = json.dumps(json.loads(first)["predicate"], indent=1) + "\n"
    write(path, text.encode("ascii"))
