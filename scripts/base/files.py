# SPDX-License-Identifier: Apache-2.0
"""Files appear whole or not at all, and one run at a time touches them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from scripts.base.console import note
from scripts.base.errors import Unusable

REMADE = (
    "dist/, build/selection, build/source and the cache, SM12X_CACHE or "
    "~/.cache/vllm-sm12x, can be made again"
)
"""What a person may delete where a disk is full; build/vllm holds work."""
MAKE_ROOM = f"free the disk ({REMADE}), or make the folder writable, and run it again"

TEMP_MARK = ".sm12x-part-"
"""In the name of every unfinished file; `sweep` removes what a kill left."""


def digest(path: Path, name: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, name).hexdigest()


def sync_dir(path: Path) -> None:
    """Make a rename inside `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def begin_writing(fd: int, start: int, count: int) -> None:
    """Let the disk take a part of a file while the next is made; `fsync` ends it.

    Linux starts to write what it is asked to drop, and pages on their way to the disk
    stay cached: ask once for each part.

    Args:
        fd: The file.
        start: Offset of the part, in bytes.
        count: Its size, in bytes.
    """
    os.posix_fadvise(fd, start, count, os.POSIX_FADV_DONTNEED)


@contextmanager
def whole(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a file beside `path` and put it in its place when the block ends.

    The bytes are on disk before the name is; a block that raises, or a run
    that is killed, leaves what was at `path` before. One that raises leaves no
    folder either that was not there.

    Raises:
        Unusable: The folder cannot be written or the disk is full.
    """
    temp: Path | None = None
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(
            prefix=f".{path.name}"[:180] + TEMP_MARK, dir=path.parent
        )
        temp = Path(name)
        with os.fdopen(fd, "w+b") as f:
            yield f
            f.flush()
            os.fchmod(f.fileno(), mode)
            os.fsync(f.fileno())
        temp.replace(path)
        temp, made = None, []
        sync_dir(path.parent)
    except OSError as e:
        raise Unusable(
            f"cannot write {path.name}: {e.strerror or e}",
            where=str(path),
            next=MAKE_ROOM,
        ) from e
    finally:
        if temp is not None:
            temp.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # another run has put something there
                folder.rmdir()


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace the file at `path` by `data`, whole or not at all."""
    with whole(path, mode) as f:
        f.write(data)


def sweep(folder: Path, name: str = "*") -> int:
    """Remove unfinished files that a killed run left in `folder`; how many.

    Args:
        folder: Where to look; need not be there.
        name: Only those of this file; where other runs may write beside it.
    """
    start = f".{name}"[:180]
    left = list(folder.glob(f"{start}{TEMP_MARK}*")) if folder.is_dir() else []
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


@contextmanager
def one_run(path: Path, verb: str, *, wait: bool = False) -> Iterator[int]:
    """Hold `path` as a lock; the kernel frees it however the run ends.

    Args:
        path: The lock file, made if it is not there and never removed.
        verb: What this run does, shown to the one that is turned away.
        wait: Wait for the other run instead of giving up.

    Yields:
        The lock's descriptor, for a program that goes on with it.

    Raises:
        Unusable: Another run holds the lock, and `wait` is false.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as e:
        raise Unusable(
            f"cannot lock: {e.strerror}",
            where=str(path),
            next="make the folder writable, or work in a copy of the checkout",
        ) from e
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 400).decode("utf-8", "replace").strip()
            if not wait:
                raise Unusable(
                    "another run is at work here",
                    where=str(path),
                    found=holder or "its name is not written yet",
                    next="wait for it to end, then run this again",
                ) from None
            note(f"waiting for another run: {holder or 'it has just started'}")
            fcntl.flock(fd, fcntl.LOCK_EX)
        os.ftruncate(fd, 0)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        os.pwrite(fd, f"{verb}, process {os.getpid()}, since {now}\n".encode(), 0)
        yield fd
    finally:
        os.close(fd)
