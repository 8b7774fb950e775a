# SPDX-License-Identifier: Apache-2.0
"""Upstream's files, verified: from a folder, from the cache, or from an index."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.base.console import note
from scripts.base.errors import Unusable
from scripts.base.files import one_run
from scripts.upstream import cache
from scripts.upstream.lock import Artifact


def upstream_folder() -> Path | None:
    """$UPSTREAM_DIR: files that somebody else downloaded.

    Raises:
        Unusable: It is no folder that can be read.
    """
    named = os.environ.get("UPSTREAM_DIR", "")
    if not named:
        return None
    folder = Path(named).absolute()
    if not (os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()):
        raise Unusable(
            "UPSTREAM_DIR is no folder that can be read",
            where=str(folder),
            next="unset it, or name a folder that has upstream's sdist and wheels",
        )
    return folder


def is_offline() -> bool:
    """Whether $SM12X_OFFLINE or $PIP_NO_INDEX forbid the network."""
    return any(cache.is_set(name) for name in ("SM12X_OFFLINE", "PIP_NO_INDEX"))


def obtain(artifact: Artifact) -> Path:
    """A local file that is the artifact: its size and digest were checked.

    Looked for in $UPSTREAM_DIR (used in place, never written to), then in
    the cache, then on the package index.

    Raises:
        Finding: A file was found and is another; nothing of it is used.
        Unusable: The file is nowhere, or cache or network fail.
    """
    folder = upstream_folder()
    if folder is not None and os.path.lexists(folder / artifact.filename):
        cache.check(folder / artifact.filename, artifact)
        return folder / artifact.filename
    kept = cache.object_path(artifact)
    if _in_cache(kept, artifact):
        return kept
    if is_offline():
        raise Unusable(
            f"{artifact.filename} is not here, and the network may not be used",
            where=f"UPSTREAM_DIR={folder or ' (not set)'}\n{kept}",
            expected=f"{artifact.size:,} bytes, sha256 {artifact.sha256}",
            next="put the file into a folder and set UPSTREAM_DIR to it, "
            "or unset SM12X_OFFLINE and PIP_NO_INDEX",
        )
    _prepare(kept.parent, "parts", "locks")
    lock = cache.cache_dir() / "locks" / artifact.sha256
    with one_run(lock, f"fetch {artifact.filename}", wait=True):
        # Another run may have brought it while this one waited.
        if _in_cache(kept, artifact):
            return kept
        # Slow to import, and seldom needed.
        from scripts.upstream.download import download

        return download(artifact, kept)


def _in_cache(kept: Path, artifact: Artifact) -> bool:
    if not os.path.lexists(kept):
        return False
    try:
        cache.check(kept, artifact)
    except cache.Altered as damage:
        try:
            kept.unlink()
        except OSError:
            raise damage from None
        note(
            f"removed from the cache, for it was changed there, and asked for anew: "
            f"{artifact.filename}\n  expected: {damage.expected}\n"
            f"  found:    {damage.found}"
        )
        return False
    return True


def _prepare(*folders: Path | str) -> None:
    for name in folders:
        folder = cache.cache_dir() / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise cache.unwritable(folder, e) from e
        if not os.access(folder, os.W_OK | os.X_OK):
            raise cache.unwritable(folder, PermissionError(0, "permission denied"))
