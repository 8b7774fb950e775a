# SPDX-License-Identifier: Apache-2.0
"""Blobs in a file of the cache, to be read at the places that are wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from scripts.base.errors import ForkError
from scripts.base.files import whole
from scripts.base.object_ids import blob_id


def hold(path: Path, blobs: Mapping[str, bytes], *, more: bool = False) -> None:
    """Write down blobs: a line of JSON with their sizes, then their bytes.

    Args:
        path: The file, replaced whole; left as it is where it cannot be written.
        blobs: Id to bytes.
        more: Put them before those that are there already, which are not looked at.
    """
    with suppress(ForkError), _open(path) as (old, stream), whole(path) as f:
        sizes = {name: len(data) for name, data in blobs.items()}
        f.write(json.dumps(sizes | (old if more else {})).encode("utf-8") + b"\n")
        f.writelines(blobs.values())
        if more:
            copyfileobj(stream, f)


def held(path: Path, names: set[str]) -> tuple[dict[str, bytes], bool]:
    """Those of `names` that are there and whole, and whether one is there damaged."""
    found: dict[str, bytes] = {}
    damaged = False
    with _open(path) as (sizes, stream):
        at = stream.tell()
        for name, size in sizes.items():
            if name in names:
                stream.seek(at)
                data = stream.read(size)
                if blob_id(data) == name:
                    found[name] = data
                else:
                    damaged = True
            at += size
    return found, damaged


@contextmanager
def _open(path: Path) -> Iterator[tuple[dict[str, int], BinaryIO]]:
    """Names and sizes of the blobs that are written down, and where they begin.

    None where the file is not as long as they are together.
    """
    stream: BinaryIO = BytesIO()
    with suppress(OSError):
        stream = path.open("rb")
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
