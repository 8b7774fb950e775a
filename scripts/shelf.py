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
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from scripts import cache, fetch
from scripts.errors import ForkError
from scripts.files import whole, write
from scripts.gitobj import blob_id, tree_id
from scripts.lock import Artifact
from scripts.sdist import Member, members
from scripts.series.replay import Entry

Want = Callable[[str], bool]
"""Whether the bytes of a path are wanted."""

Row = tuple[str, int, str, int, int]
"""Path, mode, blob, offset in the unpacked archive, size; both in bytes."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """The tree that the series starts from."""

    ids: Mapping[str, tuple[int, str]]
    """Mode and blob of each file."""
    files: Mapping[str, Entry]
    """Those that were asked for."""

    @property
    def folders(self) -> set[str]:
        """Names at the top that are folders."""
        return {path.partition("/")[0] for path in self.ids if "/" in path}


@dataclass(frozen=True)
class _Shelf:
    """Where the cache keeps what is known of one archive."""

    table: Path
    held: Path

    @classmethod
    def of(cls, artifact: Artifact) -> _Shelf:
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
    cache.check(archive, artifact)
    shelf = _Shelf.of(artifact)
    rows = None if cache.is_set("SM12X_PARANOID") else _load(shelf.table)
    if rows is not None:
        files = _taken(archive, shelf, [row for row in rows if want(row[0])])
        if files is not None:
            return Source({path: (mode, blob) for path, mode, blob, *_ in rows}, files)
    rows, files = [], {}
    for member in members(archive):
        rows.append(_row(member))
        if want(member.path):
            files[member.path] = Entry(member.mode, member.data)
    _keep(shelf.table, json.dumps({"tree": _tree(rows), "rows": rows}).encode("utf-8"))
    _hold(shelf, {row[2]: files[row[0]].data for row in rows if row[0] in files})
    return Source({path: (mode, blob) for path, mode, blob, *_ in rows}, files)


def _row(member: Member) -> Row:
    blob, size = blob_id(member.data), len(member.data)
    return member.path, member.mode, blob, member.offset, size


def _tree(rows: Iterable[Row]) -> str:
    return tree_id({path: (mode, blob) for path, mode, blob, *_ in rows})


def _load(table: Path) -> list[Row] | None:
    """The rows of a table, or None where there is none that can be used."""
    try:
        found = json.loads(table.read_text(encoding="utf-8"))
        rows: list[Row] = [
            (str(path), int(mode), str(blob), int(offset), int(size))
            for path, mode, blob, offset, size in found["rows"]
        ]
        return rows if _tree(rows) == found["tree"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(path: Path, data: bytes) -> None:
    try:
        write(path, data)
    except ForkError:
        return  # a cache that is read-only is slower, and as right


def _hold(shelf: _Shelf, blobs: Mapping[str, bytes], more: bool = False) -> None:
    """Write down blobs: a line of JSON with their sizes, then their bytes.

    With `more` they come before those that are written down already.
    """
    try:
        with _held(shelf) as (old, stream), whole(shelf.held) as f:
            sizes = {name: len(data) for name, data in blobs.items()}
            f.write(json.dumps(sizes | (old if more else {})).encode("utf-8") + b"\n")
            f.writelines(blobs.values())
            if more:
                copyfileobj(stream, f, _BLOCK)
    except ForkError:
        return  # as in `_keep`


@contextmanager
def _held(shelf: _Shelf) -> Iterator[tuple[dict[str, int], BinaryIO]]:
    """Names and sizes of the blobs that are written down, and where they begin.

    None where the file is not as long as they are together.
    """
    stream: BinaryIO = BytesIO()
    with suppress(OSError):
        stream = shelf.held.open("rb")
    with stream:
        try:
            sizes = {str(k): int(v) for k, v in json.loads(stream.readline()).items()}
        except (ValueError, TypeError, AttributeError):
            sizes = {}
        start, end = stream.tell(), stream.seek(0, os.SEEK_END)
        if start + sum(sizes.values()) != end or min(sizes.values(), default=0) < 0:
            sizes, start = {}, end
        stream.seek(start)
        yield sizes, stream


def _taken(archive: Path, shelf: _Shelf, rows: list[Row]) -> dict[str, Entry] | None:
    """What lies at the rows; None where that is not what the table says."""
    names, blobs, damaged = {row[2] for row in rows}, {}, False
    with _held(shelf) as (sizes, stream):
        at = stream.tell()
        for name, size in sizes.items():
            if name in names:
                stream.seek(at)
                data = stream.read(size)
                if blob_id(data) == name:
                    blobs[name] = data
                else:
                    damaged = True
            at += size
    missing = [row for row in rows if row[2] not in blobs]
    if missing:
        found: dict[str, bytes] = {}
        try:
            for blob, data in _stretches(archive, missing):
                if blob_id(data) != blob:
                    return None
                found[blob] = data
        except (OSError, EOFError, zlib.error):
            return None
        blobs |= found
        _hold(shelf, blobs if damaged else found, more=not damaged)
    return {path: Entry(mode, blobs[blob]) for path, mode, blob, *_ in rows}


def _stretches(archive: Path, rows: list[Row]) -> Iterator[tuple[str, bytes]]:
    """The bytes of rows, out of the unpacked archive; one read goes past them all.

    Raises:
        EOFError: The archive ends before.
    """
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    start, block = 0, b""
    with archive.open("rb") as stream:
        for _, _, blob, offset, size in sorted(rows, key=lambda row: row[3]):
            kept: list[bytes] = []
            while start + len(block) < offset + size:
                if offset < start + len(block):
                    kept.append(block[max(offset - start, 0) :])
                start += len(block)
                raw = stream.read(_BLOCK)
                if not raw:
                    raise EOFError
                block = unpack.decompress(raw)
            at = max(offset - start, 0)
            left = size - sum(map(len, kept))
            yield blob, b"".join([*kept, block[at : at + left]])
