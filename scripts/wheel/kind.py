# SPDX-License-Identifier: Apache-2.0
"""What kind of wheel this is, before anything is said of its files.

It is for words alone: whatever the kind, a wheel is right only if nothing differs.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from scripts.base.errors import Finding
from scripts.base.files import digest
from scripts.upstream.lock import Artifact, Lock
from scripts.wheel.metadata import SBOM
from scripts.wheel.report import Difference, What
from scripts.wheel.zip.reader import Archive, Member
from scripts.wheel.zip.scan import Scan, scan

_INFO = re.compile(r"vllm-([^/]+)\.dist-info/")


class Kind(Enum):
    """Of what the wheel was made; the value is what is printed."""

    OURS = "this series' wheel"
    """Its name, version and bill are those of the lock."""
    UPSTREAM = "upstream's own wheel, no series is in it"
    """Version and name are upstream's."""
    OTHER_RELEASE = "a vLLM of another version"
    """Neither upstream's version nor the one that the lock gives."""
    OTHER_SERIES = "a wheel of another series"
    """Its bill names another patched tree."""
    REPACKED = "this series' files, packed by another tool"
    """Every member has the right content; the archive around them differs."""
    DAMAGED = "a damaged wheel"
    """A member does not unpack, or its own RECORD tells something else."""
    EDITED = "this series' wheel, edited after it was built"
    """Content differs, and RECORD was made to agree."""
    FOREIGN = "no vLLM wheel"
    """It has no dist-info of vLLM."""
    UNJUDGED = "not to be judged: the series that is here is not the lock's"
    """Whatever differs may be the checkout's own fault."""


NEXT: Mapping[Kind, str] = {
    Kind.OURS: "do not install it; make wheel builds it again",
    Kind.UPSTREAM: "make wheel; or install it, then make patch-installed PYTHON=...",
    Kind.OTHER_RELEASE: "verify it in a checkout that pins that version",
    Kind.OTHER_SERIES: "verify it in a checkout whose upstream.lock has that tree",
    Kind.REPACKED: "make wheel, and use that file as it is",
    Kind.DAMAGED: "do not install it; fetch it again, or make wheel",
    Kind.EDITED: "do not install it; make wheel builds it again",
    Kind.FOREIGN: "make verify-wheel WHEEL=dist/vllm-...whl",
    Kind.UNJUDGED: "make check",
}
"""By kind, what a person does next with a wheel that differs."""


def kind_of(
    lock: Lock,
    base: Artifact,
    ours: Archive,
    theirs: Archive,
    scans: Mapping[str, Scan],
    differences: Sequence[Difference],
    changed: Iterable[tuple[Member, Member]],
) -> tuple[Kind, str]:
    """The kind, and what more is to be said of it.

    Args:
        lock: The pin.
        base: Upstream's wheel of the same platform.
        ours: The wheel in question.
        theirs: Upstream's.
        scans: Every member of the first.
        differences: What was found.
        changed: Members of both whose packed bytes differ.
    """
    versions = {m[1] for n in scans if (m := _INFO.match(n))}
    found = [d for d in differences if d.what is not What.NAME]
    damaged = [name for name, each in scans.items() if each.damage]
    same = _same(theirs, scans, list(changed))
    content = [
        d
        for d in found
        if d.what is not What.FORM
        and not (d.what in (What.COMPILED, What.UPSTREAM) and d.member in same)
    ]
    if damaged:
        return Kind.DAMAGED, f"{damaged[0]} does not unpack"
    if any(d.what is What.TREE for d in found):
        return Kind.UNJUDGED, ""
    if not versions:
        return Kind.FOREIGN, ""
    if versions == {lock.version}:
        whole = digest(ours.path) == base.sha256
        return Kind.UPSTREAM, "to the byte" if whole else "and not as it was published"
    if versions != {lock.local_version}:
        return Kind.OTHER_RELEASE, " and ".join(sorted(versions))
    if (tree := _tree(ours, scans)) not in ("", lock.patched_tree):
        return Kind.OTHER_SERIES, f"patched tree {tree}"
    if any(d.what is What.RECORD for d in found):
        return Kind.DAMAGED, "its own RECORD tells something else"
    if not found:
        return Kind.OURS, ""
    return (Kind.EDITED if content else Kind.REPACKED), ""


def _same(
    theirs: Archive, scans: Mapping[str, Scan], changed: Sequence[tuple[Member, Member]]
) -> set[str]:
    """Members that are packed otherwise than upstream's and have its content."""
    upstream = scan(replace(theirs, members=tuple(n for _, n in changed)))
    return {
        m.name for m, n in changed if scans[m.name].digest == upstream[n.name].digest
    }


def _tree(ours: Archive, scans: Mapping[str, Scan]) -> str:
    """The patched tree that the wheel's bill names; nothing if it is none of a fork."""
    bills = [
        n for n, s in scans.items() if n.endswith(f"/sboms/{SBOM}") and not s.damage
    ]
    try:
        with zipfile.ZipFile(ours.path) as archive:
            (bill,) = map(archive.read, bills)
        properties = json.loads(bill)["metadata"]["component"]["properties"]
        named = {p["name"]: p["value"] for p in properties}
        return str(named["vllm-sm12x:pin:patched-tree"])
    except (ValueError, KeyError, TypeError):
        return ""


def unread(wheel: Path, why: Finding) -> Finding:
    """The error of an archive that is not read: packed by another tool, or damaged?"""
    try:
        with zipfile.ZipFile(wheel) as archive:
            broken = archive.testzip()
    except (
        *(OSError, ValueError, RuntimeError, EOFError),
        *(zlib.error, zipfile.BadZipFile),
    ) as e:
        kind, more = Kind.DAMAGED, str(e)
    else:
        kind = Kind.DAMAGED if broken else Kind.REPACKED
        more = f"{broken} does not unpack" if broken else "every member unpacks"
    said = kind.value if kind is Kind.DAMAGED else "a wheel packed by another tool"
    with wheel.open("rb") as f:
        if f.read(2) != b"PK":
            return replace(
                why,
                what="no wheel: this is no zip archive",
                expected="a file that begins with PK",
                next=NEXT[Kind.FOREIGN],
            )
    return Finding(
        f"{said}: {why.what}",
        where=why.where,
        expected=why.expected,
        found=f"{why.found}; {more}",
        next=NEXT[kind],
    )
