# SPDX-License-Identifier: Apache-2.0
"""What a wheel says of itself, held against the lock and the series.

Written apart from the builder on purpose: nothing here calls what made the
files.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scripts.series.mailbox import Patch
from scripts.series.trailers import trailers
from scripts.upstream.lock import Artifact, Lock
from scripts.wheel.report import Difference, What


def line_changes(
    name: str, before: bytes, after: bytes, allowed: Sequence[str]
) -> Iterator[Difference]:
    """Lines that differ beyond `allowed`, given as in a unified diff, in order."""
    a, b = (x.decode("utf-8", "replace").split("\n") for x in (before, after))
    diff = list(difflib.unified_diff(a, b, n=0, lineterm=""))[2:]
    found = [line for line in diff if not line.startswith("@@")]
    if sorted(found) == sorted(allowed):
        return
    for line in sorted({*found, *allowed}):
        if found.count(line) != allowed.count(line):
            yield Difference(
                What.METADATA,
                name,
                f"{allowed.count(line)} time(s) {line!r}",
                f"{found.count(line)}",
            )


def check_version(
    lock: Lock, files: Mapping[str, tuple[bytes, bytes]], notice: str
) -> Iterator[Difference]:
    """_version.py and METADATA against upstream's, by name to (before, after)."""
    old, new = lock.version, lock.local_version
    numbers = ", ".join(old.split("."))
    local = new.partition("+")[2]
    allowed = {
        "vllm/_version.py": [
            f"-__version__ = version = '{old}'",
            f"+__version__ = version = '{new}'",
            f"-__version_tuple__ = version_tuple = ({numbers})",
            f"+__version_tuple__ = version_tuple = ({numbers}, '{local}')",
        ],
        "METADATA": [
            f"-Version: {old}",
            f"+Version: {new}",
            f"+License-File: {notice}",
        ],
    }
    for name, (before, after) in files.items():
        if name.endswith("METADATA"):
            allowed["METADATA"] += _required(lock, before)
        yield from line_changes(
            name, before, after, allowed[name.rpartition("dist-info/")[2]]
        )


def _required(lock: Lock, before: bytes) -> Iterator[str]:
    """Changed lines of the companions that the series requires."""
    for line in before.decode("utf-8", "replace").split("\n\n")[0].splitlines():
        for name, own in lock.own.items():
            old = f"=={lock.upstream_companions[name]}"
            if line.startswith(f"Requires-Dist: {name}") and line.endswith(old):
                yield f"-{line}"
                yield f"+{line.removesuffix(old)}=={own.version}"


def check_record(
    name: str,
    data: bytes,
    members: Iterable[str],
    digests: Mapping[str, bytes],
    sizes: Mapping[str, int],
) -> Iterator[Difference]:
    """RECORD against the members' real digests and sizes (bytes)."""
    try:
        text = data.decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as e:
        yield Difference(What.RECORD, name, "UTF-8 CSV", str(e))
        return
    seen: set[str] = set()
    for i, row in enumerate(rows, 1):
        at = f"{name}:{i}"
        if len(row) != 3 or row[0] in seen:
            yield Difference(What.RECORD, at, "name,hash,size, once", repr(row))
            continue
        seen.add(row[0])
        if row[0] == name:
            if row[1:] != ["", ""]:
                yield Difference(What.RECORD, at, "no hash of itself", repr(row))
        elif row[0] not in digests:
            yield Difference(What.RECORD, at, "a member", f"{row[0]}, which is none")
        else:
            want = (digests[row[0]], str(sizes[row[0]]))
            if (_digest(row[1]), row[2]) != want:
                yield Difference(
                    What.RECORD,
                    f"{at} ({row[0]})",
                    f"sha256 {want[0].hex()}, {want[1]} bytes",
                    f"{row[1]}, {row[2]} bytes",
                )
    for missing in sorted(set(members) - seen):
        yield Difference(What.RECORD, name, f"a line for {missing}", "none")


def _digest(text: str) -> bytes | None:
    kind, _, value = text.partition("=")
    if kind != "sha256" or "=" in value or len(value) != 43:
        return None
    try:
        return urlsafe_b64decode(f"{value}=")
    except (ValueError, Error):
        return None


def _named(items: Any) -> list[tuple[str, str]]:
    return [(p["name"], p["value"]) for p in items]


def check_sbom(
    name: str, data: bytes, lock: Lock, patches: Sequence[Patch], base: Artifact
) -> Iterator[Difference]:
    """The bill against the pin, the base wheel and every patch."""
    try:
        bom = json.loads(data)
        root = bom["metadata"]["component"]
        (parent,) = root["pedigree"]["ancestors"]
        properties = _named(root["properties"])
        facts = {
            "format": (bom["bomFormat"], bom["specVersion"]),
            "version": (root["name"], root["version"]),
            "base wheel": (
                parent["version"],
                [(h["alg"], h["content"]) for h in parent["hashes"]],
                parent["purl"],
            ),
            "patches": sorted(
                p["diff"]["url"] for p in root["pedigree"].get("patches", [])
            ),
            "pin": [(k, v) for k, v in properties if ":pin:" in k],
            "case of the patches": [(k, v) for k, v in properties if ":pin:" not in k],
            "companions": {c["name"]: c["version"] for c in bom["components"]},
        }
    except (ValueError, KeyError, TypeError) as e:
        yield Difference(What.SBOM, name, "a CycloneDX bill of this fork", repr(e))
        return
    pin = {
        "commit": lock.commit,
        "patched-tree": lock.patched_tree,
        "sdist-sha256": lock.sdist.sha256,
        "tag": lock.tag,
        "tree": lock.tree,
        "version": lock.version,
    }
    case = [
        (f"vllm-sm12x:patch:{p.name}:{key.lower()}", value)
        for p in patches
        for key, values in [("sha256", [p.sha256]), *trailers(p.body).items()]
        for value in values
    ]
    want = {
        "format": ("CycloneDX", "1.6"),
        "version": ("vllm", lock.local_version),
        "base wheel": (
            lock.version,
            [("SHA-256", base.sha256)],
            f"pkg:pypi/vllm@{lock.version}?file_name={base.filename}",
        ),
        "patches": sorted(f"patches/{p.name}#sha256={p.sha256}" for p in patches),
        "pin": [(f"vllm-sm12x:pin:{k}", v) for k, v in pin.items()],
        "case of the patches": sorted(set(case)),
        "companions": dict(lock.companions),
    }
    for key, value in want.items():
        if facts[key] != value:
            yield Difference(
                What.SBOM, f"{name} ({key})", repr(value), repr(facts[key])
            )


def check_notice(
    name: str, data: bytes, lock: Lock, patches: Sequence[Patch], paths: Iterable[str]
) -> Iterator[Difference]:
    """The notice names the version, every patch and every touched file."""
    text = data.decode("utf-8", "replace")
    words = set(text.split())
    needed = {lock.local_version}
    needed |= {word for p in patches for word in (p.name, p.sha256)}
    missing = needed - words
    missing |= {path for path in paths if f"\n  {path} (" not in text}
    for word in sorted(missing):
        yield Difference(What.NOTICE, name, word, "not named")
