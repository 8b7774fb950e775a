# SPDX-License-Identifier: Apache-2.0
"""Write a zip archive whose members are copied as they stand.

Kept members go over as raw ranges, contiguous ones in one range, without
recompression. New ones are stored uncompressed: zlib's output differs from
version to version, and they are small.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple
from zlib import crc32

from scripts.base.files import begin_writing
from scripts.wheel.zip.reader import (
    END,
    LIMIT,
    STORED,
    UTF8,
    Archive,
    Member,
    bad,
    central,
    local,
)

_CHUNK = 4 << 20
_STEP = 8 << 20  # the disk writes one step while the kernel copies the next


class Keep(NamedTuple):
    """A member of the source, under its own or another name."""

    member: Member
    name: str


@dataclass(frozen=True)
class Put:
    """A new or changed member, stored uncompressed."""

    name: str
    data: bytes
    mode: int = 0o100644


def dos_time(epoch: int) -> tuple[int, int]:
    """DOS time and date, in UTC and steps of two seconds.

    >>> dos_time(315532800)
    (0, 33)
    """
    t = datetime.fromtimestamp(epoch, UTC)
    return (
        t.hour << 11 | t.minute << 5 | t.second // 2,
        (t.year - 1980) << 9 | t.month << 5 | t.day,
    )


class _Out:
    """Writes at explicit offsets: file and kernel copy share no position."""

    def __init__(self, f: BinaryIO, wrote: Callable[[int], None]) -> None:
        self.fd = f.fileno()
        self.wrote = wrote
        self.at = 0
        self.in_kernel = True

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self.fd, view, self.at)
            self.at += done
            self.wrote(done)
            view = view[done:]

    def copy(self, source: int, start: int, end: int) -> None:
        while start < end:
            count = min(end - start, _STEP)
            if self.in_kernel:
                try:
                    n = os.copy_file_range(source, self.fd, count, start, self.at)
                except OSError as e:
                    # Two file systems, or one that cannot: copy by hand.
                    if e.errno not in (
                        errno.EXDEV,
                        errno.ENOSYS,
                        errno.EINVAL,
                        errno.EOPNOTSUPP,
                    ):
                        raise
                    self.in_kernel = False
                    continue
                self.at += n
                self.wrote(n)
            else:
                data = os.pread(source, min(count, _CHUNK), start)
                self.write(data)
                n = len(data)
            if not n:
                raise OSError(errno.EIO, "the source became shorter")
            begin_writing(self.fd, self.at - n, n)
            start += n


def write(
    source: Archive,
    entries: Iterable[Keep | Put],
    f: BinaryIO,
    epoch: int,
    wrote: Callable[[int], None] = lambda n: None,
) -> int:
    """Write an archive of kept and new members, in the order of `entries`.

    Args:
        source: Where kept members come from.
        entries: What goes in.
        f: An empty file, open for writing, with a file descriptor.
        epoch: Seconds since 1970, the date of every `Put`.
        wrote: Called with the number of bytes after every write.

    Returns:
        The size in bytes.

    Raises:
        OSError: As the file system says.
        Finding: The archive would need zip64.
    """
    time, date = dos_time(epoch)
    out = _Out(f, wrote)
    records: list[bytes] = []
    run: tuple[int, int] | None = None  # bytes of the source still to be copied
    at = 0
    with source.path.open("rb") as src:
        for entry in entries:
            name = entry.name.encode("utf-8")
            if isinstance(entry, Keep) and entry.name == entry.member.name:
                m = entry.member
                records.append(central(m, name, at))
                if run and run[1] == m.at:
                    run = (run[0], m.end)
                else:
                    if run:
                        out.copy(src.fileno(), *run)
                    run = (m.at, m.end)
                at += m.end - m.at
                continue
            if run:
                out.copy(src.fileno(), *run)
                run = None
            if isinstance(entry, Keep):
                m = entry.member
                header = local(m, name)
                out.write(header)
                out.copy(src.fileno(), m.data_at, m.end)
            else:
                m = put_member(entry, time, date)
                header = local(m, name)
                out.write(header + entry.data)
            records.append(central(m, name, at))
            at += len(header) + m.packed
        if run:
            out.copy(src.fileno(), *run)
    directory = b"".join(records)
    if at + len(directory) >= LIMIT or len(records) >= 0xFFFF:
        raise bad(source.path, "the result would need zip64", "below 4 GiB", f"{at:,}")
    n = len(records)
    end = END.pack(b"PK\5\6", 0, 0, n, n, len(directory), at, 0)
    out.write(directory + end)
    return out.at


def put_member(entry: Put, time: int, date: int) -> Member:
    """The headers of a stored member, offset 0; `create_system` 3 is Unix."""
    n = len(entry.data)
    return Member(
        name=entry.name,
        made_by=3 << 8 | 20,
        needs=20,
        flags=0 if entry.name.isascii() else UTF8,
        method=STORED,
        time=time,
        date=date,
        crc=crc32(entry.data),
        packed=n,
        size=n,
        internal=0,
        external=entry.mode << 16,
        at=0,
    )
