# SPDX-License-Identifier: Apache-2.0
"""An export's folder: our files, each whole, with their digests beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, sweep, whole, write
from scripts.base.object_ids import Entry

SUMS = "SHA256SUMS"
Files = Mapping[str, Entry]
"""Path below the export's folder, to content."""


def place(
    out: Path, files: Files, archive: tuple[str, Path], *, force: bool = False
) -> Path:
    """Write an export; what else lies in the folder stays.

    Files of an earlier export that no longer belong are removed.

    Args:
        out: The folder, made if it is not there.
        files: What is written.
        archive: Name in the folder and source of upstream's sdist.
        force: Overwrite files that no export wrote, or that were edited since.

    Returns:
        `out`.

    Raises:
        Finding: A file in the way was edited since an export, or written by none.
        Unusable: The folder cannot be written.
    """
    name, source = archive
    new = {path: sha256(e.data).hexdigest() for path, e in files.items()}
    new[name] = digest(source)
    old = sums(out)
    lost = [
        str(out / path)
        for path in sorted({*old, *new})
        if (out / path).is_file()
        and digest(out / path) not in (old.get(path), new.get(path))
    ]
    if lost and not force:
        raise Finding(
            "a file here was edited since an export, or was written by none",
            where="\n".join(lost),
            next="keep a copy, then run this again with --force (make: FORCE=1), "
            "or name another folder with --out (make: OUT=)",
        )
    for path in {*old, *new}:
        sweep((out / path).parent, Path(path).name)
    for path in old.keys() - new.keys():
        (out / path).unlink(missing_ok=True)
    for path, entry in files.items():
        write(out / path, entry.data, entry.mode & 0o777)
    if not (out / name).is_file() or digest(out / name) != new[name]:
        with source.open("rb") as f, whole(out / name) as g:
            shutil.copyfileobj(f, g, 1 << 20)
    rows = "".join(f"{new[path]}  {path}\n" for path in sorted(new))
    write(out / SUMS, rows.encode())
    return out


def sums(out: Path) -> dict[str, str]:
    """Digests that an earlier export left, by path; empty where there was none.

    Raises:
        Unusable: The file was not written by these tools.
    """
    path = out / SUMS
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        value, mark, name = line.partition("  ")
        if len(value) != 64 or not mark or name.startswith("/") or ".." in name:
            raise Unusable(
                "this folder holds something else than an export",
                where=str(path),
                expected="<sha256>  <path>",
                found=line,
                next="name another folder with --out (make: OUT=)",
            )
        found[name] = value
    return found
