# SPDX-License-Identifier: Apache-2.0
"""A git pack of whole objects, written without git and without compression.

`git fast-import` hashes every byte twice with its slow, collision-detecting SHA-1,
looks for deltas and compresses: nine tenths of what upstream's 137 MB took. The
bytes here are of an archive whose SHA-256 is pinned.

The formats are gitformat-pack(5): version 2 of the pack and of its index.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from itertools import accumulate
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType

from scripts.base.files import begin_writing, sync_dir
from scripts.base.object_ids import object_id

_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_BLOCK = 0xFFFF
"""Bytes of a stored block at most."""
_STEP = 8 << 20
"""Bytes that the disk is given at once."""
_MAX = 1 << 31
"""Bytes of a pack; above it an index needs offsets of another size."""


class Pack:
    """Objects that are in the repository once the block ends, all or none.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: `objects/pack` of the repository."""
        self.folder = folder
        self._seen: dict[str, tuple[int, int]] = {}
        """CRC and offset of each object, by id."""

    def __enter__(self) -> Pack:
        # git removes old files of this name itself, should a kill leave one.
        self._file = NamedTemporaryFile(
            dir=self.folder, prefix="tmp_pack_", buffering=1 << 20
        )
        self._at = self._file.write(struct.pack(">4sLL", b"PACK", 2, 0))
        self._given = 0  # so many bytes the disk has begun to write
        return self

    def add(self, kind: bytes, body: bytes, name: str | None = None) -> str:
        """Put one object in; its id, as hex.

        Args:
            kind: `commit`, `tree` or `blob`.
            body: Its bytes.
            name: Its id, if that was computed already.
        """
        name = name or object_id(kind, body)
        if name in self._seen:
            return name
        size = len(body)
        first = _KINDS[kind] << 4 | size & 15
        size >>= 4
        head = bytearray()
        while size:
            head.append(first | 0x80)
            first, size = size & 0x7F, size >> 7
        head.append(first)
        head += _stored(body)
        self._seen[name] = zlib.crc32(head), self._at
        self._at += self._file.write(head)
        if self._at - self._given > _STEP:
            self._file.flush()
            begin_writing(self._file.fileno(), self._given, self._at - self._given)
            self._given = self._at
        return name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file as pack:
            if kind is not None:
                return
            assert self._at < _MAX
            pack.seek(8)
            pack.write(struct.pack(">L", len(self._seen)))
            pack.flush()
            pack.seek(0)
            checksum = hashlib.file_digest(pack, _sha1).digest()
            pack.seek(0, os.SEEK_END)
            pack.write(checksum)
            name = self.folder / f"pack-{checksum.hex()}"
            self._keep(pack, name.with_suffix(".pack"))
        with NamedTemporaryFile(dir=self.folder, prefix="tmp_idx_") as index:
            index.write(self._index(checksum))
            # The index comes last: without it git sees no pack.
            self._keep(index, name.with_suffix(".idx"))
        sync_dir(self.folder)

    @staticmethod
    def _keep(file: object, target: Path) -> None:
        file.flush()  # type: ignore[attr-defined]
        os.fchmod(file.fileno(), 0o444)  # type: ignore[attr-defined]
        os.fsync(file.fileno())  # type: ignore[attr-defined]
        target.unlink(missing_ok=True)
        os.link(file.name, target)  # type: ignore[attr-defined]

    def _index(self, checksum: bytes) -> bytes:
        rows = sorted((bytes.fromhex(n), *at) for n, at in self._seen.items())
        counts = [0] * 256
        for name, _, _ in rows:
            counts[name[0]] += 1
        parts = [
            struct.pack(">4sL256L", b"\377tOc", 2, *accumulate(counts)),
            *(name for name, _, _ in rows),
            *(struct.pack(">L", crc) for _, crc, _ in rows),
            *(struct.pack(">L", at) for _, _, at in rows),
            checksum,
        ]
        data = b"".join(parts)
        return data + _sha1(data).digest()


def _stored(body: bytes) -> bytes:
    """A zlib stream that is not compressed (RFC 1950; RFC 1951, 3.2.4).

    zlib makes the same in more than twice the time.

    >>> zlib.decompress(_stored(b"")), zlib.decompress(_stored(b"x" * 70_000))[-1:]
    (b'', b'x')
    """
    parts = [b"\x78\x01"]
    for at in range(0, len(body) or 1, _BLOCK):
        part = body[at : at + _BLOCK]
        last, size = at + _BLOCK >= len(body), len(part)
        parts += (struct.pack("<BHH", last, size, size ^ 0xFFFF), part)
    return b"".join([*parts, struct.pack(">L", zlib.adler32(body))])


def _sha1(data: bytes = b"") -> hashlib._Hash:
    return hashlib.sha1(data, usedforsecurity=False)
