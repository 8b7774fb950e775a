# SPDX-License-Identifier: Apache-2.0
"""Hash every member of a wheel, and hold raw bytes against upstream's.

zlib and hashlib release the interpreter, so threads help; no member is ever in
memory whole.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from scripts.wheel.zip.reader import STORED, Archive, Member

_CHUNK = 1 << 20
ELF = b"\x7fELF"


@dataclass(frozen=True)
class Scan:
    """What a member's bytes are."""

    digest: bytes
    """SHA-256 of the unpacked bytes, as far as they could be unpacked."""
    elf: bool
    damage: str | None
    """Why it cannot be unpacked to what its header says; None if it can."""


def _scan(fd: int, m: Member) -> Scan:
    hasher, crc, size, head = sha256(), 0, 0, b""
    inflate = None if m.method == STORED else zlib.decompressobj(-15)
    damage = None
    at = m.data_at
    try:
        while at < m.end and damage is None:
            raw = os.pread(fd, min(_CHUNK, m.end - at), at)
            if not raw:
                damage = "the file ends within it"
            at += len(raw)
            while raw and damage is None:
                # max_length: a member may claim less than it unpacks to.
                out = inflate.decompress(raw, 4 * _CHUNK) if inflate else raw
                raw = inflate.unconsumed_tail if inflate else b""
                head = head or out[:4]
                size += len(out)
                crc = zlib.crc32(out, crc)
                hasher.update(out)
                if size > m.size:
                    damage = f"more than the {m.size:,} bytes of its header"
                elif inflate and inflate.eof and (inflate.unused_data or at < m.end):
                    damage = "bytes after its compressed data"
    except zlib.error as e:
        damage = str(e)
    if damage is None and inflate and m.packed and not inflate.eof:
        damage = "its compressed data is cut off"
    if damage is None and (size, crc) != (m.size, m.crc):
        damage = f"CRC {crc:08x} and {size:,} bytes, not {m.crc:08x} and {m.size:,}"
    return Scan(hasher.digest(), head == ELF, damage)


def scan(
    archive: Archive, done: Callable[[int], None] = lambda n: None
) -> dict[str, Scan]:
    """Unpack and hash every member.

    Args:
        archive: The wheel.
        done: Called with the packed size of each member that is through.
    """
    fd = os.open(archive.path, os.O_RDONLY)
    try:

        def one(m: Member) -> tuple[str, Scan]:
            result = _scan(fd, m)
            done(m.packed)
            return m.name, result

        largest_first = sorted(archive.members, key=lambda m: -m.packed)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(pool.map(one, largest_first))
    finally:
        os.close(fd)


def differing(
    ours: Archive, theirs: Archive, pairs: Iterable[tuple[Member, Member]]
) -> set[str]:
    """Names of our members whose packed bytes are not those of their pair."""
    found: set[str] = set()
    with ours.path.open("rb") as a, theirs.path.open("rb") as b:
        for m, n in pairs:
            a.seek(m.data_at)
            b.seek(n.data_at)
            left = m.packed if m.packed == n.packed else -1
            while left > 0:
                x, y = a.read(min(_CHUNK, left)), b.read(min(_CHUNK, left))
                left = left - len(x) if x == y and x else -1
            if left < 0:
                found.add(m.name)
    return found


def is_elf(archive: Archive, m: Member) -> bool:
    """Whether a member is a compiled file, by its first bytes."""
    with archive.path.open("rb") as f:
        f.seek(m.data_at)
        raw = f.read(min(m.packed, 4096))
    if m.method != STORED:
        raw = zlib.decompressobj(-15).decompress(raw, len(ELF))
    return raw[: len(ELF)] == ELF


def by_name(archive: Archive) -> Mapping[str, Member]:
    """The members of an archive by name."""
    return {m.name: m for m in archive.members}
