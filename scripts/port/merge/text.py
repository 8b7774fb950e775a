# SPDX-License-Identifier: Apache-2.0
"""Three-way merges by git, in an object space that is thrown away."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.base.git import IDENTITY, BlobReader, Git
from scripts.base.object_ids import Entry, object_id, tree_id

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
    ends: ExitStack

    @cached_property
    def blobs(self) -> BlobReader:
        """What reads merged files, started by the first of them."""
        return self.ends.enter_context(self.git.blobs())

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
        # As files of one folder: where they stand is nothing to a merge.
        numbers = {p: str(n) for n, p in enumerate({**base, **upstream, **patched})}
        parent = self._commit(base, numbers)
        for name, files in zip(names, (upstream, patched), strict=True):
            ref = self.git.path / "refs/heads" / name
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(
                f"{self._commit(files, numbers, parent)}\n", encoding="ascii"
            )
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
        found = {p: self.blobs.read(f"{tree}:{n}") for p, n in numbers.items()}
        return Merged(
            {path: data for path, data in found.items() if data is not None},
            frozenset(path for path, n in numbers.items() if n in conflicts),
        )

    def _commit(self, files: Files, names: Mapping[str, str], *parents: str) -> str:
        """A commit of these files alone; a process of git for each would cost more."""
        ids = {
            names[path]: (entry.mode, self._put(b"blob", entry.data))
            for path, entry in files.items()
            if entry is not None
        }
        who = "{} <{}> 0 +0000".format(*IDENTITY)
        rows = [f"tree {tree_id(ids, self._put)}", *(f"parent {p}" for p in parents)]
        rows += [f"author {who}", f"committer {who}", "", ""]
        return self._put(b"commit", "\n".join(rows).encode("utf-8"))

    def _put(self, kind: bytes, body: bytes) -> str:
        """Write a loose object; its id. See gitformat-loose(5)."""
        name = object_id(kind, body)
        path = self.git.path / "objects" / name[:2] / name[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(b"%s %d\0" % (kind, len(body)) + body, 1))
        return name

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
    with TemporaryDirectory(prefix="sm12x-port-") as folder, ExitStack() as ends:
        # All that gitrepository-layout(5) asks for; `git init` is a process more.
        for name in ("objects", "refs/heads"):
            (Path(folder) / name).mkdir(parents=True)
        (Path(folder) / "HEAD").write_text("ref: refs/heads/base\n", encoding="ascii")
        yield Space(Git(Path(folder)), ends)
