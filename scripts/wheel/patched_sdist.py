# SPDX-License-Identifier: Apache-2.0
"""The patched source archive, from which a build needs no git.

The tar inside is the same bytes on every machine: upstream's order with new
files in their sorted place, one date, no owner. The gzip around it is the same
given the same zlib: zlib's own releases have agreed for years, zlib-ng and
others compress differently. Only storing without compression would be exact
everywhere, at three times the size; compare the tar where it matters.

Beside the patched tree the archive differs in what carries the version
(PKG-INFO, vllm/_version.py), in the list of files that setuptools reads where
there is no git (SOURCES.txt), in the companions that the series requires in
another version (PKG-INFO, requires.txt), and in the notice of modification, which
pyproject.toml names so that a wheel built from it holds the notice too. A
PKG-INFO is upstream's otherwise; a build writes it anew.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from scripts.base.console import bytes_progress
from scripts.base.errors import Finding
from scripts.base.files import whole
from scripts.base.object_ids import Entry
from scripts.series.mailbox import Patch
from scripts.upstream.lock import Lock
from scripts.upstream.sdist import EXECUTABLE, FILE, members
from scripts.wheel import metadata
from scripts.wheel.inputs import Tree, patched_tree, require_tree
from scripts.wheel.notice import NAME as NOTICE
from scripts.wheel.notice import compose

_LEVEL = 6  # 9 takes twice the time for less than one percent
_INFO = "vllm.egg-info"


def name(lock: Lock) -> str:
    """File name of the archive; PEP 625 keeps the plus of a local version.

    Raises:
        Finding: The lock's version cannot be in a source archive's name.
    """
    filename = f"vllm-{lock.local_version}.tar.gz"
    try:
        _, version = parse_sdist_filename(filename)
    except InvalidSdistFilename as e:
        raise Finding("no version for an archive", "upstream.lock", found=str(e)) from e
    if str(version) != lock.local_version:
        raise Finding(
            "the version is not in its normal form",
            where="upstream.lock",
            expected=str(version),
            found=lock.local_version,
        )
    return filename


def build(lock: Lock, patches: Sequence[Patch], sdist: Path, out_dir: Path) -> Path:
    """Write the patched source archive.

    Args:
        lock: The pin; the patched tree must be the one that it names.
        patches: The whole series.
        sdist: Upstream's archive, verified.
        out_dir: Folder for the result, made if it is not there.

    Returns:
        Path of the archive.

    Raises:
        Finding: The series does not apply, makes another tree than the lock
            names, or upstream's files do not have the form that is known.
        Unusable: `out_dir` cannot be written.
    """
    out = out_dir / name(lock)
    tree = patched_tree(lock, sdist, patches)
    require_tree(lock, tree)
    with whole(out) as f, gzip.GzipFile("", "wb", _LEVEL, f, mtime=0) as packed:
        write_tar(lock, patches, sdist, tree, cast(IO[bytes], packed))
    return out


def write_tar(
    lock: Lock, patches: Sequence[Patch], sdist: Path, tree: Tree, f: IO[bytes]
) -> None:
    """Write the tar inside the archive, the same bytes with every zlib.

    Args:
        lock: As for `build`, and so are `patches` and `sdist`.
        tree: The patched tree, as the lock names it.
        f: Where the bytes go, in order; needs `tell` and `write`.
    """
    top = name(lock).removesuffix(".tar.gz")
    with (
        bytes_progress(f"packing {top}", _unpacked_size(sdist)) as progress,
        tarfile.open(fileobj=f, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, entry in packaged(lock, patches, sdist, tree):
            _add(tar, f"{top}/{path}", entry, lock.epoch)
            progress.advance(len(entry.data))


def packaged(
    lock: Lock, patches: Sequence[Patch], sdist: Path, tree: Tree
) -> Iterator[tuple[str, Entry]]:
    """Every file of the patched archive, in its order."""
    new = {p: e for p, e in tree.changes.items() if p in tree.new and e is not None}
    new[NOTICE] = Entry(FILE, notice(lock, patches, tree))
    waiting = sorted(new, key=_key)
    for member in members(sdist):
        while waiting and _key(waiting[0]) < _key(member.path):
            yield waiting[0], new[waiting.pop(0)]
        before = Entry(member.mode, member.data)
        entry = tree.changes.get(member.path, before)
        if entry is not None:
            data = _versioned(lock, tree, member.path, entry.data)
            yield member.path, Entry(entry.mode, data)
    for path in waiting:
        yield path, new[path]


def notice(lock: Lock, patches: Sequence[Patch], tree: Tree) -> bytes:
    """The notice of modification (Apache License 2.0, section 4(b))."""
    by: dict[str, list[str]] = {}
    for patch in patches:
        for change in patch.files:
            by.setdefault(change.path, []).append(patch.number)
    files = {
        path: (list(dict.fromkeys(numbers)), tree.changes.get(path) is not None)
        for path, numbers in by.items()
    }
    return compose(
        lock,
        patches,
        files,
        title=f"vLLM {lock.local_version}, source archive",
        licence="LICENSE beside this file.",
        changed=[
            "Notice of modification (Apache License 2.0, section 4(b)). The source was",
            "changed by these patches, named with the SHA-256 digest of each:",
        ],
        rest=[
            "The version, and the name of this notice, were written into PKG-INFO,",
            f"pyproject.toml, vllm/_version.py and {_INFO}/.",
        ],
    )


def _versioned(lock: Lock, tree: Tree, path: str, data: bytes) -> bytes:
    versions = lock.version, lock.local_version
    if path in ("PKG-INFO", f"{_INFO}/PKG-INFO"):
        return metadata.metadata(data, *versions, NOTICE, lock.moved)
    if path == f"{_INFO}/requires.txt":
        return metadata.requires(data, lock.moved, "", path)
    if path == "vllm/_version.py":
        return metadata.version_file(data, *versions)
    if path == f"{_INFO}/SOURCES.txt":
        return sources(data, tree.changes)
    if path == "pyproject.toml":
        # Without the key, setuptools takes NOTICE* by itself.
        return re.sub(
            rb'^(license-files = \[.*"LICENSE")',
            rb'\1, "%s"' % NOTICE.encode(),
            data,
            count=1,
            flags=re.MULTILINE,
        )
    return data


def sources(data: bytes, changes: Mapping[str, Entry | None]) -> bytes:
    r"""SOURCES.txt of the patched tree.

    Where there is no git, setuptools takes data files from this list alone.

    >>> sources(b"a\nb\n", {"a": None, "c": Entry(0o100644, b"")})
    b'NOTICE.sm12x\nb\nc\n'
    """
    names = set(data.decode("utf-8").splitlines())
    names |= {NOTICE, *(p for p, e in changes.items() if e is not None)}
    names -= {p for p, e in changes.items() if e is None}
    return "".join(f"{n}\n" for n in sorted(names)).encode("utf-8")


def _key(path: str) -> list[str]:
    return path.split("/")


def _unpacked_size(path: Path) -> int:
    # RFC 1952, 2.3.1: the last four bytes are the size, modulo 2**32.
    with path.open("rb") as f:
        f.seek(-4, io.SEEK_END)
        return int.from_bytes(f.read(4), "little")


def _add(tar: tarfile.TarFile, path: str, entry: Entry, epoch: int) -> None:
    if entry.mode not in (FILE, EXECUTABLE):
        raise Finding(
            "the archive holds regular files only",
            where=path,
            expected="mode 100644 or 100755",
            found=f"{entry.mode:o}",
        )
    info = tarfile.TarInfo(path)
    info.size = len(entry.data)
    info.mode = 0o755 if entry.mode == EXECUTABLE else 0o644
    info.mtime = epoch
    tar.addfile(info, io.BytesIO(entry.data))


def unpack(archive: Path, folder: Path) -> None:
    """Write the archive's files below `folder`, which must not be there.

    Raises:
        Finding: A member must not be used; see `scripts.upstream.sdist.members`.
    """
    for member in members(archive):
        path = folder / member.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as f:
            f.write(member.data)
        path.chmod(member.mode & 0o777)
