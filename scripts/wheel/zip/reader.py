# SPDX-License-Identifier: Apache-2.0
"""Read the directory of a zip archive, strictly.

Only the plain form that wheels have is read: no zip64, no encryption, no data
descriptors, no extra fields, and not one byte that belongs to no member. What
two readers could see differently is an error, never a guess.

The format is PKWARE's APPNOTE.TXT, 4.3.7 (local header), 4.3.12 (directory) and
4.3.16 (end record).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from scripts.base.errors import Finding

STORED, DEFLATED = 0, 8
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
UTF8 = 0x800
LIMIT = 0xFFFFFFFF


class Member(NamedTuple):
    """One member, as both of its headers say."""

    name: str
    made_by: int
    needs: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes of the file."""
    internal: int
    external: int
    at: int
    """Offset of the local header, in bytes."""

    @property
    def mode(self) -> int:
        """Unix mode with the file type."""
        return self.external >> 16

    @property
    def data_at(self) -> int:
        return self.at + _LOCAL.size + len(self.name.encode("utf-8"))

    @property
    def end(self) -> int:
        return self.data_at + self.packed


@dataclass(frozen=True)
class Archive:
    """A zip file; `members` in the order of both directory and data."""

    path: Path
    members: tuple[Member, ...]


def bad(path: Path, what: str, expected: str, found: str, at: str = "") -> Finding:
    return Finding(
        what,
        where=f"{path}: {at}" if at else str(path),
        expected=expected,
        found=found,
        next="fetch or build it again; an archive of this form is not used",
    )


def _name(path: Path, raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "ascii")
    except UnicodeDecodeError as e:
        raise bad(path, "a member name cannot be read", "UTF-8", repr(raw)) from e
    parts = name.split("/")
    if "\\" in name or not name.isprintable() or {"", ".", ".."} & {*parts}:
        raise bad(
            path, "a member leaves its folder", "a plain relative file path", repr(name)
        )
    return name


def _member(path: Path, fixed: tuple[int, ...], raw: bytes) -> Member:
    (made, needs, flags, method, time, date, crc, packed, size) = fixed[1:10]
    (_, extra, comment, disk, internal, external, at) = fixed[10:]
    name = _name(path, raw, flags)
    if LIMIT in (packed, size, at) or disk:
        raise bad(path, "the archive is zip64", "plain zip", "zip64 sizes", name)
    if flags & ~UTF8 & ~0b110:  # bits 1 and 2 only tell how hard deflate tried
        raise bad(
            path,
            "a member is encrypted or has a data descriptor",
            "no such flag",
            f"{flags:#06x}",
            name,
        )
    if method not in (STORED, DEFLATED) or (method == STORED and packed != size):
        raise bad(path, "unknown compression", "0 or 8", str(method), name)
    if extra or comment:
        raise bad(path, "a member has extra fields", "none", f"{extra + comment}", name)
    if external >> 28 not in (0, 0o10):
        raise bad(
            path,
            "a member is not a regular file",
            "mode 100644 or 100755",
            f"{external >> 16:o}",
            name,
        )
    return Member(
        name,
        made,
        needs,
        flags,
        method,
        time,
        date,
        crc,
        packed,
        size,
        internal,
        external,
        at,
    )


def local(m: Member, name: bytes) -> bytes:
    head = (m.needs, m.flags, m.method, m.time, m.date, m.crc, m.packed, m.size)
    return _LOCAL.pack(b"PK\3\4", *head, len(name), 0) + name


def central(m: Member, name: bytes, at: int) -> bytes:
    head = (m.made_by, m.needs, m.flags, m.method, m.time, m.date)
    sizes = (m.crc, m.packed, m.size, len(name), 0, 0, 0, m.internal, m.external, at)
    return _CENTRAL.pack(b"PK\1\2", *head, *sizes) + name


def read(path: Path) -> Archive:
    """Read the directory, and hold every local header against it.

    Raises:
        Finding: It is no zip, truncated, of a form that wheels do not have,
            or its members overlap, repeat, leave gaps or contradict the
            directory.
    """
    try:
        with path.open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(0, size - END.size))
            tail = f.read(END.size)
            if len(tail) < END.size or tail[:4] != b"PK\5\6":
                raise bad(
                    path,
                    "this is no zip archive, or it is cut off",
                    "an end record in the last 22 bytes",
                    f"{size:,} bytes that end in {tail[-4:]!r}",
                )
            _, disk, start, here, count, length, at, comment = END.unpack(tail)
            if disk or start or here != count or comment or count == 0xFFFF:
                raise bad(path, "the end record is unusual", "plain zip", repr(tail))
            if at + length + END.size != size:
                raise bad(
                    path,
                    "bytes are missing or belong to no member",
                    f"{at + length + END.size:,} bytes",
                    f"{size:,} bytes",
                )
            f.seek(at)
            members = tuple(_directory(path, f.read(length), count))
            _check(path, f, members, at)
    except OSError as e:
        raise bad(path, "cannot read it", "a file", e.strerror or str(e)) from e
    return Archive(path, members)


def _directory(path: Path, data: bytes, count: int) -> Iterable[Member]:
    i = 0
    for _ in range(count):
        head = data[i : i + _CENTRAL.size]
        if len(head) < _CENTRAL.size or head[:4] != b"PK\1\2":
            raise bad(path, "the directory is damaged", f"{count} members", "fewer")
        fixed = _CENTRAL.unpack(head)
        i += _CENTRAL.size
        raw = data[i : i + fixed[10]]
        i += fixed[10]
        yield _member(path, fixed, raw)
    if i != len(data):
        raise bad(path, "the directory is damaged", f"{i} bytes", f"{len(data)}")


def _check(path: Path, f: BinaryIO, members: tuple[Member, ...], end: int) -> None:
    names: set[str] = set()
    at = 0
    for m in members:
        if m.name in names:
            raise bad(path, "two members have one name", "one", "two", m.name)
        names.add(m.name)
        if m.at != at:
            raise bad(
                path,
                "bytes between members, or members that overlap",
                f"{m.name} at {at}",
                f"at {m.at}",
                m.name,
            )
        want = local(m, m.name.encode("utf-8"))
        if (found := os.pread(f.fileno(), len(want), at)) != want:
            raise bad(
                path,
                "the local header contradicts the directory",
                want.hex(),
                found.hex(),
                m.name,
            )
        at += len(want) + m.packed
    if at != end:
        raise bad(path, "bytes before the directory", f"{at}", f"{end}")
