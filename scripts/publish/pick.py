# SPDX-License-Identifier: Apache-2.0
"""The members that differ between two archives, unpacked side by side.

diffoscope on two whole wheels would unpack 5,800 files of each; what differs
is known by then, and is all that it has to look at.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from scripts.sdist import members
from scripts.wheel.scan import scan
from scripts.wheel.zipread import STORED, Archive, Member, read

LARGEST = 8 << 20
"""Bytes of a member that is looked at."""
MOST = 20
"""Members that are looked at."""

Side = Mapping[str, tuple[str, Callable[[], bytes]]]
"""By member: something that tells its content, and how to get it."""


def wheel_side(path: Path) -> Side:
    """Members of a wheel; a damaged one is taken as far as it unpacks.

    Raises:
        Finding: It is no whole zip archive.
    """
    archive = read(path)
    scans = scan(archive)

    def get(m: Member) -> Callable[[], bytes]:
        return lambda: _unpacked(archive, m)

    return {
        m.name: (f"{scans[m.name].digest.hex()} {m.mode:o}", get(m))
        for m in archive.members
    }


def sdist_side(path: Path) -> Side:
    """Members of a source archive.

    Raises:
        Finding: It is damaged.
    """

    def get(data: bytes) -> Callable[[], bytes]:
        return lambda: data

    return {m.path: (f"{m.mode:o} {hash(m.data)}", get(m.data)) for m in members(path)}


def _unpacked(archive: Archive, m: Member) -> bytes:
    with archive.path.open("rb") as f:
        f.seek(m.data_at)
        raw = f.read(min(m.packed, LARGEST))
    if m.method == STORED:
        return raw
    try:
        return zlib.decompressobj(-15).decompress(raw, LARGEST)
    except zlib.error:
        return raw


def unpack(one: Side, other: Side, folders: tuple[Path, Path]) -> list[str]:
    """Write what differs below two folders.

    Returns:
        The names that were written, on one side or both.
    """
    names = [
        name
        for name in sorted({*one, *other})
        if (one[name][0] if name in one else None)
        != (other[name][0] if name in other else None)
    ][:MOST]
    for side, folder in zip((one, other), folders, strict=True):
        folder.mkdir(parents=True)
        for name in names:
            parts = PurePosixPath(name).parts
            if name not in side or ".." in parts or name.startswith("/"):
                continue
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(side[name][1]()[:LARGEST])
        # Two moments of unpacking are no difference.
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (0, 0))
    return names
