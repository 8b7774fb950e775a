# SPDX-License-Identifier: Apache-2.0
"""An archive's table of contents in the cache, so that few of its bytes are read.

A port reads two archives of nine thousand files for some dozen of each, and those
of the releases in between. What every file is and where it lies in the unpacked
stream is written down once, as `trees/<sha256 of the archive>.json` in the cache.
The table is believed as little as the cache is: it has to give its own tree id,
and whatever is read through it has to be the blob that it names. Otherwise, and
with SM12X_PARANOID=1, the archive is read from end to end as the first time.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from scripts import cache, fetch
from scripts.errors import ForkError
from scripts.files import write
from scripts.gitobj import blob_id, tree_id
from scripts.lock import Artifact
from scripts.sdist import Member, members
from scripts.series.check.source import Source, Want
from scripts.series.replay import Entry

Row = tuple[str, int, str, int, int]
"""Path, mode, blob, offset in the unpacked archive, size; both in bytes."""


def read(artifact: Artifact, want: Want) -> Source:
    """Every id of an archive, and the bytes of the paths that are wanted.

    Args:
        artifact: A source archive; fetched and checked as `fetch.obtain` does it.
        want: Whether a path's bytes are wanted.

    Raises:
        Finding: The archive is damaged, or not the one that was announced.
        Unusable: It cannot be fetched or read.
    """
    archive = fetch.obtain(artifact)
    table = cache.cache_dir() / "trees" / f"{artifact.sha256}.json"
    rows = None if cache.is_set("SM12X_PARANOID") else _load(table)
    if rows is not None:
        files = _taken(archive, (row for row in rows if want(row[0])))
        if files is not None:
            return Source({path: (mode, blob) for path, mode, blob, *_ in rows}, files)
    rows, files = [], {}
    for member in members(archive):
        rows.append(_row(member))
        if want(member.path):
            files[member.path] = Entry(member.mode, member.data)
    _keep(table, rows)
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


def _keep(table: Path, rows: list[Row]) -> None:
    text = json.dumps({"tree": _tree(rows), "rows": rows})
    try:
        write(table, text.encode("utf-8"))
    except ForkError:
        return  # a cache that is read-only is slower, and as right


def _taken(archive: Path, rows: Iterable[Row]) -> dict[str, Entry] | None:
    """What lies at the rows; None where that is not what the table says."""
    files: dict[str, Entry] = {}
    try:
        with gzip.open(archive) as stream:
            for path, mode, blob, offset, size in sorted(rows, key=lambda r: r[3]):
                stream.seek(offset)
                data = stream.read(size)
                if blob_id(data) != blob:
                    return None
                files[path] = Entry(mode, data)
    except (OSError, EOFError, zlib.error):
        return None
    return files
