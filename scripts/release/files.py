# SPDX-License-Identifier: Apache-2.0
"""The files of a release: made, or kept where they lie and pass."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Finding
from scripts.base.files import digest, write
from scripts.release import build
from scripts.release.index import metadata_of
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.wheel.metadata import SBOM

SUMS = "SHA256SUMS"


class Kind(Enum):
    """What a published file is."""

    WHEEL = "wheel"
    SDIST = "sdist"
    SBOM = "sbom"
    """The wheel's own bill of materials, CycloneDX, for whoever has no wheel."""
    METADATA = "metadata"
    """The wheel's METADATA, for the index (PEP 658)."""
    SUMS = "checksums"


class Made(Enum):
    """How a file came to lie there in this run."""

    BUILT = "built"
    KEPT = "kept"
    """It was there and passed."""


@dataclass(frozen=True)
class File:
    """One published file."""

    path: Path
    kind: Kind
    made: Made
    arch: str | None
    """Of a wheel and what belongs to it, as `uname -m` prints it."""
    size: int
    """Bytes."""
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Maker:
    """Makes the files of one architecture, or of the source archive."""

    lock: Lock
    patches: Sequence[Patch]
    out: Path

    def files(self, arch: str | None) -> Iterator[File]:
        """The built file first, then what lies beside it.

        Args:
            arch: None for the source archive.

        Raises:
            Finding: What was built does not pass its own check.
        """
        path, made = self._built(arch)
        kind = Kind.WHEEL if arch else Kind.SDIST
        first = _file(path, kind, made, arch)
        yield first
        if arch is not None:
            with zipfile.ZipFile(path) as z:
                name = f"vllm-{self.lock.local_version}.dist-info/sboms/{SBOM}"
                yield self._beside(first, ".cdx.json", z.read(name), Kind.SBOM)
            yield self._beside(first, ".metadata", metadata_of(path), Kind.METADATA)

    def _built(self, arch: str | None) -> tuple[Path, Made]:
        path = self.out / build.name(self.lock, arch)
        if path.is_file():
            if self._passes(path, arch):
                return path, Made.KEPT
            note(f"{path.name} is not what this checkout makes; building it again")
        build.build(self.lock, self.patches, arch, self.out)
        if arch is not None:
            report = build.verified(self.lock, self.patches, path, arch)
            if not report.ok:
                raise Finding(
                    "the built wheel does not pass",
                    path.name,
                    found=str(report),
                    next=f"make verify-wheel WHEEL={path}, which writes all of it down",
                )
        return path, Made.BUILT

    def _passes(self, path: Path, arch: str | None) -> bool:
        if arch is None:
            return build.sdist_is_whole(self.lock, self.patches, path)
        try:
            return build.verified(self.lock, self.patches, path, arch).ok
        except Finding:  # no zip archive at all
            return False

    def _beside(self, of: File, suffix: str, data: bytes, kind: Kind) -> File:
        return _written(of.path.with_name(of.name + suffix), data, kind, of.arch)


def sums(files: Sequence[File], out: Path) -> File:
    """Write SHA256SUMS, as `sha256sum --check` reads it."""
    rows = [f"{f.sha256}  {f.name}\n" for f in sorted(files, key=lambda f: f.name)]
    return _written(out / SUMS, "".join(rows).encode("ascii"), Kind.SUMS, None)


def _written(path: Path, data: bytes, kind: Kind, arch: str | None) -> File:
    """A file with these bytes, written if it is another."""
    made = Made.KEPT
    if not path.is_file() or path.read_bytes() != data:
        write(path, data)
        made = Made.BUILT
    return _file(path, kind, made, arch)


def _file(path: Path, kind: Kind, made: Made, arch: str | None) -> File:
    return File(path, kind, made, arch, path.stat().st_size, digest(path))
