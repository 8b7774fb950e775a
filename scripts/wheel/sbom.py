# SPDX-License-Identifier: Apache-2.0
"""The CycloneDX bill of materials in `.dist-info/sboms/` (PEP 770).

Same inputs, same bytes: the date is the lock's, the serial number a UUID of the
content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import (
    Component,
    ComponentScope,
    ComponentType,
    Diff,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.component import Patch as BomPatch
from cyclonedx.model.issue import IssueClassification, IssueType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scripts.series.mailbox import Patch
from scripts.series.trailers import trailers
from scripts.upstream.lock import Artifact, Lock

PREFIX = "vllm-sm12x"
"""Namespace of the properties."""
_UPSTREAM = "vllm-project/vllm"


def classify(origin: str) -> PatchClassification:
    """How CycloneDX calls a patch of this origin.

    A commit of upstream is a backport, a pull request a cherry-pick; what was
    rewritten, or never was upstream's, is unofficial.

    >>> classify("vllm-project/vllm@0123456").value
    'backport'
    >>> classify("vllm-project/vllm#40082, rewritten").value
    'unofficial'
    """
    if origin.endswith(", rewritten"):
        return PatchClassification.UNOFFICIAL
    if origin.startswith(f"{_UPSTREAM}@"):
        return PatchClassification.BACKPORT
    if origin.startswith(f"{_UPSTREAM}#"):
        return PatchClassification.CHERRY_PICK
    return PatchClassification.UNOFFICIAL


def _reference(text: str) -> IssueType | None:
    match = re.match(r"([\w.-]+/[\w.-]+)(#(\d+)|@([0-9a-f]+))", text)
    if not match:
        return None
    kind, value = ("pull", match[3]) if match[3] else ("commit", match[4])
    return IssueType(
        type=IssueClassification.ENHANCEMENT,
        id=match[0],
        references=[XsUri(f"https://github.com/{match[1]}/{kind}/{value}")],
    )


def _patch(patch: Patch) -> BomPatch:
    case = trailers(patch.body)
    origin = case.get("Origin", ["fork"])[0]
    refs = [origin, *case.get("Upstream-PR", [])]
    found = {i.id: i for text in refs if (i := _reference(text)) is not None}
    return BomPatch(
        type=classify(origin),
        diff=Diff(url=XsUri(f"patches/{patch.name}#sha256={patch.sha256}")),
        resolves=found.values(),
    )


def _properties(lock: Lock, patches: Sequence[Patch]) -> Iterator[Property]:
    pin = {
        "version": lock.version,
        "tag": lock.tag,
        "commit": lock.commit,
        "tree": lock.tree,
        "patched-tree": lock.patched_tree,
        "sdist-sha256": lock.sdist.sha256,
    }
    for key, value in pin.items():
        yield Property(name=f"{PREFIX}:pin:{key}", value=value)
    for patch in patches:
        name = f"{PREFIX}:patch:{patch.name}"
        yield Property(name=f"{name}:sha256", value=patch.sha256)
        for key, values in trailers(patch.body).items():
            for value in values:
                yield Property(name=f"{name}:{key.lower()}", value=value)


def _bom(
    lock: Lock, patches: Sequence[Patch], base: Artifact, filename: str, serial: UUID
) -> Bom:
    purl = PackageURL("pypi", None, "vllm", lock.version, {"file_name": base.filename})
    sha = HashType(alg=HashAlgorithm.SHA_256, content=base.sha256)
    ancestor = Component(
        name="vllm",
        version=lock.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"upstream:{base.filename}",
        purl=purl,
        hashes=[sha],
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
    )
    # No purl: the index has no such release, and a scanner would look there.
    root = Component(
        name="vllm",
        version=lock.local_version,
        type=ComponentType.LIBRARY,
        bom_ref=filename,
        description=f"vLLM {lock.version} with a patch series for SM12x GPUs",
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
        pedigree=Pedigree(ancestors=[ancestor], patches=map(_patch, patches)),
        properties=_properties(lock, patches),
    )
    companions = [
        Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{name}@{version}",
            scope=ComponentScope.REQUIRED,
            purl=PackageURL("pypi", None, name, version),
        )
        for name, version in lock.companions.items()
    ]
    bom = Bom(
        serial_number=serial,
        components=companions,
        metadata=BomMetaData(
            component=root, timestamp=datetime.fromtimestamp(lock.epoch, UTC)
        ),
    )
    bom.register_dependency(root, companions)
    return bom


def render(
    lock: Lock, patches: Sequence[Patch], base: Artifact, filename: str
) -> bytes:
    """The bill's bytes, CycloneDX 1.6 in JSON.

    Args:
        lock: The pin.
        patches: The series.
        base: The upstream wheel.
        filename: Of the wheel that is built.
    """

    none = UUID(int=0)
    bom = _bom(lock, patches, base, filename, none)
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    serial = none.urn, uuid5(NAMESPACE_URL, text).urn
    return text.replace(*serial).encode("utf-8")
