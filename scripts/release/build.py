# SPDX-License-Identifier: Apache-2.0
"""The wheels and the source archive: built, or found whole where they lie."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from scripts.base.errors import Unusable
from scripts.base.files import one_run
from scripts.series.mailbox import Patch
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Lock
from scripts.wheel import overlay, patched_sdist
from scripts.wheel.inputs import arch_of, patched_tree, require_tree
from scripts.wheel.report import Report
from scripts.wheel.verify import verify

_CHUNK = 1 << 20


def arch_or_sdist(lock: Lock, built: Path) -> str | None:
    """The architecture of a wheel; None for the source archive.

    Raises:
        Finding: It is a wheel of no pinned platform.
        Unusable: It is neither.
    """
    if built.suffix == ".whl":
        return arch_of(lock, built)
    if built.name.endswith(".tar.gz"):
        return None
    raise Unusable(
        "this is neither a wheel nor a source archive",
        where=str(built),
        expected="*.whl or *.tar.gz",
        found=built.name,
        next="name a file of dist/: make wheel or make sdist writes one",
    )


def build(
    lock: Lock, patches: Sequence[Patch], arch: str | None, out_dir: Path
) -> Path:
    """Build a wheel, or with no `arch` the source archive.

    Raises:
        Finding, Unusable: As `overlay.build`, `patched_sdist.build` and `obtain`.
    """
    if arch is None:
        return patched_sdist.build(lock, patches, obtain(lock.sdist), out_dir)
    base = obtain(lock.wheel(arch))
    with one_run(out_dir / ".wheel.lock", f"make wheel ARCH={arch}"):
        return overlay.build(
            lock, patches, base, out_dir, sdist=lambda: obtain(lock.sdist)
        )


def name(lock: Lock, arch: str | None) -> str:
    """The file name of what `build` makes."""
    if arch is None:
        return patched_sdist.name(lock)
    return overlay.wheel_name(lock, lock.wheel(arch).filename)


def verified(lock: Lock, patches: Sequence[Patch], wheel: Path, arch: str) -> Report:
    """Derive a wheel again, as `make verify-wheel`."""
    return verify(wheel, lock, patches, obtain(lock.wheel(arch)), obtain(lock.sdist))


class _Hash:
    """A file that keeps only the digest of what is written to it."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size


def sdist_is_whole(lock: Lock, patches: Sequence[Patch], path: Path) -> bool:
    """Whether the tar inside a source archive is the one that `build` packs.

    The gzip around it is left aside: see `patched_sdist`.
    """
    have = hashlib.sha256()
    try:
        with gzip.open(path) as f:
            while data := f.read(_CHUNK):
                have.update(data)
    except (OSError, EOFError, zlib.error):
        return False
    want = _Hash()
    sdist = obtain(lock.sdist)
    tree = patched_tree(lock, sdist, patches)
    require_tree(lock, tree)
    patched_sdist.write_tar(lock, patches, sdist, tree, cast(IO[bytes], want))
    return want.sha256.digest() == have.digest()
