# SPDX-License-Identifier: Apache-2.0
"""Both trees as the series goes on, and what its patches use there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scripts.base.object_ids import Entry
from scripts.port.names import references
from scripts.port.names.breach import Breach, Need
from scripts.port.names.trees import Index, Trees, side
from scripts.port.report.states import FileResult
from scripts.series.replay import Tree

Answer = tuple[list[Breach], dict[str, set[Need]]]
"""Uses of a patch that the new tree does not answer, and what it uses at all."""

Snapshot = tuple[Mapping[str, Entry | None], Mapping[str, Entry | None]]
"""What a chain has made of both trees so far."""


@dataclass
class Chain:
    """The two trees as the series goes on."""

    base: Tree
    new: Tree
    trees: Trees | None
    old_now: dict[str, Entry | None] = field(default_factory=dict)
    new_now: dict[str, Entry | None] = field(default_factory=dict)
    texts: dict[bytes, bool] = field(default_factory=dict)
    indexes: tuple[Index, Index] | None = None

    def __post_init__(self) -> None:
        if self.trees is not None:
            base = Index(self.trees.base)
            self.indexes = base, Index(self.trees.new, base)

    @property
    def state(self) -> Snapshot:
        return dict(self.old_now), dict(self.new_now)

    def restore(self, state: Snapshot) -> None:
        """Go back to a state that was taken before."""
        self.old_now, self.new_now = (dict(part) for part in state)

    def before(self, path: str) -> Entry | None:
        return self.old_now[path] if path in self.old_now else self.base(path)

    def here(self, path: str) -> Entry | None:
        return self.new_now[path] if path in self.new_now else self.new(path)

    def take(self, files: Iterable[FileResult]) -> None:
        """Put the files of a patch into both trees, or out of the new one again."""
        for found in files:
            self.old_now[found.path] = found.patched
            if found.state.carried:
                self.new_now[found.target] = found.result
                self.new_now |= found.also
            elif found.upstream is None and self.new(found.target) is None:
                self.new_now.pop(found.target, None)
            else:
                self.new_now[found.target] = found.upstream

    def look(self, files: Sequence[FileResult]) -> Answer:
        """Of a patch that was taken: what it uses, and what of it is not answered."""
        if self.trees is None:
            return [], {}
        assert self.indexes
        old = side(self.indexes[0], self.before, self.old_now)
        new = side(self.indexes[1], self.here, self.new_now)
        return references.breaches(files, old, new), references.needs(files, old)

    def known(self, text: bytes) -> bool:
        """Whether a text is in the pinned tree, quoted."""
        if text not in self.texts:
            files = self.trees.base.files.values() if self.trees else ()
            quoted = b'"%s"' % text
            self.texts[text] = any(quoted in entry.data for entry in files)
        return self.texts[text]
