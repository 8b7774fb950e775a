# SPDX-License-Identifier: Apache-2.0
"""The pinned source, read once: the id of every file, the bytes of a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.fetch import obtain
from scripts.gitobj import blob_id
from scripts.lock import Lock
from scripts.sdist import Member, members
from scripts.series.replay import Entry


@dataclass(frozen=True)
class Source:
    """The tree that the series starts from."""

    ids: Mapping[str, tuple[int, str]]
    """Mode and blob of each file."""
    files: Mapping[str, Entry]
    """Those that were asked for."""

    @property
    def folders(self) -> set[str]:
        """Names at the top that are folders."""
        return {path.partition("/")[0] for path in self.ids if "/" in path}


Want = Callable[[str], bool]
Reader = Callable[[Want], Source]
"""Reads the source, keeping the bytes of the paths that are wanted."""


def read(found: Iterable[Member], want: Want) -> Source:
    """Go through an archive once.

    Raises:
        Finding: As `sdist.members`.
    """
    ids: dict[str, tuple[int, str]] = {}
    files: dict[str, Entry] = {}
    for member in found:
        ids[member.path] = (member.mode, blob_id(member.data))
        if want(member.path):
            files[member.path] = Entry(member.mode, member.data)
    return Source(ids, files)


def reader(lock: Lock, upstream_dir: Path | None = None) -> Reader:
    """A reader of the pinned sdist, which is fetched if it is not cached.

    Args:
        lock: The pin.
        upstream_dir: The offline folder, as for `fetch.obtain`.

    Raises:
        Finding: The archive is not the pinned one.
        Unusable: It is not cached and cannot be fetched.
    """
    return partial(_read_archive, obtain(lock.sdist, upstream_dir=upstream_dir))


def _read_archive(path: Path, want: Want) -> Source:
    return read(members(path), want)
