# SPDX-License-Identifier: Apache-2.0
"""Three-way merges by git, in an object space that is thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.git import BlobReader, Git
from scripts.base.object_ids import Entry
from scripts.series.base_commit import commit, fast_import, file

Files = Mapping[str, Entry | None]
"""Path to content; None where the file is not there."""

_SETTINGS = ("-c", "merge.renames=false", "-c", "merge.conflictStyle=diff3")


@dataclass(frozen=True)
class Merged:
    """What git made of the files."""

    files: dict[str, bytes]
    """Path to content, with conflict markers in those of `conflicts`."""
    conflicts: frozenset[str]


@dataclass(frozen=True)
class Space:
    """A bare repository in a temporary folder: no work tree, no state left."""

    git: Git
    blobs: BlobReader

    def merge(
        self, base: Files, upstream: Files, patched: Files, names: tuple[str, str]
    ) -> Merged:
        """Merge two changes of the same files.

        git 2.39 cannot be told a merge base, so it gets two commits with one
        parent: the base that is true by construction.

        Args:
            base: The true preimage.
            upstream: The new upstream.
            patched: What the patch made of `base`.
            names: What `upstream` and `patched` are called in conflict markers.

        Raises:
            Finding: git failed otherwise than by a conflict.
        """
        mine, yours = (f"refs/heads/{name}" for name in names)
        self._commits(("refs/heads/base", base), (mine, upstream), (yours, patched))
        done = self.git.run(
            *_SETTINGS, "merge-tree", "--write-tree", "-z", *names, ok=(0, 1)
        )
        tree, *rows = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        # Conflicted paths, one entry a stage, up to an empty one; then messages.
        conflicts = set()
        if done.returncode:
            for row in rows:
                if not row:
                    break
                conflicts.add(row.partition("\t")[2])
        paths = dict.fromkeys((*base, *upstream, *patched))
        return Merged(self._read(tree, paths), frozenset(conflicts))

    def _commits(self, *wanted: tuple[str, Files]) -> None:
        def stream() -> Iterator[bytes]:
            for mark, (ref, files) in enumerate(wanted, 1):
                yield commit(mark, ref)
                if mark > 1:
                    yield b"from :1\ndeleteall\n"
                for path, entry in files.items():
                    if entry is not None:
                        yield file(path, entry)

        fast_import(self.git, stream())

    def _read(self, tree: str, paths: Iterable[str]) -> dict[str, bytes]:
        found = {path: self.blobs.read(f"{tree}:{path}") for path in paths}
        return {path: data for path, data in found.items() if data is not None}

    def text(self, base: bytes, upstream: bytes, patched: bytes) -> bytes | None:
        """Merge one stretch of text; None where it conflicts."""
        if upstream == patched or base == patched:
            return upstream
        if base == upstream:
            return patched
        one, two, three = (
            {"x": Entry(0o100644, data)} for data in (base, upstream, patched)
        )
        done = self.merge(one, two, three, names=("upstream", "patched"))
        return None if done.conflicts else done.files["x"]


@contextmanager
def space() -> Iterator[Space]:
    """Object space for merges; nothing of it is left when the block ends."""
    with TemporaryDirectory(prefix="sm12x-port-") as folder:
        git = Git(Path(folder))
        git.run("init", "--quiet", "--bare", ".")
        with git.blobs() as blobs:
            yield Space(git, blobs)
