# SPDX-License-Identifier: Apache-2.0
"""An archive's code and table of contents in the cache, to be read at once.

A wheel needs some dozen files of an archive of nine thousand, a port the code of two
archives, and each needs the id of every file. What every file is and where it lies in
the unpacked stream is written down once, as `trees/<sha256 of the archive>.json` in
the cache, and the bytes of what was asked for behind each other in
`trees/<sha256>.held`. Both are believed as little as the cache is: the table has
to give its own tree id, and whatever is read through it has to be the blob that it
names. Otherwise, and with SM12X_PARANOID=1, the archive is read from end to end as
the first time.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from scripts.base.errors import ForkError
from scripts.base.files import write
from scripts.base.object_ids import Entry, blob_id, tree_id
from scripts.upstream import cache, fetch
from scripts.upstream.held_blobs import held, hold
from scripts.upstream.lock import Artifact
from scripts.upstream.sdist import Member, members

Want = Callable[[str], bool]
"""Whether the bytes of a path are wanted."""

Row = tuple[str, int, str, int, int]
"""Path, mode, blob, offset in the unpacked archive, size; both in bytes."""
Found = Iterator[tuple[Row, bytes]]
"""Rows with their bytes, which are the blob that the row names."""
_BLOCK = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """The tree that the series starts from."""

    ids: Mapping[str, tuple[int, str]]
    """Mode and blob of each file."""
    files: Mapping[str, Entry]
    """Those that were asked for."""
    known: str | None = field(default=None, compare=False)
    """git's id of `ids`, where it was computed already."""

    @property
    def tree(self) -> str:
        """git's id of `ids`."""
        return self.known or tree_id(self.ids)

    @property
    def folders(self) -> set[str]:
        """Names at the top that are folders."""
        return {path.partition("/")[0] for path in self.ids if "/" in path}


Reader = Callable[[Want], Source]
"""Reads one archive: `partial` of `read`, or of `source`."""


@dataclass(frozen=True)
class _Paths:
    """Where the cache keeps what is known of one archive."""

    table: Path
    held: Path

    @classmethod
    def of(cls, artifact: Artifact) -> _Paths:
        base = cache.cache_dir() / "trees"
        return cls(base / f"{artifact.sha256}.json", base / f"{artifact.sha256}.held")


def read(artifact: Artifact, want: Want) -> Source:
    """Every id of an archive, and the bytes of the paths that are wanted.

    Args:
        artifact: A source archive; fetched and checked as `fetch.obtain` does it.
        want: Whether a path's bytes are wanted.

    Raises:
        Finding: The archive is damaged, or not the one that was announced.
        Unusable: It cannot be fetched or read.
    """
    return source(fetch.obtain(artifact), artifact, want)


def source(archive: Path, artifact: Artifact, want: Want) -> Source:
    """As `read`, of a file that is at hand.

    Raises:
        Finding: It is not the artifact.
    """
    paths, table = _opened(archive, artifact)
    if table is not None:
        files = _taken(archive, paths, [row for row in table.rows if want(row[0])])
        if files is not None:
            return Source(_ids(table.rows), files, table.tree)
    rows, files = [], {}
    for row, data in _whole(archive, paths):
        rows.append(row)
        if want(row[0]):
            files[row[0]] = Entry(row[1], data)
    hold(paths.held, {row[2]: files[row[0]].data for row in rows if row[0] in files})
    return Source(_ids(rows), files)


def everything(archive: Path, artifact: Artifact, use: Callable[[Found], T]) -> T:
    """Let `use` have every file of an archive that is at hand, in its order.

    Args:
        archive: A file.
        artifact: What it is.
        use: What to do with them; called once more where the table has lied, with
            nothing of the first time to be kept.

    Raises:
        Finding: It is not the artifact, or it is damaged.
    """
    paths, table = _opened(archive, artifact)
    if table is not None:
        try:
            return use(_checked(archive, table.rows))
        except _Lied:
            pass
    return use(_whole(archive, paths))


def _opened(archive: Path, artifact: Artifact) -> tuple[_Paths, _Table | None]:
    """Where what is known of a checked archive lies, and its table, if to be used."""
    cache.check(archive, artifact)
    paths = _Paths.of(artifact)
    return paths, None if cache.is_set("SM12X_PARANOID") else _load(paths.table)


class _Lied(Exception):
    """The archive has something else than the table says."""


def _checked(archive: Path, rows: list[Row]) -> Found:
    """The bytes of rows, each the blob that its row names.

    Raises:
        _Lied: One is not, or the archive ends before.
    """
    try:
        for row, data in _stretches(archive, rows):
            if blob_id(data) != row[2]:
                raise _Lied
            yield row, data
    except (EOFError, zlib.error) as e:
        raise _Lied from e


def _whole(archive: Path, paths: _Paths) -> Found:
    """All of an archive, read from end to end; then its table is kept."""
    rows = []
    for member in members(archive):
        rows.append(_row(member))
        yield rows[-1], member.data
    text = json.dumps({"tree": tree_id(_ids(rows)), "rows": rows})
    _keep(paths.table, text.encode("utf-8"))


def _row(member: Member) -> Row:
    blob, size = blob_id(member.data), len(member.data)
    return member.path, member.mode, blob, member.offset, size


def _ids(rows: Iterable[Row]) -> dict[str, tuple[int, str]]:
    return {path: (mode, blob) for path, mode, blob, *_ in rows}


@dataclass(frozen=True)
class _Table:
    """A table that gives its own tree id."""

    rows: list[Row]
    tree: str


def _load(table: Path) -> _Table | None:
    """A table, or None where there is none that can be used."""
    try:
        found = msgspec.json.decode(table.read_bytes(), type=_Table)
        return found if found.tree == tree_id(_ids(found.rows)) else None
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def _keep(path: Path, data: bytes) -> None:
    try:
        write(path, data)
    except ForkError:
        return  # a cache that is read-only is slower, and as right


def _taken(archive: Path, paths: _Paths, rows: list[Row]) -> dict[str, Entry] | None:
    """What lies at the rows; None where that is not what the table says."""
    blobs, damaged = held(paths.held, {row[2] for row in rows})
    missing = [row for row in rows if row[2] not in blobs]
    if missing:
        try:
            found = {row[2]: data for row, data in _checked(archive, missing)}
        except (OSError, _Lied):
            return None
        blobs |= found
        hold(paths.held, blobs if damaged else found, more=not damaged)
    return {path: Entry(mode, blobs[blob]) for path, mode, blob, *_ in rows}


def _stretches(archive: Path, rows: list[Row]) -> Found:
    """The bytes of rows, out of the unpacked archive; one read goes past them all.

    A block is unpacked while the one before it is used.

    Raises:
        EOFError: The archive ends before.
    """
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    start, block = 0, b""
    with archive.open("rb") as stream, ThreadPoolExecutor(1) as beside:

        def unpacked() -> bytes | None:
            raw = stream.read(_BLOCK)
            return unpack.decompress(raw) if raw else None

        following = beside.submit(unpacked)
        for row in sorted(rows, key=lambda row: row[3]):
            offset, size = row[3:]
            kept: list[bytes] = []
            while start + len(block) < offset + size:
                if offset < start + len(block):
                    kept.append(block[max(offset - start, 0) :])
                start += len(block)
                found = following.result()
                if found is None:
                    raise EOFError
                block, following = found, beside.submit(unpacked)
            at = max(offset - start, 0)
            left = size - sum(map(len, kept))
            yield row, b"".join([*kept, block[at : at + left]])
