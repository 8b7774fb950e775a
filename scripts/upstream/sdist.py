# SPDX-License-Identifier: Apache-2.0
"""Read a source archive member by member; nothing is extracted to a disk.

The bytes are trusted no more than their digest: a release that is pinned for
the first time could hold anything, so every member is judged before its use.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.base.errors import Finding, Unusable

FILE, EXECUTABLE = 0o100644, 0o100755

MAX_MEMBERS = 100_000
MAX_BYTES = 4 << 30
"""All members together, unpacked; vLLM 0.33.0 has 137 MB in 9,629 members."""
MAX_FILE = 256 << 20
"""One member, which is held in memory; the largest of 0.33.0 has 7.3 MB."""

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


@dataclass(frozen=True)
class Member:
    """One file of the archive."""

    path: str
    """Below the archive's one top folder, with `/` between the parts."""
    mode: int
    """As git writes it: `FILE` or `EXECUTABLE`."""
    mtime: int
    """Seconds since 1970, rounded down."""
    data: bytes
    offset: int = field(default=0, compare=False)
    """Where `data` starts in the unpacked archive."""


def members(path: Path) -> Iterator[Member]:
    """Yield the archive's files in its own order.

    A problem may show only after earlier members were yielded, so whoever
    writes them somewhere must be ready to drop them.

    Args:
        path: A `.tar.gz` whose digest was checked.

    Raises:
        Finding: The archive is damaged or cut off, holds something other than
            files and folders, has a name that leaves its folder or comes
            twice, or unpacks to more than the bounds of this module.
        Unusable: The file cannot be read.
    """
    seen = _Names(path)
    try:
        with (
            _Recorder(path) as stream,
            # A name that is no UTF-8 reaches `_Names`, which refuses it.
            tarfile.open(
                fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"
            ) as archive,
        ):
            for info in archive:
                member = _member(archive, info, seen)
                if member is not None:
                    yield member
            _check_end(path, stream)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise _damaged(path, str(e)) from e
    except OSError as e:
        raise Unusable(
            "cannot read the archive",
            where=str(path),
            found=e.strerror or str(e),
            next="make it readable, or name another folder: SM12X_CACHE, UPSTREAM_DIR",
        ) from e


def _member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, seen: _Names
) -> Member | None:
    seen.add(info)
    if info.isdir():
        return None
    stream = archive.extractfile(info)
    data = b"" if stream is None else stream.read()
    return Member(
        path=info.name.split("/", 1)[1],
        mode=EXECUTABLE if info.mode & 0o100 else FILE,
        mtime=int(info.mtime),
        data=data,
        offset=info.offset_data,
    )


@dataclass
class _Names:
    """What was met so far, and the judgement of what comes next."""

    archive: Path
    top: str | None = None
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    size: int = 0

    def add(self, info: tarfile.TarInfo) -> None:
        """Take one member in.

        Raises:
            Finding: It must not be used; the message says why.
        """
        name = info.name
        why = self._kind(info) or _bad_name(name) or self._place(info)
        if why:
            raise Finding(
                f"{self.archive.name} has a member that must not be used: {why}",
                where=f"{self.archive}, member {name!r}",
                next="compare the file with the release; do not pin this one",
            )
        self.listed.add(name)
        self.size += info.size
        (self.folders if info.isdir() else self.files).add(name)

    def _kind(self, info: tarfile.TarInfo) -> str | None:
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            return f"it is {_KINDS.get(info.type, f'of type {info.type!r}')}"
        if len(self.listed) >= MAX_MEMBERS:
            return f"more than {MAX_MEMBERS:,} members"
        if info.size > MAX_FILE:
            return f"{info.size:,} bytes, more than {MAX_FILE:,}"
        if self.size + info.size > MAX_BYTES:
            return f"all members together have more than {MAX_BYTES:,} bytes"
        return None

    def _place(self, info: tarfile.TarInfo) -> str | None:
        name = info.name
        top, *below = name.split("/")
        if not below and not info.isdir():
            return "it is a file outside the top folder"
        if self.top is None:
            self.top = top
        if top != self.top:
            return f"a second top folder beside {self.top!r}"
        if name in self.listed:
            return "its name comes twice"
        parents = ["/".join((top, *below[:i])) for i in range(len(below))]
        if not self.files.isdisjoint(parents) or (
            not info.isdir() and name in self.folders
        ):
            return "it is both a file and a folder"
        self.folders.update(parents)
        return None


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _bad_name(name: str) -> str | None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if "\\" in name:
        return "a backslash in its name"
    if _CONTROL.search(name):
        return "a control character in its name"
    if name.startswith("/"):
        return "its name is absolute"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return f"the component {part!r} in its name"
        # The second is how a file system with short names spells the first.
        if part.casefold() in (".git", "git~1"):
            return f"the component {part!r}, which is git's own"
    return None


class _Recorder(gzip.GzipFile):
    """Remembers the last read: tarfile takes a damaged header for the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.last = b""

    def read(self, size: int | None = -1) -> bytes:
        # An extended header is read whole, before its member can be judged.
        if size is None or size > MAX_FILE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = super().read(size)
        return self.last


def _check_end(path: Path, stream: _Recorder) -> None:
    if len(stream.last) != tarfile.BLOCKSIZE or any(stream.last):
        raise _damaged(path, f"no end marker or header before byte {stream.tell():,}")
    # Reading to the end also makes gzip compare its checksum and length.
    left = MAX_BYTES
    while block := stream.read(1 << 20):
        left -= len(block)
        if any(block) or left < 0:
            raise _damaged(path, "more bytes after the end marker")


def _damaged(path: Path, found: str) -> Finding:
    return Finding(
        f"{path.name} is damaged",
        where=str(path),
        expected="a whole gzip-compressed tar archive",
        found=found,
        next="remove it and run it again; it is fetched anew",
    )
