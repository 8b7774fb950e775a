# SPDX-License-Identifier: Apache-2.0
"""The pinned source, as the rules read it: the id of every file, the bytes of a few."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.upstream import sdist_contents
from scripts.upstream.fetch import obtain
from scripts.upstream.lock import Lock
from scripts.upstream.sdist_contents import Source, Want

Reader = Callable[[Want], Source]
"""Reads the source, keeping the bytes of the paths that are wanted."""


def reader(lock: Lock, upstream_dir: Path | None = None) -> Reader:
    """A reader of the pinned sdist, which is fetched if it is not cached.

    Args:
        lock: The pin.
        upstream_dir: The offline folder, as for `fetch.obtain`.

    Raises:
        Finding: The archive is not the pinned one.
        Unusable: It is not cached and cannot be fetched.
    """
    archive = obtain(lock.sdist, upstream_dir=upstream_dir)
    return partial(sdist_contents.source, archive, lock.sdist)
