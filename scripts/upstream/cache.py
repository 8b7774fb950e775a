# SPDX-License-Identifier: Apache-2.0
"""The cache of upstream's files, and the check that a file is the pinned one.

It lies outside the checkout and is addressed by content:

    objects/sha256/<2>/<digest>/<filename>   whole files, read-only
    parts/<digest>                           transfers that were cut
    locks/<digest>                           one run at a time fetches a file
    stamps/<digest>                          which file was verified, see `check`
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest
from scripts.upstream.lock import Artifact

SETTLED = 2.0
"""Seconds; a change in the same tick of a file system's clock is invisible."""


def cache_dir() -> Path:
    """$SM12X_CACHE, or `vllm-sm12x` below $XDG_CACHE_HOME or ~/.cache.

    Raises:
        Unusable: None of them is set, and the user has no home.
    """
    if own := os.environ.get("SM12X_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    if base.startswith("/"):
        return Path(base) / "vllm-sm12x"
    try:
        return Path.home() / ".cache/vllm-sm12x"
    except RuntimeError as e:
        raise Unusable(
            "there is no place for the cache",
            found="no SM12X_CACHE, no XDG_CACHE_HOME, no home folder",
            next="set SM12X_CACHE to a folder that can be written to",
        ) from e


def object_path(artifact: Artifact) -> Path:
    """Where the cache keeps the artifact; pip needs a wheel's own name."""
    name = artifact.sha256
    return cache_dir() / "objects/sha256" / name[:2] / name / artifact.filename


def check(path: Path, artifact: Artifact) -> None:
    """Raise unless the file at `path` is the artifact.

    A verified file is not read again while device, inode, size and both times
    stay: the stamp in the cache says which file that was. SM12X_PARANOID=1
    reads it every time.

    Raises:
        Altered: It has another digest.
        Finding: It is no regular file, or the artifact by its digest, but the lock
            names another size.
        Unusable: It cannot be read.
    """
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            raise wrong(path, artifact, "not a regular file")
        size = before.st_size
        stamp = cache_dir() / "stamps" / artifact.sha256
        known = not is_set("SM12X_PARANOID") and _read(stamp) == _identity(before)
        if known and size == artifact.size:
            return
        found = digest(path)
        if found != artifact.sha256:
            told = f"{size:,} bytes, sha256 {found}"
            raise wrong(path, artifact, told, kind=Altered)
        if size != artifact.size:
            raise wrong_size(path, artifact, size)
        after = path.stat()
    except OSError as e:
        raise Unusable(
            f"cannot read {artifact.filename}: {e.strerror}",
            where=str(path),
            next="make it readable, or name another folder: SM12X_CACHE, UPSTREAM_DIR",
        ) from e
    settled = time.time() - max(after.st_mtime, after.st_ctime) > SETTLED
    if settled and _identity(before) == _identity(after):
        _write_stamp(stamp, _identity(after))


def _identity(status: os.stat_result) -> str:
    s = status
    return f"{s.st_dev} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}\n"


def _read(stamp: Path) -> str | None:
    try:
        return stamp.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _write_stamp(stamp: Path, text: str) -> None:
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(text, encoding="ascii")
    except OSError:
        # A cache that is read-only is slower, and as right; half a stamp
        # equals no file's identity.
        return


def unwritable(where: Path, e: OSError) -> Unusable:
    """The error for a cache that cannot take a file."""
    return Unusable(
        f"cannot write to the cache: {e.strerror or e}",
        where=str(where),
        next="make it writable, or set SM12X_CACHE to a folder that is",
    )


class Altered(Finding):
    """A file whose digest is not the artifact's; nothing of it is of use."""


AWAY = "move that file away, so that it is fetched anew"


def wrong(
    where: Path | str,
    artifact: Artifact,
    found: str,
    fix: str = AWAY,
    kind: type[Finding] = Finding,
) -> Finding:
    """The error for something that is not the artifact; `fix` comes next."""
    return kind(
        f"{artifact.filename} is not the file that upstream.lock pins",
        where=str(where),
        expected=f"{artifact.size:,} bytes, sha256 {artifact.sha256}",
        found=found,
        next=f"{fix}; if upstream.lock is what is wrong, make pin VERSION=X.Y.Z",
    )


def wrong_size(where: Path | str, artifact: Artifact, found: int) -> Finding:
    """The error for the artifact itself, whose size the lock has wrong."""
    return Finding(
        f"upstream.lock names a wrong size for {artifact.filename}",
        where=f"upstream.lock\n{where}",
        expected=f"{artifact.size:,} bytes",
        found=f"{found:,} bytes, with the pinned sha256 {artifact.sha256}",
        next="git diff upstream.lock; the file is the right one and stays",
    )


def is_set(name: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "false", "no")
