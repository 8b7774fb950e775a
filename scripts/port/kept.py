# SPDX-License-Identifier: Apache-2.0
"""What a dry run found, kept in the cache for the next one.

What becomes of a patch follows from both trees, the patches up to it, the decisions
of persons and the tool, and from nothing else. So the patches that are still the
same, from the first one on, are not merged and looked up again. Only dry runs take
it: what is written to a checkout is always found anew.

    ports/<tree>-<tree>.kept      sha256 of the rest in hex, a newline, msgpack
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from scripts.base.errors import ForkError
from scripts.base.files import write
from scripts.base.git import Git
from scripts.port.names.chain import Answer, Chain
from scripts.port.report.states import PatchResult
from scripts.series.replay import Step
from scripts.series.resolutions import Records
from scripts.upstream.cache import cache_dir, is_set
from scripts.upstream.sdist_contents import Source

ROOMS = ("base", "upstream", "series", "port")
"""Folders of `scripts/` whose code the outcome follows from."""


@dataclass(frozen=True)
class Row:
    """One patch: as it was merged, before its look-up counted; and its look-up."""

    key: str
    merged: PatchResult
    """Without the contents that the trees and the patches have."""
    answer: Answer


@dataclass(frozen=True)
class _File:
    root: str
    rows: tuple[Row, ...]


@dataclass
class Kept:
    """What is known of a series between two trees, from its first patch on."""

    path: Path
    root: str
    """Digest of all that the outcome follows from but the patches."""
    rows: list[Row]
    """Those of an earlier run, then also those of this one."""
    keys: list[str] = field(default_factory=list)
    """Of the patches that were gone through."""
    grown: bool = False

    @classmethod
    def between(
        cls, base: Source, new: Source, paths: Iterable[str], more: Iterable[object]
    ) -> Kept:
        """What an earlier run left; nothing where anything is another now.

        Args:
            base: The pinned tree.
            new: The new tree.
            paths: What the whole series touches.
            more: What else the outcome follows from, each with a telling `repr`.
        """
        trees = base.tree, new.tree
        root = _digest(*_tool(), *trees, repr(sorted(paths)), *map(repr, more))
        path = cache_dir() / "ports" / f"{trees[0][:16]}-{trees[1][:16]}.kept"
        return cls(path, root, list(_load(path, root)))

    def take(self, step: Step, chain: Chain) -> tuple[PatchResult, Answer] | None:
        """The next patch as it was merged and looked up; None where that is not known.

        Args:
            step: The patch.
            chain: Both trees with what came before it.
        """
        at, key = len(self.keys), self._key(step)
        if at >= len(self.rows) or self.rows[at].key != key:
            del self.rows[at:]
            return None
        self.keys.append(key)
        merged = self.rows[at].merged
        files = tuple(
            replace(
                part,
                base=chain.before(part.path),
                upstream=chain.here(part.target),
                patched=step.changes[part.path],
            )
            for part in merged.files
        )
        return replace(merged, files=files), self.rows[at].answer

    def add(self, step: Step, merged: PatchResult, answer: Answer) -> None:
        """Note the next patch."""
        bare = (
            replace(p, base=None, upstream=None, patched=None) for p in merged.files
        )
        key = self._key(step)
        self.keys.append(key)
        self.rows.append(Row(key, replace(merged, files=tuple(bare)), answer))
        self.grown = True

    def save(self) -> None:
        """Write it down, if there is more of it than before."""
        if not self.grown:
            return
        try:
            body = msgspec.msgpack.encode(_File(self.root, tuple(self.rows)))
            write(self.path, _digest(body).encode() + b"\n" + body)
        except (ForkError, UnicodeEncodeError):
            return  # a cache that is read-only is slower, and as right

    def _key(self, step: Step) -> str:
        return _digest(*self.keys[-1:], step.patch.name, step.patch.sha256)


def kept(
    base: Source, new: Source, paths: Iterable[str], records: Records, label: str
) -> Kept | None:
    """What is known of this port; None with SM12X_PARANOID=1."""
    if is_set("SM12X_PARANOID"):
        return None
    decided = sorted(records.found.items(), key=lambda row: row[0].file)
    return Kept.between(base, new, paths, (decided, label))


def _load(path: Path, root: str) -> tuple[Row, ...]:
    """What a file keeps; nothing where it is of something else, cut or damaged."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if head.decode("ascii", "replace") != _digest(body):
            return ()
        found = msgspec.msgpack.decode(body, type=_File)
    except (OSError, msgspec.MsgspecError):
        return ()
    return found.rows if found.root == root else ()


@cache
def _tool() -> tuple[str, ...]:
    """What tells one version of the tool, and of what it calls, from others."""
    return tuple(_versions())


def _versions() -> Iterator[str]:
    yield sys.version
    yield Git(Path.cwd()).text("version")
    # The folder of a package's facts has its version in its name.
    libraries = Path(sysconfig.get_path("purelib"))
    yield repr(sorted(p.name for p in libraries.glob("*.dist-info")))
    scripts = Path(__file__).parents[1]
    for room in ROOMS:
        for file in sorted((scripts / room).rglob("*.py")):
            yield _digest(str(file.relative_to(scripts)), file.read_bytes())


def _digest(*parts: str | bytes) -> str:
    made = sha256()
    for part in parts:
        data = (
            part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        )
        made.update(b"%d\0" % len(data) + data)
    return made.hexdigest()
