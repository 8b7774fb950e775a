# SPDX-License-Identifier: Apache-2.0
"""The files of a wheel that carry its version: _version.py, METADATA, RECORD."""

from __future__ import annotations

import csv
import io
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from scripts.base.errors import Finding

SBOM = "vllm-sm12x.cdx.json"
"""Name of the bill of materials, in the wheel's .dist-info/sboms/."""


def _once(data: bytes, pattern: bytes, new: bytes, where: str) -> bytes:
    result, n = re.subn(pattern, lambda _: new, data, flags=re.MULTILINE)
    if n != 1:
        raise Finding(
            "the version is not where upstream writes it",
            where=where,
            expected=f"one line {pattern.decode()}",
            found=f"{n} of them",
            next="compare with the upstream wheel; the tool needs to learn this form",
        )
    return result


def version_tuple(version: str) -> tuple[int | str, ...]:
    """What setuptools-scm writes: release numbers, then the local part whole.

    >>> version_tuple("0.33.0+sm12x.1")
    (0, 33, 0, 'sm12x.1')
    """
    release, plus, local = version.partition("+")
    numbers: list[int | str] = [int(x) for x in release.split(".")]
    return (*numbers, local) if plus else tuple(numbers)


def version_file(data: bytes, old: str, new: str) -> bytes:
    """vllm/_version.py with another version; the commit id stays upstream's.

    Raises:
        Finding: It does not hold the version `old` in setuptools-scm's form.
    """
    texts = [
        (
            f"__version__ = version = {v!r}",
            f"__version_tuple__ = version_tuple = {version_tuple(v)!r}",
        )
        for v in (old, new)
    ]
    for before, after in zip(*texts, strict=True):
        pattern = b"^" + re.escape(before.encode()) + b"$"
        data = _once(data, pattern, after.encode(), "vllm/_version.py")
    return data


def requires(
    data: bytes,
    moved: Mapping[str, tuple[str, str]],
    start: str = "Requires-Dist: ",
    where: str = "METADATA",
) -> bytes:
    """Requirements with other versions of some distributions.

    Args:
        data: METADATA, or another file with a line for each requirement.
        moved: Version before and after, by the distribution's name.
        start: What a line begins with.
        where: Name of the file, for messages.

    Raises:
        Finding: One is not required there in the version before, exactly once.
    """
    for name, (old, new) in moved.items():
        line = rf"^({re.escape(start + name)}(?:\[[^]]*\])?==){re.escape(old)}$"
        found = re.findall(line.encode(), data, re.MULTILINE)
        if len(found) != 1:
            raise Finding(
                f"{name} is not required as upstream requires it",
                where=where,
                expected=f"one line {start}{name}=={old}",
                found=f"{len(found)} of them",
                next="compare with the upstream wheel, and with upstream.lock",
            )
        data = data.replace(
            found[0] + f"{old}\n".encode(), found[0] + f"{new}\n".encode()
        )
    return data


def metadata(
    data: bytes,
    old: str,
    new: str,
    notice: str,
    moved: Mapping[str, tuple[str, str]],
) -> bytes:
    """METADATA with another version, other companions and one more licence file.

    Args:
        data: Upstream's bytes.
        old: The version in it.
        new: The version to write.
        notice: The licence file's name in .dist-info/licenses/.
        moved: As `requires` takes it.

    Raises:
        Finding: A header is not there exactly once.
    """
    head, blank, body = data.partition(b"\n\n")
    head += b"\n"
    version = b"^Version: " + re.escape(old.encode()) + b"$"
    head = _once(head, version, f"Version: {new}".encode(), "METADATA")
    if not (found := re.findall(rb"^License-File: .*\n", head, re.MULTILINE)):
        raise Finding("METADATA names no licence file", where="METADATA")
    last = head.rindex(found[-1]) + len(found[-1])
    head = head[:last] + f"License-File: {notice}\n".encode() + head[last:]
    head = requires(head, moved)
    return head[:-1] + blank + body


class Row(NamedTuple):
    """One line of RECORD."""

    name: str
    hash: str
    """`sha256=` and unpadded base64, empty for RECORD itself."""
    size: str
    """Decimal bytes, empty for RECORD itself."""


def row(name: str, data: bytes) -> Row:
    """The line for a file's bytes."""
    return Row(name, record_hash(sha256(data).digest()), str(len(data)))


def record_hash(digest: bytes) -> str:
    """A SHA-256 digest as RECORD writes it.

    >>> record_hash(sha256(b"").digest())
    'sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """
    return "sha256=" + urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def read_record(data: bytes, where: str) -> list[Row]:
    """Read RECORD.

    Raises:
        Finding: It is no UTF-8 CSV of three columns, or names a file twice.
    """
    try:
        text = data.decode("utf-8")
        rows = [Row(*line) for line in csv.reader(io.StringIO(text, newline=""))]
    except (UnicodeDecodeError, csv.Error, TypeError) as e:
        raise Finding(
            "RECORD cannot be read", where, "CSV of three columns", str(e)
        ) from e
    names = [r.name for r in rows]
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise Finding("RECORD names a file twice", where, found=", ".join(twice))
    return rows


def write_record(rows: Iterable[Row]) -> bytes:
    """RECORD's bytes, as upstream's builder writes them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((r.name, r.hash, r.size) for r in rows)
    return out.getvalue().encode("utf-8")


def overlay_record(
    upstream: Sequence[Row],
    rename: Mapping[str, str],
    put: Mapping[str, bytes],
    gone: Iterable[str],
    order: Sequence[str],
) -> bytes:
    """RECORD of the overlay, in upstream's order.

    Args:
        upstream: Upstream's lines; hashes of unchanged files come from here.
        rename: New name of every upstream member that stays.
        put: Bytes of new and changed members, by new name.
        gone: Upstream members that leave.
        order: New names in the archive's order. New files come before
            .dist-info's lines, its new ones after them, RECORD last.

    Raises:
        Finding: Lines and members do not match one to one.
    """
    left = set(gone)
    lines = {rename[r.name]: r for r in upstream if r.name in rename}
    stay = [rename[r.name] for r in upstream if r.name in rename]
    strange = [r.name for r in upstream if r.name not in rename and r.name not in left]
    missing = [n for n in order if n not in lines and n not in put]
    if strange or missing:
        raise Finding(
            "upstream's RECORD does not match its members",
            found=f"only in RECORD: {strange[:5]}, only members: {missing[:5]}",
        )
    record = order[-1]
    info = record.split("/")[0] + "/"
    stay = [n for n in stay if n != record]
    new = [n for n in order if n not in lines]
    names = [
        *(n for n in stay if not n.startswith(info)),
        *(n for n in new if not n.startswith(info)),
        *(n for n in stay if n.startswith(info)),
        *(n for n in new if n.startswith(info)),
    ]
    rows = [
        row(n, put[n]) if n in put else Row(n, lines[n].hash, lines[n].size)
        for n in names
    ]
    return write_record([*rows, Row(record, "", "")])
