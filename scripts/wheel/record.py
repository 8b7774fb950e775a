# SPDX-License-Identifier: Apache-2.0
"""RECORD of an installed distribution, read and edited line by line."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from scripts.base.errors import Finding
from scripts.wheel.metadata import read_record, record_hash


def edit_record(
    record: bytes, rows: Mapping[str, tuple[str, int] | None], where: str = "RECORD"
) -> bytes:
    r"""RECORD with some rows changed; every other line keeps its bytes.

    The format is that of "Recording installed projects" (PyPA
    specifications): CSV with path, `sha256=` and unpadded urlsafe base64, size.

    >>> edit_record(b"a,,1\r\nb,,2\r\n", {"b": None, 'c,"d': ("00", 3)})
    b'a,,1\r\n"c,""d",sha256=AA,3\r\n'

    Args:
        record: The file's bytes.
        rows: Path to hex SHA-256 and size in bytes, or None for a path whose
            row goes. Rows that are not there yet are added at the end.
        where: Name of the file, for messages.

    Raises:
        Finding: It is no CSV in UTF-8.
    """
    lines = record.splitlines(keepends=True)
    # pip ends its lines with CR LF, uv with LF.
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    out: list[bytes] = []
    left = dict(rows)
    for line in lines:
        try:
            path = _path_of(line)
        except (UnicodeDecodeError, csv.Error, StopIteration) as e:
            raise Finding("RECORD cannot be read", where, "CSV", repr(line)) from e
        if path not in rows:
            out.append(line if line.endswith(b"\n") else line + end)
        elif (new := left.pop(path, None)) is not None:
            out.append(_row(path, *new) + end)
    added = (_row(path, *new) + end for path, new in left.items() if new is not None)
    return b"".join([*out, *added])


def record_paths(record: bytes, where: str = "RECORD") -> set[str]:
    """The paths that RECORD names.

    Raises:
        Finding: It is no CSV in UTF-8.
    """
    return {row.name for row in read_record(record, where)}


def _path_of(line: bytes) -> str:
    text = line.decode("utf-8")
    if text.startswith('"'):
        return next(csv.reader([text]))[0]
    return text.partition(",")[0].rstrip("\r\n")


def _row(path: str, sha256: str, size: int) -> bytes:
    if any(c in path for c in ',"\r\n'):
        path = '"' + path.replace('"', '""') + '"'
    return f"{path},{record_hash(bytes.fromhex(sha256))},{size}".encode()
